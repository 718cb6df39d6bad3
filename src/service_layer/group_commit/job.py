"""Jobs: use cases that wait for the runner's writer, and the callers who wait for them."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from inspect import signature
from itertools import takewhile
from typing import Any
from uuid import UUID

from service_layer.errors import UNKNOWN_OUTCOME, DatabaseUnavailable, QueueFull
from service_layer.idempotency import idempotently
from service_layer.unit_of_work import UnitOfWork


class Job:
    """A use case that waits for the writer, and the caller who waits for what comes of it."""

    def __init__(
        self, work: Callable[[UnitOfWork], Any], named: tuple[tuple[str, UUID], ...]
    ) -> None:
        self.work = work
        self.keys = named
        """The aggregates that it is going to ask for, as far as its arguments tell."""
        self.loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[Any] = self.loop.create_future()
        # Who takes it decides whether the job is done: the writer, or a caller who gives up.
        self._claim_token = [None]
        self._timed_out = False

    def claim(self) -> bool:
        """Whether nobody has begun it, or given it up."""
        try:
            self._claim_token.pop()
        except IndexError:
            return False
        return not self._timed_out

    def release(self) -> None:
        """Take note that nothing came of what was begun, and that it may be begun again."""
        self._claim_token.append(None)

    def linger(self, enough: Callable[[], bool], turns: int, longest: float) -> None:
        """Let others come, until they are enough or some turns of the caller's event loop are over.

        While the loop has nothing else to do a turn takes some microseconds; it never takes longer
        than so many seconds.
        """
        if enough():
            return
        over = threading.Event()

        def turn(left: int) -> None:
            if left and not enough():
                self.loop.call_soon(turn, left - 1)
            else:
                over.set()

        with suppress(RuntimeError):  # the loop is closed: nobody else comes
            self.loop.call_soon_threadsafe(turn, turns)
            over.wait(longest)

    async def wait(self, patience: float) -> Any:
        """Return what comes of it; a caller who stops listening does not stop the work half way.

        Raises:
            QueueFull: when it is not even begun after so many seconds; it is not done then.
            DatabaseUnavailable: when it is being done at that time. It is not begun once more.
        """
        timer = self.loop.call_later(patience, self._time_out)
        try:
            return await self._outcome
        finally:
            timer.cancel()

    def resolve(self, result: Any, error: BaseException | None) -> None:
        """Tell its caller, if there still is one, what came of it; in their loop."""
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
"""What came of a job: its result, or the error."""


def resolve_jobs(outcomes: list[Outcome]) -> None:
    """Wake those who wait, all at once: waking a loop from another thread costs a system call."""
    for loop in {job.loop for job, _, _ in outcomes}:
        theirs = [outcome for outcome in outcomes if outcome[0].loop is loop]
        # Whoever waited in a loop that is closed is gone; that is all this error tells.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, theirs)


def _resolve(outcomes: list[Outcome]) -> None:
    for job, result, error in outcomes:
        job.resolve(result, error)


@lru_cache(maxsize=256)
def _entity_names(use_case: Callable[..., Any]) -> tuple[str, ...]:
    """Return what the first arguments of a use case name: `task_id` names a task."""
    names = list(signature(use_case).parameters)[1:]
    named = takewhile(lambda name: name.endswith("_id"), names)
    return tuple(name.removesuffix("_id") for name in named)


def prefetch_keys(
    use_case: Callable[..., Any], args: Sequence[Any]
) -> tuple[tuple[str, UUID], ...]:
    """Return the aggregates that a use case is told of, or the one that is to be done `once`."""
    if use_case is idempotently:
        _key, use_case, *args = args
    return tuple(zip(_entity_names(use_case), args, strict=False))
