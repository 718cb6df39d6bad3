"""Throttle: let passwords be judged only so often, and in turn."""

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
"""How many attempts may wait for their turn behind one address."""


class _AccountLock:
    """The lock of one address, and how many hold it or wait for it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.taken = 0


class Throttle:
    """Judges attempts one after the other for each address, as long as a limit allows it."""

    def __init__(self, queries: AccessQueries, runner: Runner, clock: Clock) -> None:
        self._queries = queries
        self._run = runner
        self._clock = clock
        self._locks: WeakValueDictionary[str, _AccountLock] = WeakValueDictionary()

    @asynccontextmanager
    async def attempt(self, whose: str, counters: Counters) -> AsyncIterator[None]:
        """Wait for the turn of an attempt, and hold it while the attempt is judged.

        Taking turns keeps one address from filling the queue of hashes, and wrong passwords that
        come at once from being judged beyond the limit.

        Raises:
            TooManyAttempts: when a limit is reached, or too many wait for the same turn.
        """
        turn = self._locks.get(whose)
        if turn is None:
            turn = self._locks[whose] = _AccountLock()
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
        """Count an attempt that has been judged and was wrong.

        Raises:
            TooManyAttempts: when others have reached a limit meanwhile.
        """
        await self._run(register_failure, counters, now=self._clock())
