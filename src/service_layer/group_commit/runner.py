"""The runner of group commit: queued use cases share a transaction, and so one commit."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate

from domain.base import Event
from domain.errors import DomainError
from service_layer.errors import ConcurrencyConflict, LockTimeout, QueueFull
from service_layer.group_commit.job import Job, Outcome, prefetch_keys, resolve_jobs
from service_layer.group_commit.unit_of_work import (
    BatchUnitOfWork,
    BatchUnitOfWorkFactory,
    FlushRequired,
    Key,
)
from service_layer.reactions import REACTIONS, Reactions
from service_layer.runner import P, R, Runner
from service_layer.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = logging.getLogger("atelier.runner")


@dataclass(frozen=True)
class BatchPolicy:
    """The size of a batch, and how long it waits to fill.

    The writer lingers only after a batch of more than one job.
    """

    max_batch: int = 32
    """Maximum batch size: use cases per commit."""

    full_batch: int = 32
    """The batch size at which lingering ends. It is the larger, the more a commit costs."""

    linger_ticks: int = 6
    """Linger: event-loop ticks that a batch waits for more jobs."""

    linger_seconds: float = 0.003
    """The upper bound of the linger."""


DEFAULT_POLICY = BatchPolicy()


class GroupCommitRunner(Runner):
    """Executes use cases in one writer thread per process, with group commit of queued ones.

    A single writer avoids lock contention within the process. Only jobs whose aggregates are
    contended run in the plain lane's threads.
    """

    CONTENTION_TTL = 1.0
    """Seconds for which an aggregate counts as contended after a lock timeout."""

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        batch_unit_of_work: BatchUnitOfWorkFactory,
        reactions: Reactions = REACTIONS,
        *,
        policy: BatchPolicy = DEFAULT_POLICY,
    ) -> None:
        super().__init__(unit_of_work, reactions)
        self.policy = policy
        self._batch_unit_of_work = batch_unit_of_work
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._contended: dict[Key, float] = {}
        self._offloaded: set[Job] = set()
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    async def __call__(
        self, use_case: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run the use case in the writer thread; return its result after the commit."""
        if self._jobs.qsize() + len(self._offloaded) >= self.MAX_QUEUE:
            raise QueueFull
        work = self._work_of(use_case, *args, **kwargs)
        job = Job(work, prefetch_keys(use_case, args), self.TIMEOUT)
        self._jobs.put(job)
        result: R = await job.wait()
        return result

    def close(self) -> None:
        self._jobs.put(None)
        self._writer.join()
        super().close()

    def _write(self) -> None:
        """Collect queued jobs into batches and run them: the main loop of the writer thread."""
        policy = self.policy
        waiting: list[Job | None] = []
        running = True
        while running:
            several = len(waiting) > 1
            waiting = [self._jobs.get()]
            if several and waiting[0] is not None:
                waiting[0].linger(self._batch_is_full, policy.linger_ticks, policy.linger_seconds)
            while len(waiting) < policy.max_batch and not self._jobs.empty():
                waiting.append(self._jobs.get())
            running = None not in waiting
            jobs = [job for job in waiting if job]
            try:
                self._run_batch(jobs)
            except BaseException as defect:
                # The process has no other writer thread, so this one must survive.
                log.exception("unhandled exception in writer thread")
                resolve_jobs([(job, None, defect) for job in jobs if not job.offloaded])

    def _batch_is_full(self) -> bool:
        """Return whether the queue, with the job in hand, holds a full batch."""
        return self._jobs.qsize() + 1 >= self.policy.full_batch

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
        job.offloaded = True
        self._offloaded.add(job)
        self._threads.submit(self._run_blocking, job)

    def _run_blocking(self, job: Job) -> None:
        """Run an offloaded job in a thread that may block on locks."""
        self._offloaded.discard(job)
        if not job.claim():
            return
        try:
            result = self._transact_locking(job.work, job.deadline)
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
            result = self._attempt(self._batch_unit_of_work, job.work, attempts, job.deadline)
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
            with self._batch_unit_of_work() as uow:
                uow.prefetch([key for job in jobs for key in job.keys])
                for job in jobs:
                    try:
                        result, events = self._run_in_scope(uow, job)
                    except DomainError as error:
                        outcomes.append((job, None, error))
                    else:
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

    def _run_in_scope(self, uow: BatchUnitOfWork, job: Job) -> tuple[Any, list[Event]]:
        """Run one job of a batch; if it needs an earlier flush, flush and run it again."""
        try:
            with uow.scope():
                return job.work(uow)
        except FlushRequired:
            uow.flush()
            with uow.scope():
                return job.work(uow)
