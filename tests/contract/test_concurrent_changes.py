"""Concurrent changes: optimistic lock, retries, and the pessimistic lock after them."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from domain.errors import VersionMismatch
from service_layer import devices, tasks
from service_layer import posts as post_use_cases
from service_layer import tasks as task_use_cases
from service_layer.errors import ConcurrencyConflict
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.devices import add_device, get_device, issue_key
from support.people import CTX, MEMBER
from support.tasks import add_task, get_task


def test_of_concurrent_changes_to_what_was_seen_only_one_wins(backend: Backend) -> None:
    id = add_task(backend)
    runner = backend.runner()

    def change(number: int) -> str:
        try:
            runner.perform(
                task_use_cases.edit_task, id, {"title": f"by {number}"}, ctx=CTX, expected={1}
            )
        except VersionMismatch:
            return "stale"
        return f"by {number}"

    outcomes = in_threads(20, change)

    winners = [outcome for outcome in outcomes if outcome != "stale"]
    assert len(winners) == 1
    found = get_task(backend, id)
    assert found is not None
    assert (found.title, found.version) == (winners[0], 2)


def test_concurrent_changes_of_different_members_are_all_kept(backend: Backend) -> None:
    id = add_task(backend)
    runner = backend.runner()
    changes: list[Any] = [{"title": "New"}, {"priority": 7}, {"description": "Because"}]

    in_threads(3, lambda n: runner.perform(task_use_cases.edit_task, id, changes[n], ctx=CTX))

    found = get_task(backend, id)
    assert found is not None
    assert (found.title, found.priority, found.description) == ("New", 7, "Because")
    assert found.version == 4


def test_commit_over_a_concurrent_change_is_refused(backend: Backend) -> None:
    id = add_task(backend)
    seen, changed = threading.Event(), threading.Event()
    outcome: list[str] = []

    def slow() -> None:
        # On SQLite a transaction holds the write lock from its start, so no other comes between.
        try:
            with backend.open() as uow:
                task = uow.tasks.get(id)
                seen.set()
                changed.wait(0.5)
                task.edit({"title": "Slow"}, CTX)
                uow.commit()
            outcome.append("committed")
        except ConcurrencyConflict:
            outcome.append("refused")

    thread = threading.Thread(target=slow)
    thread.start()
    seen.wait()
    backend.runner().perform(task_use_cases.edit_task, id, {"description": "Quick"}, ctx=CTX)
    changed.set()
    thread.join()

    found = get_task(backend, id)
    assert found is not None
    assert found.description == "Quick"
    assert (found.title == "Slow") == (outcome == ["committed"])
    assert found.version == (3 if outcome == ["committed"] else 2)


class Rivals:
    """Changes by other threads between the load and the commit of a use case, in each attempt.

    Where the use case holds a lock that they need, they wait until it is done.
    """

    def __init__(self, change: Callable[[int], object]) -> None:
        self._change = change
        self._threads: list[threading.Thread] = []

    def run(self, uow: UnitOfWork, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run the use case, then start a rival change before its commit."""
        result = use_case(uow, *args, **kwargs)
        thread = threading.Thread(target=self._change, args=(len(self._threads),))
        self._threads.append(thread)
        thread.start()
        thread.join(0.2)
        return result

    def end(self) -> int:
        """Wait for all rival changes, and return their number."""
        for thread in self._threads:
            thread.join()
        return len(self._threads)


def test_edit_of_a_device_succeeds_despite_heartbeats_and_edits_in_each_attempt(
    backend: Backend,
) -> None:
    id = add_device(backend)
    digest = issue_key(backend, id)

    def change(number: int) -> None:
        backend.default_runner.perform(
            devices.record_heartbeat, id, digest, {}, now=NOON + timedelta(seconds=1)
        )
        rival: Any = {"heartbeat_every": 100 + number}
        backend.default_runner.perform(devices.edit_device, id, rival, ctx=CTX)

    rivals = Rivals(change)
    backend.default_runner.perform(
        rivals.run, devices.edit_device, id, {"location": "Hall"}, ctx=CTX
    )

    edits = rivals.end()
    found = get_device(backend, id)
    assert (found.location, found.heartbeat_every) == ("Hall", 99 + edits)
    assert found.version == 3 + edits


def test_queued_edit_succeeds_despite_edits_in_each_attempt(
    backend: Backend,
) -> None:
    id = add_task(backend)

    def change(number: int) -> None:
        backend.default_runner.perform(tasks.edit_task, id, {"description": f"{number}"}, ctx=CTX)

    rivals = Rivals(change)
    runner = backend.runner()
    backend.ask(runner(rivals.run, tasks.edit_task, id, {"title": "Mine"}, ctx=CTX))
    runner.close()

    edits = rivals.end()
    found = get_task(backend, id)
    assert found is not None
    assert (found.title, found.description) == ("Mine", f"{edits - 1}")
    assert found.version == 2 + edits


def test_post_is_created_despite_posts_of_its_title_in_each_attempt(
    backend: Backend,
) -> None:
    members: Any = {"title": "News", "content": "Text", "ctx": MEMBER.ctx}
    slugs: list[str] = []

    def change(number: int) -> None:
        slugs.append(backend.default_runner.perform(post_use_cases.create_post, **members).slug)

    rivals = Rivals(change)
    slugs.append(
        backend.default_runner.perform(rivals.run, post_use_cases.create_post, **members).slug
    )

    posts = rivals.end() + 1
    assert sorted(slugs) == ["news", *(f"news-{number}" for number in range(2, posts + 1))]
