"""The memory of a process that serves: it stays what is needed, also after a busy hour."""

import asyncio
import ctypes
import gc
from contextlib import suppress

MMAP_THRESHOLD, LARGE = -3, 128 * 1024
"""From so many bytes on, memory comes from the system and goes back to it (mallopt(3))."""

SECONDS = 60.0


def settle() -> None:
    """Take what exists now for what stays, and have what is large given back when it is freed.

    Where it is not told otherwise, the C library of Linux keeps, in each thread, blocks as large as
    one that was given back to it before. To ask for them again makes the hash of a password slower,
    by 14 ms where that was measured; a process that has hashed two at once is smaller by 38 MiB.
    """
    # Other systems have no such function, and no need of it.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)
    gc.collect()
    # The collector need not look at it again with each pass.
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


async def give_back_every_minute() -> None:
    """Give back to the system what the C library keeps between what is in use."""
    while True:
        await asyncio.sleep(SECONDS)
        gc.collect()
        with suppress(AttributeError, OSError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)
