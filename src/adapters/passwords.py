"""Password hashing with Argon2id."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import TooManyAttempts
from service_layer.ports import PasswordHasher

T = TypeVar("T")

AT_ONCE = 2
"""Number of passwords hashed concurrently; each takes memory and a whole processor."""

WAITING = 100
"""Queue length at which all further passwords are refused."""

STRANGERS_WAITING = 75
"""Queue length at which sign-ins of unauthenticated clients are refused."""

STRANGERS_NEW_WAITING = 25
"""Queue length at which new passwords of unauthenticated clients, who register, are refused."""


class Argon2PasswordHasher(PasswordHasher):
    """Argon2id (RFC 9106) in a thread pool, off the event loop.

    The default parameters are those of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes,
    one lane.
    """

    def __init__(self, *, memory_kib: int = 19 * 1024, passes: int = 2) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=passes, memory_cost=memory_kib, parallelism=1
        )
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        # A dummy hash: verification of an unknown user takes as long as that of a known one.
        self._nobodys = self._threads.submit(self._hasher.hash, secrets.token_urlsafe())

    async def hash_password(self, password: str, *, stranger: bool = False) -> str:
        longest = STRANGERS_NEW_WAITING if stranger else WAITING
        return await self._in_turn(lambda: self._hasher.hash(password), longest)

    async def verify(
        self, password_hash: str | None, password: str, *, stranger: bool = False
    ) -> bool:
        def verify() -> bool:
            try:
                self._hasher.verify(password_hash or self._nobodys.result(), password)
            except (VerificationError, InvalidHashError):
                return False
            return password_hash is not None

        return await self._in_turn(verify, STRANGERS_WAITING if stranger else WAITING)

    async def _in_turn(self, work: Callable[[], T], longest: int) -> T:
        if self._waiting >= longest:
            raise TooManyAttempts(1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
