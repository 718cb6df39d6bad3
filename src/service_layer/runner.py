"""The runner: opens a unit of work for a use case, and commits it or rolls it back."""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from domain.errors import Conflict
from service_layer.errors import (
    UNKNOWN_OUTCOME,
    ConcurrentChange,
    DatabaseUnavailable,
    Overloaded,
    Unreachable,
)
from service_layer.reactions import REACTIONS, Reactions
from service_layer.unit_of_work import UnitOfWork

P = ParamSpec("P")
R = TypeVar("R")


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
