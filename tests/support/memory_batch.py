"""Group commit over the in-memory adapter."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from adapters.memory.store import MemoryUnitOfWork
from service_layer.group_commit.unit_of_work import BatchUnitOfWork, Key


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
