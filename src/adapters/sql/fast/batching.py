"""Gathering: what is asked for while the same is being asked already is asked together, next."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable, Mapping
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.sql.database import (
    STATEMENT_TIMEOUT,
    Lookup,
    Row,
    Selected,
    SqlDatabase,
    Statement,
    Values,
)
from adapters.sql.errors import AWAY
from service_layer.errors import DatabaseUnavailable

G = TypeVar("G", bound=Hashable)
R = TypeVar("R")


class _Batch:
    """What waits to be asked together: the keys, and who wants to know."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.since = loop.time()
        self.keys: set[Any] = set()
        self.askers: list[asyncio.Future[Any]] = []


class Batcher(Generic[G, R]):
    """A question about some keys that those who ask it at the same time share.

    The first asks after a few turns of the event loop. Who comes while that is under way waits for
    its end, and then all who have come ask together; or they ask at once, beside it, when they are
    enough. So nobody gets an answer that is older than their question, nobody waits long for
    company, and the more there are the fewer questions each of them costs.

    Only those of one group, a name for whatever else the question depends on, ask together.
    """

    LINGER_TICKS = 3
    """For how many turns of the event loop company is waited for. Where the loop has nothing else
    to do, a turn takes some microseconds; where it has, each of them brings some."""

    BATCH_SIZE = 16
    """How many keys are worth a second question while another one is under way: with all in one,
    we would wait while the database works, and the database while we do."""

    def __init__(self, ask: Callable[[G, Collection[Any]], Awaitable[R]]) -> None:
        self._ask = ask
        self._waiting: dict[G, _Batch] = {}
        self._working: set[G] = set()
        self._beside: set[G] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, group: G, keys: Collection[Any]) -> R:
        """Return what the question finds of these keys, and maybe of others too.

        An error is everybody's who asked together. Who does not wait any longer stops nobody else.

        Raises:
            DatabaseUnavailable: when it takes too long, beside all that the question itself raises.
        """
        batch = self._waiting.get(group)
        if batch is None:
            batch = self._waiting[group] = _Batch(asyncio.get_running_loop())
        if group not in self._working:
            self._working.add(group)
            self._begin(batch, self._work(group))
        batch.keys.update(keys)
        asker: asyncio.Future[R] = batch.loop.create_future()
        batch.askers.append(asker)
        if len(batch.keys) >= self.BATCH_SIZE and group not in self._beside:
            self._beside.add(group)
            self._begin(batch, self._second_flight(group, self._waiting.pop(group)))
        return await asker

    def _begin(self, batch: _Batch, work: Coroutine[Any, Any, None]) -> None:
        task = batch.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, group: G) -> None:
        """Ask for all that waits until nothing does."""
        try:
            while group in self._waiting:
                await self._linger(group)
                if batch := self._waiting.pop(group, None):
                    await self._resolve(group, batch)
        finally:
            self._working.discard(group)

    async def _second_flight(self, group: G, batch: _Batch) -> None:
        """Ask for enough at once."""
        try:
            await self._resolve(group, batch)
        finally:
            self._beside.discard(group)

    async def _linger(self, group: G) -> None:
        """Let others come; when that is broken off, so is what came till then."""
        try:
            for _ in range(self.LINGER_TICKS):
                await asyncio.sleep(0)
        except BaseException:
            if batch := self._waiting.pop(group, None):
                self._cancel(batch)
            raise

    async def _resolve(self, group: G, batch: _Batch) -> None:
        try:
            # Nobody waits longer than the one who has waited longest may.
            async with asyncio.timeout_at(batch.since + STATEMENT_TIMEOUT):
                found = await self._ask(group, batch.keys)
        except TimeoutError:
            self._fail(batch, DatabaseUnavailable(AWAY))
        except Exception as error:
            self._fail(batch, error)
        except BaseException:
            self._cancel(batch)
            raise
        else:
            for asker in batch.askers:
                if not asker.done():
                    asker.set_result(found)

    def _cancel(self, batch: _Batch) -> None:
        for asker in batch.askers:
            asker.cancel()

    def _fail(self, batch: _Batch, error: Exception) -> None:
        for asker in batch.askers:
            if not asker.done():
                asker.set_exception(error)


class BatchedLookup(Lookup):
    """Rows by keys, one statement for all who ask together: `key = ANY(…)`."""

    def __init__(self, database: SqlDatabase, rows: Selected, key: ColumnElement[Any]) -> None:
        super().__init__(database, rows, key)
        keys = bindparam("keys", type_=ARRAY(key.type))
        self._statement = Statement(self._rows.where(key == any_(keys)), database.dialect)
        self._gathering: Batcher[tuple[Any, ...], Mapping[Any, Row]] = Batcher(
            lambda given, keys: super(BatchedLookup, self).rows(keys, dict(given))
        )

    def statement_for(self, keys: Collection[Any], given: Values) -> tuple[Statement, Values]:
        return self._statement, {"keys": list(keys), **given}

    def rows(self, keys: Collection[Any], given: Values) -> Coroutine[Any, Any, Mapping[Any, Row]]:
        return self._gathering(tuple(given.items()), keys)
