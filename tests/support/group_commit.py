"""Group commit in tests: part of the fast lane."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial

from adapters.memory.store import MemoryUnitOfWork
from adapters.sql.database import SqlDatabase
from adapters.sql.fast.database import FastDatabase
from adapters.sql.fast.unit_of_work import SqlBatchUnitOfWork
from service_layer.group_commit.runner import GroupCommitRunner
from service_layer.group_commit.unit_of_work import (
    BatchUnitOfWork,
    BatchUnitOfWorkFactory,
    Key,
)

runner = GroupCommitRunner


def batches_of(database: SqlDatabase) -> BatchUnitOfWorkFactory | None:
    """Return what opens a batch, for a database of the fast lane."""
    return partial(SqlBatchUnitOfWork, database) if isinstance(database, FastDatabase) else None


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
