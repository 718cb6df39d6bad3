"""Jobs of the group commit: queued use cases, and the callers that await their results."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from domain.base import Event
from service_layer.errors import UNKNOWN_OUTCOME, DatabaseUnavailable, QueueFull
from service_layer.group_commit.unit_of_work import Key
from service_layer.idempotency import idempotently
from service_layer.prefetch import prefetched_by
from service_layer.unit_of_work import UnitOfWork


class Job:
    """A use case in the runner's queue, with the future of its caller."""

    def __init__(
        self,
        work: Callable[[UnitOfWork], tuple[Any, list[Event]]],
        keys: tuple[Key, ...],
        timeout: float,
    ) -> None:
        self.work = work
        self.keys = keys
        """The aggregates to prefetch."""
        self.offloaded = False
        """Whether a thread other than the writer resolves the job."""
        self._timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[Any] = self.loop.create_future()
        # A token that only one side can pop: the writer to run the job, or the caller's timeout.
        self._claim_token = [None]
        self._timed_out = False

    def claim(self) -> bool:
        """Claim the job; return whether it was neither claimed nor timed out."""
        try:
            self._claim_token.pop()
        except IndexError:
            return False
        return not self._timed_out

    def release(self) -> None:
        """Make a claimed job claimable again, because its attempt had no effect."""
        self._claim_token.append(None)

    def linger(self, is_full: Callable[[], bool], ticks: int, seconds: float) -> None:
        """Linger: wait briefly so that a batch fills.

        The wait ends with a full batch, or after a number of event-loop ticks or of seconds. A tick
        of an idle loop takes some microseconds.
        """
        if is_full():
            return
        over = threading.Event()

        def tick(left: int) -> None:
            if left and not is_full():
                self.loop.call_soon(tick, left - 1)
            else:
                over.set()

        with suppress(RuntimeError):  # the loop is closed, so no further jobs come from it
            self.loop.call_soon_threadsafe(tick, ticks)
            over.wait(seconds)

    async def wait(self) -> Any:
        """Wait for the result, up to the timeout. Cancellation does not cancel the job.

        Raises:
            QueueFull: when the job is still unclaimed at the timeout; it will not run.
            DatabaseUnavailable: when it is running at the timeout; it will not be retried.
        """
        timer = self.loop.call_later(self._timeout, self._time_out)
        try:
            return await self._outcome
        finally:
            timer.cancel()

    def resolve(self, result: Any, error: BaseException | None) -> None:
        """Set the outcome unless the caller is gone; call this in the job's event loop."""
        if self._outcome.done():
            return
        if error is None:
            self._outcome.set_result(result)
        else:
            self._outcome.set_exception(error)

    def _time_out(self) -> None:
        untouched = self.claim()
        self._timed_out = True
        self.resolve(None, QueueFull() if untouched else DatabaseUnavailable(UNKNOWN_OUTCOME))


Outcome = tuple[Job, Any, BaseException | None]
"""A job with its result or its error."""


def resolve_jobs(outcomes: list[Outcome]) -> None:
    """Resolve jobs with one wakeup per event loop, because each wakeup costs a system call."""
    for loop in {job.loop for job, _, _ in outcomes}:
        theirs = [outcome for outcome in outcomes if outcome[0].loop is loop]
        # RuntimeError means that the loop is closed, so its callers no longer exist.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, theirs)


def _resolve(outcomes: list[Outcome]) -> None:
    for job, result, error in outcomes:
        job.resolve(result, error)


def prefetch_keys(use_case: Callable[..., Any], args: Sequence[Any]) -> tuple[Key, ...]:
    """Return the keys that a use case declares by `prefetches`, with its first arguments as ids.

    For `idempotently` these are the keys of the use case that it wraps.
    """
    if use_case is idempotently:
        _key, use_case, *args = args
    return tuple(zip(prefetched_by(use_case), args, strict=False))
