"""CPU affinity: keep threads that share the GIL on one processor."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

EVERY = 0.1
"""Seconds between two checks of the event loop's processor."""


class Nearness:
    """Pin calling threads to the processor on which the event loop's thread runs.

    The GIL lets one of these threads run at a time. On two processors, shared data moves between
    their caches, and the mixed load of reads and writes takes a tenth longer. Only Linux reports a
    thread's processor (proc(5)); on other systems, no thread is pinned.
    """

    def __init__(self) -> None:
        self._loop: int | None = None
        self._mine = threading.local()

    def to_this_thread(self) -> None:
        """Record the calling thread as the event loop's thread."""
        self._loop = threading.get_native_id()

    def keep(self) -> None:
        """Move the calling thread to the loop's processor, at most once every `EVERY` seconds."""
        loop, mine, now = self._loop, self._mine, time.monotonic()
        if loop is None or now < getattr(mine, "until", 0.0) or loop == threading.get_native_id():
            return
        mine.until = now + EVERY
        # Only speed depends on this, and systems differ in what they report and permit.
        with suppress(OSError, AttributeError):
            stat = Path(f"/proc/self/task/{loop}/stat").read_bytes()
            # Field 39. The second field, the name, may contain any character, so count from its
            # end.
            processor = int(stat.rpartition(b")")[2].split()[36])
            if processor != getattr(mine, "processor", None):
                os.sched_setaffinity(0, {processor})
                mine.processor = processor
