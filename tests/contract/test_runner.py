"""The runner: reactions, long use cases, retries, limits of the queue."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from domain.base import Context, Event
from domain.errors import VersionMismatch
from domain.tasks import TaskCompleted, TaskCreated, TaskEdited
from service_layer import tasks as task_use_cases
from service_layer.errors import ConcurrencyConflict, ConnectionLost, DatabaseUnavailable, QueueFull
from service_layer.runner import Runner
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.people import CTX
from support.tasks import list_tasks, task_titles


def test_a_reaction_happens_with_the_change_that_it_follows(backend: Backend) -> None:
    def follow_up(uow: UnitOfWork, event: Event) -> None:
        if event.at == NOON:
            task_use_cases.create_task(
                uow, title="Sweep up", ctx=Context(None, NOON + timedelta(seconds=1))
            )

    runner = backend.runner({TaskCreated: (follow_up,)})
    runner.perform(task_use_cases.create_task, title="Plane the board", ctx=CTX)

    assert [task.title for task in list_tasks(backend)] == ["Plane the board", "Sweep up"]


def test_a_reaction_that_fails_undoes_the_change(backend: Backend) -> None:
    def fail(uow: UnitOfWork, event: Event) -> None:
        task_use_cases.create_task(uow, title="Half done", ctx=CTX)
        raise RuntimeError

    runner = backend.runner({TaskCreated: (fail,)})
    with pytest.raises(RuntimeError):
        runner.perform(task_use_cases.create_task, title="Never", ctx=CTX)

    assert list_tasks(backend) == []


def test_the_steps_of_a_long_use_case_find_what_was_done_and_what_followed(
    backend: Backend,
) -> None:
    def follow_up(uow: UnitOfWork, event: Event) -> None:
        if event.at == NOON:
            task_use_cases.create_task(
                uow, title="Sweep up", ctx=Context(None, NOON + timedelta(seconds=1))
            )

    def long(uow: UnitOfWork, step: Callable[[], None]) -> list[str]:
        id = task_use_cases.create_task(uow, title="Plane the board", ctx=CTX).id
        step()
        task_use_cases.edit_task(uow, id, {"priority": 1}, ctx=CTX)
        task_use_cases.edit_task(uow, id, {"priority": 2}, ctx=CTX)
        step()
        task_use_cases.complete_task(uow, id, ctx=CTX)
        step()
        return [task.title for task in uow.tasks.list_pending(None)]

    runner = backend.runner({TaskCreated: (follow_up,)})
    told: list[type[Event]] = []
    runner.after_commit(lambda events: told.extend(type(event) for event in events))

    assert runner.perform_in_steps(long) == ["Sweep up"]
    assert [(task.title, task.version) for task in list_tasks(backend)] == [
        ("Plane the board", 3),
        ("Sweep up", 1),
    ]
    assert told == [TaskCreated, TaskCreated, TaskEdited, TaskEdited, TaskCompleted]


def test_a_long_use_case_that_fails_leaves_none_of_its_steps(backend: Backend) -> None:
    def long(uow: UnitOfWork, step: Callable[[], None]) -> None:
        id = task_use_cases.create_task(uow, title="Never", ctx=CTX).id
        step()
        assert not uow.tasks.is_empty()
        uow.tasks.get(id, expected=(7,))

    with pytest.raises(VersionMismatch):
        backend.runner().perform_in_steps(long)

    assert list_tasks(backend) == []


def test_a_connection_lost_after_a_conflict_is_replaced_once(backend: Backend) -> None:
    errors = iter([ConcurrencyConflict(), ConnectionLost("gone")])

    def write(uow: UnitOfWork) -> None:
        for error in errors:
            raise error
        task_use_cases.create_task(uow, title="Kept", ctx=CTX)

    backend.default_runner.perform(write)
    assert [task.title for task in list_tasks(backend)] == ["Kept"]


def test_a_connection_lost_twice_is_an_error(backend: Backend) -> None:
    def write(uow: UnitOfWork) -> None:
        raise ConnectionLost("gone")

    with pytest.raises(ConnectionLost):
        backend.default_runner.perform(write)


class Occupied:
    """A runner whose concurrency is used up by use cases that wait, so that others queue."""

    def __init__(self, backend: Backend, runner: Runner) -> None:
        self.number = 1 if backend.group_commit else runner.THREADS
        """How many use cases wait: group commit has a single writer."""
        self.go = threading.Event()
        self._runner = runner
        self._started = threading.Event()

    def _wait(self, uow: UnitOfWork, number: int) -> None:
        task_use_cases.create_task(uow, title=f"running {number}", ctx=CTX)
        self._started.set()
        self.go.wait()

    async def start(self) -> list["asyncio.Task[None]"]:
        """Start the waiting use cases; return their callers."""
        running = [
            asyncio.ensure_future(self._runner(self._wait, number)) for number in range(self.number)
        ]
        await asyncio.to_thread(self._started.wait)
        return running

    @property
    def titles(self) -> list[str]:
        return [f"running {number}" for number in range(self.number)]


def test_use_case_that_finds_the_queue_full_is_refused_and_all_others_are_done(
    backend: Backend,
) -> None:
    runner = backend.runner()
    runner.MAX_QUEUE = 3
    occupied = Occupied(backend, runner)

    async def queue_five() -> tuple[list[Any], list[Any]]:
        running = await occupied.start()
        queued = [
            asyncio.ensure_future(runner(task_use_cases.create_task, title=f"t{n}", ctx=CTX))
            for n in range(5)
        ]
        await asyncio.sleep(0)
        occupied.go.set()
        return (
            await asyncio.gather(*running),
            await asyncio.gather(*queued, return_exceptions=True),
        )

    done, outcomes = backend.ask(queue_five())
    runner.close()

    assert done == [None] * occupied.number
    assert [isinstance(outcome, QueueFull) for outcome in outcomes] == [False] * 3 + [True] * 2
    assert sorted(task_titles(backend)) == [*occupied.titles, "t0", "t1", "t2"]


def test_use_case_that_is_still_queued_at_its_timeout_is_never_run(backend: Backend) -> None:
    runner = backend.runner()
    runner.TIMEOUT = 0.2
    occupied = Occupied(backend, runner)

    async def wait_too_long() -> tuple[list[Any], Any]:
        running = await occupied.start()
        queued = runner(task_use_cases.create_task, title="Never", ctx=CTX)
        *started, last = await asyncio.gather(*running, queued, return_exceptions=True)
        return started, last

    started, queued = backend.ask(wait_too_long())
    occupied.go.set()
    runner.close()

    # A use case that has started may still be done, and the error says so.
    assert [type(error) for error in started] == [DatabaseUnavailable] * occupied.number
    assert all("not known" in str(error) for error in started)
    assert type(queued) is QueueFull
    assert "was not made" in str(queued)
    assert sorted(task_titles(backend)) == occupied.titles


def test_no_further_attempt_starts_after_the_timeout(backend: Backend) -> None:
    runner = backend.runner()
    runner.TIMEOUT = 0.2
    attempts: list[None] = []

    def conflict(uow: UnitOfWork) -> None:
        attempts.append(None)
        time.sleep(0.15)
        raise ConcurrencyConflict

    with pytest.raises(DatabaseUnavailable):
        backend.ask(runner(conflict))
    runner.close()

    # A third attempt could not start before 0.3 seconds.
    assert 1 <= len(attempts) <= 2


def test_use_case_of_a_cancelled_caller_is_done_all_the_same(backend: Backend) -> None:
    runner = backend.runner()
    occupied = Occupied(backend, runner)

    async def cancel_callers() -> list[Any]:
        running = await occupied.start()
        queued = asyncio.ensure_future(runner(task_use_cases.create_task, title="Queued", ctx=CTX))
        await asyncio.sleep(0)
        for caller in (*running, queued):
            caller.cancel()
        return await asyncio.gather(*running, queued, return_exceptions=True)

    outcomes = backend.ask(cancel_callers())
    occupied.go.set()
    runner.close()

    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * len(outcomes)
    assert sorted(task_titles(backend)) == ["Queued", *occupied.titles]
