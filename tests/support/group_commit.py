"""Group commit in tests: part of the fast lane."""

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from adapters.memory.store import MemoryStore
from adapters.memory.unit_of_work import MemoryUnitOfWork
from adapters.sql.database import SqlDatabase
from adapters.sql.fast.database import FastDatabase
from adapters.sql.fast.unit_of_work import SqlBatchUnitOfWork
from service_layer.group_commit.runner import DEFAULT_POLICY, BatchPolicy, GroupCommitRunner
from service_layer.group_commit.unit_of_work import (
    BatchUnitOfWork,
    BatchUnitOfWorkFactory,
    Key,
)
from service_layer.reactions import REACTIONS, Reactions
from service_layer.unit_of_work import UnitOfWork
from support.people import ADMIN

if TYPE_CHECKING:
    from support.backends import Backend

runner = GroupCommitRunner


def batches_of(database: SqlDatabase) -> BatchUnitOfWorkFactory | None:
    """Return what opens a batch, for a database of the fast lane."""
    return partial(SqlBatchUnitOfWork, database) if isinstance(database, FastDatabase) else None


def memory_batches(store: MemoryStore) -> BatchUnitOfWorkFactory:
    """Return what opens a batch in memory."""
    return partial(MemoryBatchUnitOfWork, store)


class MemoryBatchUnitOfWork(MemoryUnitOfWork, BatchUnitOfWork):
    """A batch that flushes after each use case, which costs nothing in memory."""

    def prefetch(self, keys: Collection[Key]) -> None:
        """Do nothing: every aggregate is in memory."""

    @contextmanager
    def scope(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            for repository in self._repositories:
                repository.discard()
            raise
        else:
            self.flush()


class BatchHarness:
    """Runs use cases that all wait for the writer at once, and counts the transactions."""

    def __init__(
        self,
        backend: "Backend",
        reactions: Reactions = REACTIONS,
        *,
        policy: BatchPolicy = DEFAULT_POLICY,
    ) -> None:
        self.backend = backend
        self.transactions = 0
        assert backend.open_batch is not None
        self.runner = GroupCommitRunner(
            partial(self._count, backend.open),
            partial(self._count, backend.open_batch),
            reactions,
            policy=policy,
        )

    def _count(self, begin: Callable[..., Any], **kwargs: Any) -> Any:
        self.transactions += 1
        return begin(**kwargs)

    async def _call(self, use_case: Callable[[UnitOfWork], Any]) -> Any:
        """Run a use case as an endpoint does: the runner gets its arguments."""
        if isinstance(use_case, partial):
            return await self.runner(use_case.func, *use_case.args, **use_case.keywords)
        return await self.runner(use_case)

    def run(
        self,
        *use_cases: Callable[[UnitOfWork], Any],
        then: Sequence[Callable[[UnitOfWork], Any]] = (),
    ) -> list[Any]:
        """Return the result or the exception of each use case.

        Those in `then` follow when the others are done, one in every second tick of the event loop.
        """
        started, go = threading.Event(), threading.Event()

        def occupy_writer(uow: UnitOfWork) -> None:
            started.set()
            go.wait()

        async def run_all() -> list[Any]:
            first = asyncio.ensure_future(self.runner(occupy_writer))
            await asyncio.to_thread(started.wait)
            others = [asyncio.ensure_future(self._call(use_case)) for use_case in use_cases]
            await asyncio.sleep(0)
            go.set()
            await first
            done = await asyncio.gather(*others, return_exceptions=True)
            for use_case in then:
                others.append(asyncio.ensure_future(self._call(use_case)))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            return done + await asyncio.gather(*others[len(done) :], return_exceptions=True)

        try:
            return self.backend.ask(run_all())
        finally:
            self.runner.close()


def as_admin(use_case: Any, *args: Any, **members: Any) -> Callable[[UnitOfWork], Any]:
    """Return a use case with its arguments, in the context of the admin at noon."""
    return partial(use_case, *args, ctx=ADMIN.ctx, **members)
