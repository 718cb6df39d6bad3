"""The runner: opens units of work for use cases, and commits them or rolls them back."""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from domain.base import Event
from domain.errors import Conflict, DomainError
from service_layer.errors import (
    ConcurrencyConflict,
    ConnectionLost,
    FlushRequired,
    LockTimeout,
    QueueFull,
)
from service_layer.group_commit.job import Job, Outcome, prefetch_keys, resolve_jobs
from service_layer.reactions import REACTIONS, Reactions
from service_layer.unit_of_work import UnitOfWork

log = logging.getLogger("atelier.runner")

P = ParamSpec("P")
R = TypeVar("R")


class Runner:
    """Runs use cases one after another in one thread; those that wait together share a commit.

    One writer per process spares its use cases from colliding; those of other processes are
    noticed by the version of an aggregate, and the loser is run again. A use case may therefore run
    more than once and must touch nothing but its unit of work.
    """

    OPTIMISTIC_ATTEMPTS = 3
    """Attempts that rely on versions alone. Later ones lock the rows they load for a change."""

    ATTEMPTS = 10
    """Attempts in all. A transaction that locks its rows fails only for what it cannot lock: a
    unique value that another one takes at the same moment, or a deadlock."""

    TIMEOUT = 15.0
    """Seconds after which a caller is told that the database does not answer."""

    MAX_QUEUE = 1_000
    """How many use cases may wait to be begun before further ones are turned away."""

    MAX_BATCH = 32
    """How many use cases share a commit at most."""

    LINGER_TICKS, LINGER_SECONDS = 6, 0.003
    """For how many turns of the event loop the writer lets further use cases come, and how many
    seconds at most, once several have met."""

    CONTENDED_WORKERS = 4
    """How many changes wait at once for what somebody else holds."""

    CONTENTION_TTL = 1.0
    """Seconds for which something is taken to be held that was so when it was to be changed."""

    def __init__(
        self,
        unit_of_work: Callable[[], UnitOfWork],
        reactions: Reactions = REACTIONS,
        *,
        full_batch: int = MAX_BATCH,
    ) -> None:
        self.full_batch = full_batch
        """How many use cases are not kept waiting for further ones; see `Database`."""
        self._unit_of_work = unit_of_work
        self._reactions = reactions
        self._listeners: list[Callable[[Sequence[Event]], None]] = []
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._contended: dict[tuple[str, UUID], float] = {}
        self._offloaded: set[Job] = set()
        self._contended_pool = ThreadPoolExecutor(
            self.CONTENDED_WORKERS, thread_name_prefix="patient"
        )
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
            QueueFull: when too many are waiting already.
            Conflict: when others got in the way each time.
            DatabaseUnavailable: when the database cannot be reached.
            DomainError: what the use case itself raises; nothing has been written then.
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
        """Run the use case in this thread, in a transaction of its own; see `__call__`."""

        def work(uow: UnitOfWork) -> tuple[R, list[Event]]:
            result = use_case(uow, *args, **kwargs)
            return result, self._dispatch_events(uow)

        return self._transact(work)

    def perform_in_steps(self, use_case: Callable[[UnitOfWork, Callable[[], None]], R]) -> R:
        """Run a long use case like `perform`: however many steps it has, it is one transaction.

        It is given a function to call after each step. What happened has its reactions then and is
        settled, so the next step finds all of that, with aggregates of its own.
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
        """Do work that returns its result and what happened, again if others got in the way.

        It is done by versions at first, and with locked rows after some losses.
        """
        try:
            return self._attempt(work, range(self.OPTIMISTIC_ATTEMPTS), patient=True)
        except ConcurrencyConflict:
            return self._transact_locking(work)

    def _transact_locking(self, work: Callable[[UnitOfWork], tuple[R, list[Event]]]) -> R:
        """Do work in a transaction that locks what it loads for a change, waiting for its turn."""
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
        """Do work in a transaction of its own, again if others got in the way.

        Raises:
            ConcurrencyConflict: when others got in the way each time.
        """
        for attempt in attempts:
            try:
                with self._begin(patient=patient, for_update=for_update) as uow:
                    result, events = work(uow)
                    uow.commit()
                self._notify_listeners(events)
                return result
            except ConnectionLost:
                # Nothing has been asked to commit yet, so a second connection may simply try again.
                if attempt > attempts.start:
                    raise
            except ConcurrencyConflict:
                time.sleep(random.uniform(0, 0.002 * (attempt + 1)))
        raise ConcurrencyConflict

    def close(self) -> None:
        """Finish what is waiting, and stop the writer."""
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
        """Do the jobs as they come: the whole life of the writer thread."""
        waiting: list[Job | None] = []
        open = True
        while open:
            several = len(waiting) > 1
            waiting = [self._jobs.get()]
            if several and waiting[0] is not None:
                waiting[0].linger(self._batch_is_full, self.LINGER_TICKS, self.LINGER_SECONDS)
            while len(waiting) < self.MAX_BATCH and not self._jobs.empty():
                waiting.append(self._jobs.get())
            open = None not in waiting
            jobs = [job for job in waiting if job]
            try:
                self._run_batch(jobs)
            except BaseException as defect:
                # There is no other writer, so this one goes on.
                log.exception("the writer failed")
                resolve_jobs([(job, None, defect) for job in jobs])

    def _batch_is_full(self) -> bool:
        """Whether with the one in hand as many use cases wait as are worth beginning."""
        return self._jobs.qsize() + 1 >= self.full_batch

    def _run_batch(self, jobs: list[Job]) -> None:
        jobs = [job for job in jobs if not self._is_contended(job)]
        if len(jobs) < 2 or not self._try_batch(jobs):
            for job in jobs:
                if not self._is_contended(job):
                    self._run_single(job)

    def _is_contended(self, job: Job) -> bool:
        """Whether a job would wait for what somebody else holds; if so it does, elsewhere."""
        now = time.monotonic()
        held = any(self._contended.get(named, now) > now for named in job.keys)
        if held:
            self._offload(job)
        return held

    def _offload(self, job: Job) -> None:
        self._offloaded.add(job)
        self._contended_pool.submit(self._run_blocking, job)

    def _run_blocking(self, job: Job) -> None:
        """Do a job that others got in the way of, in a thread that may wait for them."""
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
        """Do a job in the writer thread, which leaves it to another one if it would have to wait.

        That is when somebody holds what it changes, or changes it too quickly.
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
        self._contended = {named: end for named, end in self._contended.items() if end > now}
        self._contended |= dict.fromkeys(job.keys, now + self.CONTENTION_TTL)

    def _run_job(self, job: Job, uow: UnitOfWork) -> tuple[Any, list[Event]]:
        return job.work(uow), self._dispatch_events(uow)

    def _try_batch(self, jobs: list[Job]) -> bool:
        """Do the jobs in one transaction; whether that settled what comes of them.

        What they change is written together at the end, unless one of them needs to see it before.
        A job that breaks a rule has changed nothing yet, so the others go on without it. Anything
        else that goes wrong before the commit undoes them all, to be done again each by itself.
        """
        jobs = [job for job in jobs if job.claim()]
        settled = self._commit_batch(jobs)
        if not settled:
            for job in jobs:
                job.release()
        return settled

    def _commit_batch(self, jobs: list[Job]) -> bool:
        """Do jobs that are begun in one transaction; see `_try_batch`."""
        outcomes: list[Outcome] = []
        happened: list[Event] = []
        committing = False
        try:
            with self._begin(patient=False, shared=True) as uow:
                uow.prefetch([named for job in jobs for named in job.keys])
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
            # A commit may wait for what others hold, too: for whom or what the changes refer to.
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
        """Do a job in a transaction that others share; return its result, and what happened."""
        try:
            return self._run_job(job, uow)
        except FlushRequired:
            uow.discard()
            uow.flush()
            return self._run_job(job, uow)

    def _dispatch_events(self, uow: UnitOfWork) -> list[Event]:
        """Let the events have their reactions, and the events of those in turn; return them all."""
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
