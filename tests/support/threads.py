"""Concurrent work in threads."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(number: int, work: Callable[[int], T]) -> list[T]:
    """Do the work in threads that start together; each is given its number, from zero."""
    barrier = threading.Barrier(number)

    def job(place: int) -> T:
        barrier.wait()
        return work(place)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(job, range(number)))
