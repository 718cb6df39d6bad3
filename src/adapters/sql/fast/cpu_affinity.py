"""Nearness: threads that take turns do best on the same processor."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

EVERY = 0.1
"""Seconds after which it is looked again where the event loop is."""


class Nearness:
    """Keeps threads on the processor of the event loop's thread, wherever the system moves that.

    Python's lock lets one of them run at a time. On two processors each finds in the other's cache
    what both work on, and the mixed load of reads and writes takes a tenth longer. Only Linux tells
    where a thread is (proc(5)); elsewhere all of them stay as they are.
    """

    def __init__(self) -> None:
        self._loop: int | None = None
        self._mine = threading.local()

    def to_this_thread(self) -> None:
        """Take note that this is the thread of the event loop."""
        self._loop = threading.get_native_id()

    def keep(self) -> None:
        """Keep the thread that calls this on the loop's processor, from time to time."""
        loop, mine, now = self._loop, self._mine, time.monotonic()
        if loop is None or now < getattr(mine, "until", 0.0) or loop == threading.get_native_id():
            return
        mine.until = now + EVERY
        # Nothing but time depends on it, and systems differ in what they tell and allow.
        with suppress(OSError, AttributeError):
            told = Path(f"/proc/self/task/{loop}/stat").read_bytes()
            # The 39th field, of which the name, the second, may hold anything.
            processor = int(told.rpartition(b")")[2].split()[36])
            if processor != getattr(mine, "processor", None):
                os.sched_setaffinity(0, {processor})
                mine.processor = processor
