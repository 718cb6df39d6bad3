"""The threads that write stay near the event loop, and bind nobody else."""

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adapters.sql.fast.cpu_affinity import Nearness


def processors() -> set[int]:
    """Return where this thread may run, as far as the system tells."""
    return os.sched_getaffinity(0) if sys.platform == "linux" else set()


def elsewhere(do: Callable[[], None]) -> set[int]:
    """Return where another thread may run once it has done something."""

    def work() -> set[int]:
        do()
        return processors()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_a_thread_that_writes_is_kept_on_one_processor_and_the_loop_on_none() -> None:
    before, nearness = processors(), Nearness()
    nearness.to_this_thread()
    nearness.keep()
    kept = elsewhere(nearness.keep)

    assert processors() == before
    assert kept <= before
    assert len(kept) == min(len(before), 1)


def test_nobody_is_moved_where_there_is_no_loop_or_none_any_more() -> None:
    before, nearness = processors(), Nearness()

    assert elsewhere(nearness.keep) == before
    ended = threading.Thread(target=nearness.to_this_thread)
    ended.start()
    ended.join()
    # Python knows of its end somewhat earlier than the system.
    while Path(f"/proc/self/task/{ended.native_id}").exists():
        time.sleep(0.001)
    assert elsewhere(nearness.keep) == before
