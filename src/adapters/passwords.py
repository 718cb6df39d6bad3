"""Passwords, hashed with Argon2id."""

import asyncio
import ctypes
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import TooManyAttempts
from service_layer.ports import Passwords

T = TypeVar("T")

AT_ONCE = 2
"""How many passwords are hashed at the same time: each takes memory, and a processor to itself."""

WAITING = 100
"""Queue length from which on further passwords are refused."""

STRANGERS_WAITING = 75
"""Queue length from which on strangers' sign-ins are refused."""

STRANGERS_NEW_WAITING = 25
"""Queue length from which on new passwords of strangers, who register, are refused."""

M_MMAP_THRESHOLD, LARGE = -3, 1024 * 1024
"""From so many bytes on, memory comes from the system and goes back to it (mallopt(3))."""


def _give_back_what_is_large() -> None:
    """Keep no memory for the next password when one has been hashed.

    Where it is not told otherwise, the C library of Linux keeps, in each thread, blocks as large as
    one that was given back to it before. To ask for them anew makes a hash slower, by 14 ms where
    that was measured; a process that has hashed two at once is smaller by 38 MiB.
    """
    # Other systems have no such function, and no need of it.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)


class Argon2Passwords(Passwords):
    """Argon2id (RFC 9106) in threads of its own, off the event loop.

    By default with the parameters of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one
    lane.
    """

    def __init__(self, *, memory_kib: int = 19 * 1024, passes: int = 2) -> None:
        _give_back_what_is_large()
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        # What nobody's password is compared with, so that it takes as long as somebody's.
        self._nobodys = self._threads.submit(self._hasher.hash, secrets.token_urlsafe())

    async def hash(self, password: str, *, stranger: bool = False) -> str:
        longest = STRANGERS_NEW_WAITING if stranger else WAITING
        return await self._in_turn(lambda: self._hasher.hash(password), longest)

    async def verify(self, hash: str | None, password: str, *, stranger: bool = False) -> bool:
        def verify() -> bool:
            try:
                self._hasher.verify(hash or self._nobodys.result(), password)
            except (VerificationError, InvalidHashError):
                return False
            return hash is not None

        return await self._in_turn(verify, STRANGERS_WAITING if stranger else WAITING)

    async def _in_turn(self, work: Callable[[], T], longest: int) -> T:
        if self._waiting >= longest:
            raise TooManyAttempts(1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
