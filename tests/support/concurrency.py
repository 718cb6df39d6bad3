"""Work in several threads at once."""

import threading
from collections.abc import Callable
from typing import Any


def in_threads(number: int, work: Callable[[int], Any]) -> list[Any]:
    """Do the work in real threads, all at once, and return what each returned."""
    results: list[Any] = [None] * number
    barrier = threading.Barrier(number)

    def job(place: int) -> None:
        barrier.wait()
        results[place] = work(place)

    threads = [threading.Thread(target=job, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
