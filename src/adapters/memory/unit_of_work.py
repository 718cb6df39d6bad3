"""The unit of work over dictionaries."""

from types import TracebackType
from typing import Self
from uuid import UUID

from adapters.ids import new_id
from adapters.memory.repositories import REPOSITORIES
from adapters.memory.store import MemoryStore
from domain.base import Event
from service_layer.unit_of_work import UnitOfWork


class MemoryUnitOfWork(UnitOfWork):
    """A transaction over dictionaries; one at a time, as in SQLite."""

    def __init__(self, store: MemoryStore, *, for_update: bool = False) -> None:
        """Begin a unit of work; it has no locks to take `for_update`."""
        self._store = store

    def __enter__(self) -> Self:
        self._store.writing.acquire()
        self.rollback()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.writing.release()

    def new_id(self) -> UUID:
        return new_id()

    def collect_events(self) -> list[Event]:
        return [
            event
            for repository in self._repositories
            for entity in repository.loaded.values()
            for event in entity.collect_events()
        ]

    def flush(self) -> None:
        for repository in self._repositories:
            repository.flush()

    def commit(self) -> None:
        with self._store.lock:
            for repository in self._repositories:
                repository.commit()

    def rollback(self) -> None:
        for name, repository in REPOSITORIES.items():
            setattr(self, name, repository(self._store))
        self._repositories = tuple(getattr(self, name) for name in REPOSITORIES)
