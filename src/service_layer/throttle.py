"""Throttle: rate limits and serial verification of passwords."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from domain.errors import TooManyAttempts
from domain.login_throttle import Counters, require_allowed
from service_layer.login_throttle import register_failure
from service_layer.ports import Clock
from service_layer.queries.access import AccessQueries
from service_layer.runner import Runner

MAX_WAITING = 50
"""Attempts that may wait for one lock."""


class _KeyLock:
    """A lock, with the number of attempts that hold it or wait for it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.taken = 0


class Throttle:
    """Serializes attempts per key, such as a client address, and applies the rate limits."""

    def __init__(self, queries: AccessQueries, runner: Runner, clock: Clock) -> None:
        self._queries = queries
        self._run = runner
        self._clock = clock
        self._locks: WeakValueDictionary[str, _KeyLock] = WeakValueDictionary()

    @asynccontextmanager
    async def attempt(self, whose: str, counters: Counters) -> AsyncIterator[None]:
        """Hold the lock of a key during an attempt, after a check of the counters' rate limits.

        Serialization keeps one address from filling the queue of password hashes. It also keeps
        concurrent wrong passwords from exceeding the rate limit.

        Raises:
            TooManyAttempts: when a rate limit is reached, or too many attempts wait for the lock.
        """
        turn = self._locks.get(whose)
        if turn is None:
            turn = self._locks[whose] = _KeyLock()
        if turn.taken > MAX_WAITING:
            raise TooManyAttempts(1)
        turn.taken += 1
        try:
            async with turn.lock:
                failures = await self._queries.failures(counters.keys())
                require_allowed(counters, failures, self._clock())
                yield
        finally:
            turn.taken -= 1

    async def register_failure(self, counters: Counters) -> None:
        """Count a failed attempt.

        Raises:
            TooManyAttempts: when concurrent attempts have reached a rate limit.
        """
        await self._run(register_failure, counters, now=self._clock())
