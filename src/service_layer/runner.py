"""The runner: executes use cases in units of work, with group commit and retries."""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from domain.base import Event
from domain.errors import Conflict, DomainError
from service_layer.errors import (
    ConcurrencyConflict,
    ConnectionLost,
    FlushRequired,
    LockTimeout,
    QueueFull,
)
from service_layer.group_commit.job import Job, Key, Outcome, prefetch_keys, resolve_jobs
from service_layer.reactions import REACTIONS, Reactions
from service_layer.unit_of_work import UnitOfWork

log = logging.getLogger("atelier.runner")

P = ParamSpec("P")
R = TypeVar("R")


class Runner:
    """Executes use cases in one writer thread per process, with group commit of queued ones.

    A single writer avoids lock contention within the process. Conflicts with other processes are
    detected by the optimistic lock, and the use case is retried. A use case may therefore run
    several times, and must have no side effects outside its unit of work.
    """

    OPTIMISTIC_ATTEMPTS = 3
    """Attempts with optimistic locks only; later ones take pessimistic locks."""

    ATTEMPTS = 10
    """Attempts in total.

    With pessimistic locks only two conflicts remain: deadlocks, and unique values inserted at the
    same time.
    """

    TIMEOUT = 15.0
    """Seconds after which a waiting caller gets a timeout error."""

    MAX_QUEUE = 1_000
    """Maximum number of queued use cases; further ones are rejected with `QueueFull`."""

    MAX_BATCH = 32
    """Maximum batch size: use cases per commit."""

    LINGER_TICKS, LINGER_SECONDS = 6, 0.003
    """Linger: event-loop ticks, and at most seconds, that a batch waits for more jobs.

    The writer lingers only after a batch of more than one job.
    """

    CONTENDED_WORKERS = 4
    """Threads for jobs that wait for contended locks."""

    CONTENTION_TTL = 1.0
    """Seconds for which an aggregate counts as contended after a lock timeout."""

    def __init__(
        self,
        unit_of_work: Callable[[], UnitOfWork],
        reactions: Reactions = REACTIONS,
        *,
        full_batch: int = MAX_BATCH,
    ) -> None:
        self.full_batch = full_batch
        """The batch size at which lingering ends; see `Database.full_batch`."""
        self._unit_of_work = unit_of_work
        self._reactions = reactions
        self._listeners: list[Callable[[Sequence[Event]], None]] = []
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._contended: dict[Key, float] = {}
        self._offloaded: set[Job] = set()
        self._contended_pool = ThreadPoolExecutor(
            self.CONTENDED_WORKERS, thread_name_prefix="contended"
        )
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def after_commit(self, listener: Callable[[Sequence[Event]], None]) -> None:
        """Register a listener for the events of each commit.

        Listeners run in the committing thread, before the caller gets its result. They must not
        raise.
        """
        self._listeners.append(listener)

    async def __call__(
        self, use_case: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run the use case in the writer thread; return its result after the commit.

        Raises:
            QueueFull: when the queue is full, or the use case did not start within `TIMEOUT`.
            Conflict: when all retries end in a concurrency conflict.
            DatabaseUnavailable: when the database cannot be reached, or a timeout leaves the
                outcome unknown.
            DomainError: when the use case raises it; nothing has been written then.
        """
        if self._jobs.qsize() + len(self._offloaded) >= self.MAX_QUEUE:
            raise QueueFull
        job = Job(lambda uow: use_case(uow, *args, **kwargs), prefetch_keys(use_case, args))
        self._jobs.put(job)
        result: R = await job.wait(self.TIMEOUT)
        return result

    def perform(
        self, use_case: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run the use case in the calling thread, in its own transaction; see `__call__`."""

        def work(uow: UnitOfWork) -> tuple[R, list[Event]]:
            result = use_case(uow, *args, **kwargs)
            return result, self._dispatch_events(uow)

        return self._transact(work)

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

    def _transact(self, work: Callable[[UnitOfWork], tuple[R, list[Event]]]) -> R:
        """Run work with retries, first with optimistic and then with pessimistic locks."""
        try:
            return self._attempt(work, range(self.OPTIMISTIC_ATTEMPTS), patient=True)
        except ConcurrencyConflict:
            return self._transact_locking(work)

    def _transact_locking(self, work: Callable[[UnitOfWork], tuple[R, list[Event]]]) -> R:
        """Run work with retries, with pessimistic locks."""
        attempts = range(self.OPTIMISTIC_ATTEMPTS, self.ATTEMPTS)
        try:
            return self._attempt(work, attempts, patient=True, for_update=True)
        except ConcurrencyConflict:
            raise Conflict from None

    def _attempt(
        self,
        work: Callable[[UnitOfWork], tuple[R, list[Event]]],
        attempts: range,
        *,
        patient: bool,
        for_update: bool = False,
    ) -> R:
        """Run work in its own transaction; retry with backoff and jitter after conflicts.

        Raises:
            ConcurrencyConflict: when each attempt ends in a conflict.
        """
        reconnected = False
        for attempt in attempts:
            try:
                with self._begin(patient=patient, for_update=for_update) as uow:
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
        raise ConcurrencyConflict

    def close(self) -> None:
        """Run all queued jobs, and stop the threads."""
        self._jobs.put(None)
        self._writer.join()
        self._contended_pool.shutdown()

    def _begin(
        self, *, patient: bool, shared: bool = False, for_update: bool = False
    ) -> UnitOfWork:
        uow = self._unit_of_work()
        uow.patient, uow.shared, uow.for_update = patient, shared, for_update
        return uow

    def _write(self) -> None:
        """Collect queued jobs into batches and run them: the main loop of the writer thread."""
        waiting: list[Job | None] = []
        running = True
        while running:
            several = len(waiting) > 1
            waiting = [self._jobs.get()]
            if several and waiting[0] is not None:
                waiting[0].linger(self._batch_is_full, self.LINGER_TICKS, self.LINGER_SECONDS)
            while len(waiting) < self.MAX_BATCH and not self._jobs.empty():
                waiting.append(self._jobs.get())
            running = None not in waiting
            jobs = [job for job in waiting if job]
            try:
                self._run_batch(jobs)
            except BaseException as defect:
                # The process has no other writer thread, so this one must survive.
                log.exception("unhandled exception in writer thread")
                resolve_jobs([(job, None, defect) for job in jobs])

    def _batch_is_full(self) -> bool:
        """Return whether the queue, with the job in hand, holds a full batch."""
        return self._jobs.qsize() + 1 >= self.full_batch

    def _run_batch(self, jobs: list[Job]) -> None:
        jobs = [job for job in jobs if not self._is_contended(job)]
        if len(jobs) < 2 or not self._try_batch(jobs):
            for job in jobs:
                if not self._is_contended(job):
                    self._run_single(job)

    def _is_contended(self, job: Job) -> bool:
        """Return whether the job needs a contended aggregate; if so, offload it."""
        now = time.monotonic()
        held = any(self._contended.get(key, now) > now for key in job.keys)
        if held:
            self._offload(job)
        return held

    def _offload(self, job: Job) -> None:
        self._offloaded.add(job)
        self._contended_pool.submit(self._run_blocking, job)

    def _run_blocking(self, job: Job) -> None:
        """Run an offloaded job in a thread that may block on locks."""
        self._offloaded.discard(job)
        if not job.claim():
            return
        try:
            result = self._transact_locking(partial(self._run_job, job))
        except BaseException as error:
            resolve_jobs([(job, None, error)])
        else:
            resolve_jobs([(job, result, None)])

    def _run_single(self, job: Job) -> None:
        """Run a job in its own transaction in the writer thread.

        A lock timeout or repeated conflicts offload it, so that one contended aggregate does not
        block the writer.
        """
        if not job.claim():
            return
        attempts = range(self.OPTIMISTIC_ATTEMPTS)
        try:
            result = self._attempt(partial(self._run_job, job), attempts, patient=False)
        except (LockTimeout, ConcurrencyConflict) as error:
            if isinstance(error, LockTimeout):
                self._mark_contended(job)
            job.release()
            self._offload(job)
        except BaseException as error:
            resolve_jobs([(job, None, error)])
        else:
            resolve_jobs([(job, result, None)])

    def _mark_contended(self, job: Job) -> None:
        now = time.monotonic()
        self._contended = {key: end for key, end in self._contended.items() if end > now}
        self._contended |= dict.fromkeys(job.keys, now + self.CONTENTION_TTL)

    def _run_job(self, job: Job, uow: UnitOfWork) -> tuple[Any, list[Event]]:
        return job.work(uow), self._dispatch_events(uow)

    def _try_batch(self, jobs: list[Job]) -> bool:
        """Run the jobs as a batch in one transaction; return whether all of them are resolved.

        A flush at the end writes all changes, unless a job needs an earlier flush to see them. A
        job with a `DomainError` has written nothing, so the batch continues without it. Any other
        error before the commit rolls back the batch, and so does a conflict or lock timeout in the
        commit. The caller then runs each job alone.
        """
        jobs = [job for job in jobs if job.claim()]
        settled = not jobs or self._commit_batch(jobs)
        if not settled:
            for job in jobs:
                job.release()
        return settled

    def _commit_batch(self, jobs: list[Job]) -> bool:
        """Run claimed jobs in one transaction (group commit); see `_try_batch`."""
        outcomes: list[Outcome] = []
        happened: list[Event] = []
        committing = False
        try:
            with self._begin(patient=False, shared=True) as uow:
                uow.prefetch([key for job in jobs for key in job.keys])
                for job in jobs:
                    try:
                        result, events = self._run_in_scope(uow, job)
                    except DomainError as error:
                        uow.discard()
                        outcomes.append((job, None, error))
                    else:
                        uow.defer()
                        happened += events
                        outcomes.append((job, result, None))
                uow.flush()
                committing = True
                uow.commit()
        except (ConcurrencyConflict, LockTimeout):
            # The commit itself may hit a lock timeout, because it checks deferred foreign keys.
            return False
        except Exception as error:
            if not committing:
                return False
            resolve_jobs([(job, None, error) for job in jobs])
            return True
        self._notify_listeners(happened)
        resolve_jobs(outcomes)
        return True

    def _run_in_scope(self, uow: UnitOfWork, job: Job) -> tuple[Any, list[Event]]:
        """Run one job of a batch; if it needs an earlier flush, flush and run it again."""
        try:
            return self._run_job(job, uow)
        except FlushRequired:
            uow.discard()
            uow.flush()
            return self._run_job(job, uow)

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
