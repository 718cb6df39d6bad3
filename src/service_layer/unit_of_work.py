"""The unit of work: one transaction, and what belongs to it."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from types import TracebackType
from typing import Self
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
    """One transaction: what is changed through its repositories is committed all or nothing.

    Changes are written when they are settled, and not before; but for a few on which nothing else
    of the transaction hangs, and after which nothing fails.

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
    """Whether it waits for what others hold as long as a statement may take, or only for as long
    as a commit does, before it raises `LockTimeout`; set before it begins."""

    for_update: bool = False
    """Whether aggregates that are loaded for a change are locked until it ends (pessimistic lock).

    It is set before it begins. Adapters with one writer at a time have nothing to lock.
    """

    shared: bool = False
    """Whether use cases share it that can be run again, each in one of its own.

    It is set before it begins. What its end makes sure of, by a `ConcurrencyConflict`, need not be
    looked at before.
    """

    @abstractmethod
    def __enter__(self) -> Self:
        """Begin.

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
        """End; what is not committed is rolled back."""

    @abstractmethod
    def new_id(self) -> UUID:
        """Return an id for a new aggregate: a UUIDv7 (RFC 9562), later ones greater."""

    @abstractmethod
    def collect_events(self) -> list[Event]:
        """Return the events recorded since the last call by the aggregates in use."""

    @abstractmethod
    def flush(self) -> None:
        """Write what has been changed so far, and let go of the aggregates.

        Until now nothing of it has been written. What follows is still in the same transaction, but
        has objects of its own and sees the versions counted.

        Raises:
            ConcurrencyConflict: when another transaction changed one of the aggregates first.
        """

    @abstractmethod
    def defer(self) -> None:
        """Let go of the aggregates, and leave what has been changed to be written with what comes.

        What follows has objects of its own, too. Whatever of it would have to see what is put by
        raises `FlushRequired`.
        """

    @abstractmethod
    def prefetch(self, wanted: Collection[tuple[str, UUID]]) -> None:
        """Look for aggregates that are going to be asked for, by kind and id, all at once."""

    @abstractmethod
    def discard(self) -> None:
        """Let go of the aggregates and of what has been changed since the last settling."""

    @abstractmethod
    def commit(self) -> None:
        """Settle, and make the changes durable and visible to others.

        Raises:
            ConcurrencyConflict: when another transaction changed one of the aggregates first.
            DatabaseUnavailable: when it cannot be said that the changes are kept.
        """

    @abstractmethod
    def rollback(self) -> None:
        """Forget the changes that are not committed."""
