"""The port of group commit: a unit of work that several use cases share, one after another."""

from abc import abstractmethod
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from uuid import UUID

from domain.base import Entity
from service_layer.unit_of_work import UnitOfWork

Key = tuple[type[Entity], UUID]
"""The type and the id of an aggregate."""


class FlushRequired(Exception):
    """A query depends on deferred changes of the transaction, which must be flushed first."""


class BatchUnitOfWork(UnitOfWork):
    """A unit of work for a batch of use cases.

    Its statements have a short lock timeout, after which `LockTimeout` is raised.
    """

    @abstractmethod
    def prefetch(self, keys: Collection[Key]) -> None:
        """Prefetch aggregates by type and id, one query per type.

        This saves the separate loads of a batch.
        """

    @abstractmethod
    def scope(self) -> AbstractContextManager[None]:
        """Return the scope of one use case; the next one loads its own aggregates.

        Changes are kept for the next flush, or discarded if the use case raises an error. In later
        scopes, a load or query that depends on them raises `FlushRequired`.
        """


BatchUnitOfWorkFactory = Callable[[], BatchUnitOfWork]
