"""The runner: executes each use case in a unit of work of its own, with retries."""

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

from domain.base import Event
from domain.errors import Conflict
from service_layer.errors import (
    UNKNOWN_OUTCOME,
    ConcurrencyConflict,
    ConnectionLost,
    DatabaseUnavailable,
    QueueFull,
)
from service_layer.reactions import REACTIONS, Reactions
from service_layer.unit_of_work import UnitOfWork, UnitOfWorkFactory

P = ParamSpec("P")
R = TypeVar("R")

Work = Callable[[UnitOfWork], tuple[R, list[Event]]]
"""Work in an open unit of work; it returns its result and the events that happened."""


class Runner:
    """Executes use cases in a pool of threads, each in its own transaction.

    Conflicts with other transactions are detected by the optimistic lock, and the use case is
    retried. Products, login throttles and idempotency records are locked when they are loaded. A
    use case may run several times, so it must have no side effects outside its unit of work.
    """

    OPTIMISTIC_ATTEMPTS = 3
    """Attempts with optimistic locks only; later ones take pessimistic locks."""

    ATTEMPTS = 10
    """Attempts in total.

    With pessimistic locks few conflicts remain: mainly deadlocks, and violated constraints.
    """

    TIMEOUT = 15.0
    """Seconds after which a caller gets `QueueFull`, or `DatabaseUnavailable` if it has started."""

    MAX_QUEUE = 1_000
    """Maximum number of queued use cases; further ones are rejected with `QueueFull`."""

    THREADS = 4
    """Use cases that run at the same time. SQLite, with its single writer, runs one of them."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, reactions: Reactions = REACTIONS) -> None:
        self._unit_of_work = unit_of_work
        self._reactions = reactions
        self._listeners: list[Callable[[Sequence[Event]], None]] = []
        self._threads = ThreadPoolExecutor(self.THREADS, thread_name_prefix="use-case")
        self._unfinished: set[Future[Any]] = set()

    def after_commit(self, listener: Callable[[Sequence[Event]], None]) -> None:
        """Register a listener for the events of each commit.

        Listeners run in the committing thread, before the caller gets its result. They must not
        raise.
        """
        self._listeners.append(listener)

    async def __call__(
        self, use_case: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run the use case in another thread; return its result after the commit.

        Cancellation of the caller does not cancel the use case.

        Raises:
            QueueFull: when the queue is full, or the use case did not start within `TIMEOUT`.
            Conflict: when all retries end in a concurrency conflict.
            DatabaseUnavailable: when the database cannot be reached, or a timeout leaves the
                outcome unknown.
            DomainError: when the use case raises it; nothing has been written then.
        """
        if len(self._unfinished) >= self.MAX_QUEUE + self.THREADS:
            raise QueueFull
        deadline = time.monotonic() + self.TIMEOUT
        running = self._threads.submit(
            lambda: self._transact(self._work_of(use_case, *args, **kwargs), deadline)
        )
        self._unfinished.add(running)
        running.add_done_callback(self._unfinished.discard)
        outcome = asyncio.wrap_future(running)
        outcome.add_done_callback(_retrieve_exception)
        await asyncio.wait((outcome,), timeout=self.TIMEOUT)
        if outcome.done():
            return outcome.result()
        raise QueueFull if running.cancel() else DatabaseUnavailable(UNKNOWN_OUTCOME)

    def perform(
        self, use_case: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run the use case in the calling thread; see `__call__`."""
        return self._transact(self._work_of(use_case, *args, **kwargs))

    def perform_in_steps(self, use_case: Callable[[UnitOfWork, Callable[[], None]], R]) -> R:
        """Run a long use case like `perform`, as one transaction with several flushes.

        The use case gets a function to call after each step. It dispatches the events and flushes,
        so the next step sees all changes and loads new objects.
        """

        def work(uow: UnitOfWork) -> tuple[R, list[Event]]:
            happened: list[Event] = []

            def step() -> None:
                happened.extend(self._dispatch_events(uow))
                uow.flush()

            result = use_case(uow, step)
            step()
            return result, happened

        return self._transact(work)

    def close(self) -> None:
        """Run all queued use cases, and stop the threads."""
        self._threads.shutdown()

    def _work_of(
        self, use_case: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> Work[R]:
        def work(uow: UnitOfWork) -> tuple[R, list[Event]]:
            result = use_case(uow, *args, **kwargs)
            return result, self._dispatch_events(uow)

        return work

    def _transact(self, work: Work[R], deadline: float = math.inf) -> R:
        """Run work with retries, first with optimistic and then with pessimistic locks."""
        try:
            attempts = range(self.OPTIMISTIC_ATTEMPTS)
            return self._attempt(self._unit_of_work, work, attempts, deadline)
        except ConcurrencyConflict:
            if time.monotonic() > deadline:
                raise Conflict from None
            return self._transact_locking(work, deadline)

    def _transact_locking(self, work: Work[R], deadline: float = math.inf) -> R:
        """Run work with retries, with pessimistic locks."""
        attempts = range(self.OPTIMISTIC_ATTEMPTS, self.ATTEMPTS)
        try:
            return self._attempt(
                lambda: self._unit_of_work(for_update=True), work, attempts, deadline
            )
        except ConcurrencyConflict:
            raise Conflict from None

    def _attempt(
        self,
        unit_of_work: Callable[[], UnitOfWork],
        work: Work[R],
        attempts: range,
        deadline: float,
    ) -> R:
        """Run work in its own transaction; retry with backoff and jitter after conflicts.

        The caller stops waiting at the deadline, so no attempt starts after it.

        Raises:
            ConcurrencyConflict: when each attempt ends in a conflict.
        """
        reconnected = False
        for attempt in attempts:
            try:
                with unit_of_work() as uow:
                    result, events = work(uow)
                    uow.commit()
                self._notify_listeners(events)
                return result
            except ConnectionLost:
                # The commit was not sent yet, so one retry on a new connection is safe.
                if reconnected or attempt == attempts[-1]:
                    raise
                reconnected = True
            except ConcurrencyConflict:
                time.sleep(random.uniform(0, 0.002 * (attempt + 1)))
            if time.monotonic() > deadline:
                break
        raise ConcurrencyConflict

    def _dispatch_events(self, uow: UnitOfWork) -> list[Event]:
        """Run the reactions to all events, including those of the reactions; return all events."""
        happened: list[Event] = []
        while events := uow.collect_events():
            happened += events
            for event in events:
                for reaction in self._reactions.get(type(event), ()):
                    reaction(uow, event)
        return happened

    def _notify_listeners(self, events: Sequence[Event]) -> None:
        for listener in self._listeners:
            listener(events)


def _retrieve_exception(outcome: "asyncio.Future[Any]") -> None:
    """Retrieve the exception, so that asyncio does not log it if the caller is gone."""
    if not outcome.cancelled():
        outcome.exception()
