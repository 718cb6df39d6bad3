"""The unit of work: one transaction with the repositories that take part in it."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from types import TracebackType
from typing import Self
from uuid import UUID

from domain.access import TokenRepository
from domain.base import Entity, Event
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

    patient: bool = True
    """Whether statements wait for locks up to the statement timeout. If not, a short lock timeout
    applies, and `LockTimeout` is raised. Set this before entering.
    """

    for_update: bool = False
    """Whether aggregates loaded for a change are locked until the end (pessimistic lock).

    Set this before entering. Databases with a single writer, such as SQLite, need no locks.
    """

    shared: bool = False
    """Whether this is a batch: several use cases share it, and each can be retried alone.

    Set this before entering. A batch may skip checks that the database repeats at the commit. A
    violation there is a `ConcurrencyConflict`.
    """

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
    def defer(self) -> None:
        """Detach all aggregates, and keep their pending changes for the next flush.

        Later loads return new objects. A load or query that depends on a deferred change raises
        `FlushRequired`.
        """

    @abstractmethod
    def prefetch(self, keys: Collection[tuple[type[Entity], UUID]]) -> None:
        """Prefetch aggregates by type and id, one query per type.

        This saves the separate loads of a batch. Adapters may ignore it.
        """

    @abstractmethod
    def discard(self) -> None:
        """Detach all aggregates, and discard their changes since the last flush or deferral."""

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
