"""The unit of work: one transaction with the repositories that take part in it."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from domain.access import TokenRepository
from domain.base import Event
from domain.catalogue import ProductRepository
from domain.categories import CategoryRepository
from domain.devices import DeviceRepository
from domain.idempotency import IdempotencyRecordRepository
from domain.login_throttle import LoginThrottleRepository
from domain.posts import PostRepository
from domain.stock import MovementRepository
from domain.tasks import TaskRepository
from domain.users import UserRepository


class UnitOfWork(ABC):
    """A unit of work: all changes through its repositories commit together or not at all.

    Changes reach the database at a flush, not before. The exceptions are
    `TokenRepository.mark_used` and `DeviceRepository.record_heartbeat`, on which nothing else in
    the transaction depends.

    Use it as a context manager; leaving it without `commit()` rolls back.
    """

    tasks: TaskRepository
    users: UserRepository
    tokens: TokenRepository
    login_throttles: LoginThrottleRepository
    idempotency_records: IdempotencyRecordRepository
    posts: PostRepository
    categories: CategoryRepository
    products: ProductRepository
    movements: MovementRepository
    devices: DeviceRepository

    @abstractmethod
    def __enter__(self) -> Self:
        """Begin the transaction.

        Raises:
            DatabaseUnavailable: when the database cannot be reached.
        """

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the transaction; uncommitted changes are rolled back."""

    @abstractmethod
    def new_id(self) -> UUID:
        """Return a UUIDv7 (RFC 9562) for a new aggregate; later ids sort after earlier ones."""

    @abstractmethod
    def collect_events(self) -> list[Event]:
        """Return and clear the events recorded by all loaded aggregates since the last call."""

    @abstractmethod
    def flush(self) -> None:
        """Flush pending changes and detach all aggregates.

        The transaction stays open. Later loads return new objects with the incremented versions.

        Raises:
            ConcurrencyConflict: when another transaction changed one of the aggregates first.
        """

    @abstractmethod
    def commit(self) -> None:
        """Flush and commit.

        Raises:
            ConcurrencyConflict: when another transaction changed one of the aggregates first.
            DatabaseUnavailable: when the commit failed or its outcome is unknown.
        """

    @abstractmethod
    def rollback(self) -> None:
        """Roll back all uncommitted changes."""


class UnitOfWorkFactory(Protocol):
    """Make a unit of work.

    With `for_update`, aggregates loaded for a change are locked until the transaction ends
    (pessimistic lock). Databases with a single writer, such as SQLite, need no locks.
    """

    def __call__(self, *, for_update: bool = False) -> UnitOfWork: ...
