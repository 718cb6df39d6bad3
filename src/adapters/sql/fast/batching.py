"""The DataLoader pattern (query batching): keys requested during a query share the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable, Mapping
from functools import cached_property
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
    """The keys of the next query, and the futures that wait for its result."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.since = loop.time()
        self.keys: set[Any] = set()
        self.askers: list[asyncio.Future[Any]] = []


class Batcher(Generic[G, R]):
    """A batcher of concurrent requests for keys into shared queries (also request coalescing).

    The first query of a group starts after a short linger. Keys that arrive while it is in flight
    form the next batch. A batch that reaches `BATCH_SIZE` starts at once, as a second query in
    flight. A caller never receives a result older than its request. The more callers there are, the
    fewer queries each of them costs.

    A group identifies all other parameters of the query. Only requests of one group share a query.
    """

    LINGER_TICKS = 3
    """Event-loop ticks that a batch waits for more keys (linger).

    A tick takes microseconds on an idle loop. On a busy loop, each tick brings more keys.
    """

    BATCH_SIZE = 16
    """Number of keys that justifies a second query while one is in flight.

    With one query at a time, the service would idle while the database works, and vice versa.
    """

    def __init__(self, ask: Callable[[G, Collection[Any]], Awaitable[R]]) -> None:
        self._ask = ask
        self._waiting: dict[G, _Batch] = {}
        self._working: set[G] = set()
        self._overlapping: set[G] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, group: G, keys: Collection[Any]) -> R:
        """Return the query's result for these keys, and possibly for others.

        An error is raised in every caller of the batch. A cancelled caller does not affect the
        others.

        Raises:
            DatabaseUnavailable: when the query takes too long; other errors are those of the query.
        """
        batch = self._waiting.get(group)
        if batch is None:
            batch = self._waiting[group] = _Batch(asyncio.get_running_loop())
        if group not in self._working:
            self._working.add(group)
            self._start(batch, self._fly(group))
        batch.keys.update(keys)
        asker: asyncio.Future[R] = batch.loop.create_future()
        batch.askers.append(asker)
        if len(batch.keys) >= self.BATCH_SIZE and group not in self._overlapping:
            self._overlapping.add(group)
            self._start(batch, self._second_flight(group, self._waiting.pop(group)))
        return await asker

    def _start(self, batch: _Batch, work: Coroutine[Any, Any, None]) -> None:
        task = batch.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fly(self, group: G) -> None:
        """Run batches of a group until none is waiting."""
        try:
            while group in self._waiting:
                await self._linger(group)
                if batch := self._waiting.pop(group, None):
                    await self._resolve(group, batch)
        finally:
            self._working.discard(group)

    async def _second_flight(self, group: G, batch: _Batch) -> None:
        """Run a full batch while another query of its group is in flight."""
        try:
            await self._resolve(group, batch)
        finally:
            self._overlapping.discard(group)

    async def _linger(self, group: G) -> None:
        """Wait for more keys; when cancelled, cancel the batch that has formed so far."""
        try:
            for _ in range(self.LINGER_TICKS):
                await asyncio.sleep(0)
        except BaseException:
            if batch := self._waiting.pop(group, None):
                self._cancel(batch)
            raise

    async def _resolve(self, group: G, batch: _Batch) -> None:
        try:
            # The oldest waiter determines the deadline of the batch.
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
    """Look up rows by batched keys, with one statement per batch: `key = ANY(…)`."""

    def __init__(self, database: SqlDatabase, rows: Selected, key: ColumnElement[Any]) -> None:
        super().__init__(database, rows, key)
        self._batcher: Batcher[tuple[Any, ...], Mapping[Any, Row]] = Batcher(
            lambda given, keys: super(BatchedLookup, self).rows(keys, dict(given))
        )

    @cached_property
    def _statement(self) -> Statement:
        keys = bindparam("keys", type_=ARRAY(self._key.type))
        return self._database.statement(self._rows.where(self._key == any_(keys)))

    def rows(self, keys: Collection[Any], values: Values) -> Coroutine[Any, Any, Mapping[Any, Row]]:
        return self._batcher(tuple(values.items()), keys)
