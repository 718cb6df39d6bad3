"""The unit of work, and the runner that opens one for a use case, commits it or rolls it back."""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar
from uuid import UUID

from domain.base import Event
from domain.errors import Conflict
from domain.tasks import TaskRepository
from service_layer.errors import (
    UNKNOWN_OUTCOME,
    ConcurrentChange,
    DatabaseUnavailable,
    Overloaded,
    Unreachable,
)
from service_layer.reactions import REACTIONS, Reactions

P = ParamSpec("P")
R = TypeVar("R")


class UnitOfWork(ABC):
    """One transaction: what is changed through its repositories is committed all or nothing.

    Use it as a context manager; leaving it without `commit()` rolls back.
    """

    tasks: TaskRepository

    @abstractmethod
    def __enter__(self) -> Self:
        """Begin.

        Raises:
            DatabaseUnavailable: when the database cannot be reached.
        """

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.rollback()

    @abstractmethod
    def new_id(self) -> UUID:
        """Return an id for a new aggregate: a UUIDv7 (RFC 9562), later ones greater."""

    @abstractmethod
    def take_events(self) -> list[Event]:
        """Return the events recorded since the last call by the aggregates in use."""

    @abstractmethod
    def commit(self) -> None:
        """Make the changes durable, and visible to others.

        Raises:
            ConcurrentChange: when another transaction changed one of the aggregates first.
            DatabaseUnavailable: when it cannot be said that the changes are kept.
        """

    @abstractmethod
    def rollback(self) -> None:
        """Forget the changes that are not committed."""


class Runner:
    """Runs use cases, each in a transaction of its own, one after another in one thread.

    One writer per process is enough (a commit takes a millisecond) and spares the use cases of a
    process from colliding; those of other processes are noticed by the version of an aggregate, and
    the loser is run again. A use case may therefore run more than once and must touch nothing but
    its unit of work.
    """

    ATTEMPTS = 10
    """How often a use case is tried that others get in the way of."""

    PATIENCE = 15.0
    """Seconds after which a caller is told that the database does not answer."""

    WAITING = 1_000
    """How many use cases may wait for the writer before further ones are turned away."""

    def __init__(
        self, unit_of_work: Callable[[], UnitOfWork], reactions: Reactions = REACTIONS
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reactions = reactions
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._waiting = 0

    async def __call__(
        self, use_case: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run the use case in the writer thread and return what it returns, once it is committed.

        Raises:
            Overloaded: when too many are waiting already.
            Conflict: when others got in the way each time.
            DatabaseUnavailable: when the database cannot be reached.
            DomainError: what the use case itself raises; nothing has been written then.
        """
        if self._waiting >= self.WAITING:
            raise Overloaded
        self._waiting += 1
        job = self._writer.submit(lambda: self.perform(use_case, *args, **kwargs))
        loop = asyncio.get_running_loop()
        job.add_done_callback(lambda _: self._count_down(loop))
        try:
            # A client that stops listening does not stop the work half way.
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(job)), self.PATIENCE)
        except TimeoutError:
            if job.cancel():
                raise Overloaded from None
            raise DatabaseUnavailable(UNKNOWN_OUTCOME) from None

    def perform(
        self, use_case: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run the use case in this thread; see `__call__`."""
        for attempt in range(1, self.ATTEMPTS + 1):
            try:
                with self._unit_of_work() as uow:
                    result = use_case(uow, *args, **kwargs)
                    self._react(uow)
                    uow.commit()
                    return result
            except Unreachable:
                # Nothing has been asked to commit yet, so a second connection may simply try again.
                if attempt > 1:
                    raise
            except ConcurrentChange:
                time.sleep(random.uniform(0, 0.002 * attempt))
        raise Conflict

    def _react(self, uow: UnitOfWork) -> None:
        """Let the events have their reactions, and the events of those in turn."""
        while events := uow.take_events():
            for event in events:
                for reaction in self._reactions.get(type(event), ()):
                    reaction(uow, event)

    def _count_down(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._one_less)

    def _one_less(self) -> None:
        self._waiting -= 1

    def close(self) -> None:
        """Finish what is waiting, and stop the writer."""
        self._writer.shutdown(wait=True)
