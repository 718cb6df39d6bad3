"""The runner: opens units of work for use cases, and commits them or rolls them back."""

import asyncio
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from domain.base import Event
from domain.errors import Conflict, DomainError
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


@dataclass(eq=False)
class _Job:
    """A use case that waits for the writer, and what comes of it."""

    work: Callable[[UnitOfWork], Any]
    outcome: Future[Any] = field(default_factory=Future)


class Runner:
    """Runs use cases one after another in one thread; those that wait together share a commit.

    One writer per process spares its use cases from colliding; those of other processes are
    noticed by the version of an aggregate, and the loser is run again. A use case may therefore run
    more than once and must touch nothing but its unit of work.
    """

    ATTEMPTS = 10
    """How often a use case is tried that others get in the way of."""

    PATIENCE = 15.0
    """Seconds after which a caller is told that the database does not answer."""

    WAITING = 1_000
    """How many use cases may wait for the writer before further ones are turned away."""

    TOGETHER = 32
    """How many use cases share a commit at most."""

    def __init__(
        self, unit_of_work: Callable[[], UnitOfWork], reactions: Reactions = REACTIONS
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reactions = reactions
        self._listeners: list[Callable[[Sequence[Event]], None]] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def after_commit(self, listener: Callable[[Sequence[Event]], None]) -> None:
        """Have a listener told of what happened, once it is committed and before its caller is.

        It is called in the thread that committed, and must not fail.
        """
        self._listeners.append(listener)

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
        if self._jobs.qsize() >= self.WAITING:
            raise Overloaded
        job = _Job(lambda uow: use_case(uow, *args, **kwargs))
        self._jobs.put(job)
        try:
            # A client that stops listening does not stop the work half way.
            shielded = asyncio.shield(asyncio.wrap_future(job.outcome))
            result: R = await asyncio.wait_for(shielded, self.PATIENCE)
            return result
        except TimeoutError:
            if job.outcome.cancel():
                raise Overloaded from None
            raise DatabaseUnavailable(UNKNOWN_OUTCOME) from None

    def perform(
        self, use_case: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run the use case in this thread, in a transaction of its own; see `__call__`."""

        def work(uow: UnitOfWork) -> tuple[R, list[Event]]:
            result = use_case(uow, *args, **kwargs)
            return result, self._react(uow)

        return self._transact(work)

    def perform_in_steps(self, use_case: Callable[[UnitOfWork, Callable[[], None]], R]) -> R:
        """Run a long use case like `perform`: however many steps it has, it is one transaction.

        It is given a function to call after each step. What happened has its reactions then and is
        settled, so the next step finds all of that, with aggregates of its own.
        """

        def work(uow: UnitOfWork) -> tuple[R, list[Event]]:
            happened: list[Event] = []

            def step() -> None:
                happened.extend(self._react(uow))
                uow.settle()

            result = use_case(uow, step)
            step()
            return result, happened

        return self._transact(work)

    def _transact(self, work: Callable[[UnitOfWork], tuple[R, list[Event]]]) -> R:
        """Do work that returns its result and what happened, again if others got in the way."""
        for attempt in range(1, self.ATTEMPTS + 1):
            try:
                with self._unit_of_work() as uow:
                    result, events = work(uow)
                    uow.commit()
                self._tell(events)
                return result
            except Unreachable:
                # Nothing has been asked to commit yet, so a second connection may simply try again.
                if attempt > 1:
                    raise
            except ConcurrentChange:
                time.sleep(random.uniform(0, 0.002 * attempt))
        raise Conflict

    def close(self) -> None:
        """Finish what is waiting, and stop the writer."""
        self._jobs.put(None)
        self._writer.join()

    def _write(self) -> None:
        """Do the jobs as they come: the whole life of the writer thread."""
        open = True
        while open:
            waiting = [self._jobs.get()]
            while len(waiting) < self.TOGETHER and not self._jobs.empty():
                waiting.append(self._jobs.get())
            open = None not in waiting
            jobs = [job for job in waiting if job and job.outcome.set_running_or_notify_cancel()]
            if len(jobs) < 2 or not self._do_together(jobs):
                for job in jobs:
                    self._do_alone(job)

    def _do_alone(self, job: _Job) -> None:
        try:
            result = self.perform(job.work)
        except BaseException as error:
            job.outcome.set_exception(error)
        else:
            job.outcome.set_result(result)

    def _do_together(self, jobs: list[_Job]) -> bool:
        """Do the jobs in one transaction; whether that settled what comes of them.

        A job that breaks a rule has written nothing yet, so the others go on without it. Anything
        else that goes wrong before the commit undoes them all, to be done again each by itself.
        """
        outcomes: list[tuple[_Job, Any, DomainError | None]] = []
        happened: list[Event] = []
        committing = False
        try:
            with self._unit_of_work() as uow:
                for job in jobs:
                    try:
                        result = job.work(uow)
                        events = self._react(uow)
                    except DomainError as error:
                        uow.forget()
                        outcomes.append((job, None, error))
                    else:
                        uow.settle()
                        happened += events
                        outcomes.append((job, result, None))
                committing = True
                uow.commit()
        except ConcurrentChange:
            return False
        except Exception as error:
            if not committing:
                return False
            for job in jobs:
                job.outcome.set_exception(error)
            return True
        self._tell(happened)
        for job, result, refused in outcomes:
            if refused is None:
                job.outcome.set_result(result)
            else:
                job.outcome.set_exception(refused)
        return True

    def _react(self, uow: UnitOfWork) -> list[Event]:
        """Let the events have their reactions, and the events of those in turn; return them all."""
        happened: list[Event] = []
        while events := uow.take_events():
            happened += events
            for event in events:
                for reaction in self._reactions.get(type(event), ()):
                    reaction(uow, event)
        return happened

    def _tell(self, events: Sequence[Event]) -> None:
        for listener in self._listeners:
            listener(events)
