"""Group commit: a batch shares one transaction, and each use case fails alone."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from domain.base import Event
from domain.errors import InvalidField, NotFound, NotUnique, StillReferenced, VersionMismatch
from domain.tasks import Task, TaskCreated, TaskDeleted, TaskEdited
from domain.values import CENT
from service_layer import catalogue
from service_layer import tasks as task_use_cases
from service_layer.errors import ConcurrencyConflict, QueueFull
from service_layer.group_commit.runner import BatchPolicy
from service_layer.unit_of_work import UnitOfWork
from support.backends import Backend
from support.group_commit import BatchHarness, as_admin
from support.people import ADMIN, CTX
from support.tasks import add_task, get_task, list_tasks, task_titles

pytestmark = pytest.mark.group_commit


def test_queued_use_cases_share_one_transaction(backend: Backend) -> None:
    harness = BatchHarness(backend)
    made = harness.run(
        *(partial(task_use_cases.create_task, title=f"t{n}", ctx=CTX) for n in range(20))
    )

    assert harness.transactions == 2
    assert [task.title for task in list_tasks(backend)] == [f"t{n}" for n in range(20)]
    assert [task.version for task in made] == [1] * 20


def test_use_case_that_breaks_a_rule_fails_alone_in_its_batch(
    backend: Backend,
) -> None:
    id = add_task(backend, "Kept")

    def half_done(uow: UnitOfWork) -> None:
        task_use_cases.create_task(uow, title="Never", ctx=CTX)
        uow.tasks.get(id).edit({"title": "Never"}, CTX)
        raise NotFound("task", id)

    harness = BatchHarness(backend)
    one, two, three, four = harness.run(
        partial(task_use_cases.create_task, title="One", ctx=CTX),
        half_done,
        partial(task_use_cases.edit_task, task_id=id, changes={"title": ""}, ctx=CTX),
        partial(task_use_cases.edit_task, task_id=id, changes={"priority": 1}, ctx=CTX),
    )

    assert harness.transactions == 2
    assert (one.title, type(two), type(three)) == ("One", NotFound, InvalidField)
    assert (four.title, four.priority, four.version) == ("Kept", 1, 2)
    assert [task.title for task in list_tasks(backend)] == ["Kept", "One"]


def test_unhandled_exception_in_one_use_case_fails_no_other_of_its_batch(backend: Backend) -> None:
    def defect(uow: UnitOfWork) -> None:
        task_use_cases.create_task(uow, title="Never", ctx=CTX)
        raise RuntimeError

    one, two, three = BatchHarness(backend).run(
        partial(task_use_cases.create_task, title="One", ctx=CTX),
        defect,
        partial(task_use_cases.create_task, title="Three", ctx=CTX),
    )

    assert (one.title, type(two), three.title) == ("One", RuntimeError, "Three")
    assert [task.title for task in list_tasks(backend)] == ["One", "Three"]


def test_changes_of_one_task_in_a_batch_each_count_as_a_version(
    backend: Backend,
) -> None:
    id = add_task(backend)
    harness = BatchHarness(backend)
    first, second, stale, removed, gone = harness.run(
        partial(
            task_use_cases.edit_task, task_id=id, changes={"title": "a"}, ctx=CTX, expected={1}
        ),
        partial(
            task_use_cases.edit_task, task_id=id, changes={"priority": 5}, ctx=CTX, expected={2}
        ),
        partial(
            task_use_cases.edit_task, task_id=id, changes={"title": "b"}, ctx=CTX, expected={1}
        ),
        partial(task_use_cases.delete_task, task_id=id, ctx=CTX, expected={3}),
        partial(task_use_cases.complete_task, task_id=id, ctx=CTX),
    )

    assert harness.transactions == 2
    assert (first.title, first.priority, first.version) == ("a", 0, 2)
    assert isinstance(stale, VersionMismatch)
    assert (second.title, second.priority, second.version) == ("a", 5, 3)
    assert removed is None
    assert isinstance(gone, NotFound)
    assert get_task(backend, id) is None


def test_many_tasks_are_edited_in_one_batch(
    backend: Backend,
) -> None:
    ids = [add_task(backend, f"t{n}") for n in range(5)]

    def edit(id: UUID, title: str, expected: int) -> Callable[[UnitOfWork], Any]:
        use_case: Any = task_use_cases.edit_task
        return partial(use_case, id, {"title": title}, ctx=CTX, expected={expected})

    harness = BatchHarness(backend)
    *edited, again, stale, missing = harness.run(
        *(edit(id, f"new {n}", 1) for n, id in enumerate(ids)),
        edit(ids[2], "newer", 2),
        edit(ids[3], "late", 1),
        edit(ADMIN.id, "nothing", 1),
    )

    assert harness.transactions == 2
    assert [(one.title, one.version) for one in edited] == [(f"new {n}", 2) for n in range(5)]
    assert (again.title, again.version) == ("newer", 3)
    assert (type(stale), type(missing)) == (VersionMismatch, NotFound)
    titles = [task.title for task in list_tasks(backend)]
    assert titles == ["new 0", "new 1", "newer", "new 3", "new 4"]


def test_queries_in_a_batch_see_the_changes_of_earlier_use_cases(
    backend: Backend,
) -> None:
    def add_category(name: str) -> Callable[[UnitOfWork], Any]:
        return partial(catalogue.create_category, name=name, ctx=CTX)

    one, taken, other = BatchHarness(backend).run(
        add_category("Screws"), add_category("SCREWS"), add_category("Nails")
    )
    assert (one.name, type(taken), other.name) == ("Screws", NotUnique, "Nails")

    removed, refused = BatchHarness(backend).run(
        partial(catalogue.delete_category, one.id, ctx=CTX),
        partial(catalogue.create_product, name="Nut", price=CENT, category_id=one.id, ctx=CTX),
    )
    assert removed is None
    assert isinstance(refused, InvalidField)

    product, in_use = BatchHarness(backend).run(
        partial(catalogue.create_product, name="Nut", price=CENT, category_id=other.id, ctx=CTX),
        partial(catalogue.delete_category, other.id, ctx=CTX),
    )
    assert (product.category_id, type(in_use)) == (other.id, StillReferenced)


def test_batch_with_a_concurrency_conflict_is_run_again_one_by_one(
    backend: Backend,
) -> None:
    id = add_task(backend)
    meddled = threading.Event()

    def meddle(uow: UnitOfWork) -> Task:
        task = uow.tasks.get(id)
        if not meddled.is_set():
            meddled.set()
            raise ConcurrencyConflict
        task.edit({"priority": 9}, CTX)
        return task

    one, two = BatchHarness(backend).run(
        partial(task_use_cases.edit_task, task_id=id, changes={"title": "a"}, ctx=CTX), meddle
    )

    assert (one.version, two.version, two.priority, two.title) == (2, 3, 9, "a")


def test_use_cases_beyond_the_maximum_queue_are_refused(backend: Backend) -> None:
    harness = BatchHarness(backend)
    harness.runner.MAX_QUEUE = 3
    outcomes = harness.run(
        *(partial(task_use_cases.create_task, title=f"t{n}", ctx=CTX) for n in range(5))
    )

    assert [isinstance(outcome, QueueFull) for outcome in outcomes] == [False] * 3 + [True] * 2
    assert [task.title for task in list_tasks(backend)] == ["t0", "t1", "t2"]


def test_writer_continues_after_a_listener_fails(backend: Backend) -> None:
    def fail(events: Sequence[Event]) -> None:
        if events:
            raise RuntimeError

    harness = BatchHarness(backend)
    harness.runner.after_commit(fail)
    harness.runner.TIMEOUT = 5.0
    add_task = partial(task_use_cases.create_task, ctx=CTX)
    told = harness.run(
        *(partial(add_task, title=title) for title in "ab"), then=[partial(add_task, title="c")]
    )

    assert [type(error) for error in told] == [RuntimeError] * 3
    assert [task.title for task in list_tasks(backend)] == ["a", "b", "c"]


@pytest.mark.parametrize("again", [False, True], ids=["in one batch", "one by one"])
def test_listeners_get_only_the_events_of_committed_use_cases(
    backend: Backend, again: bool
) -> None:
    meddled = [] if again else [None]

    def meddle(uow: UnitOfWork) -> None:
        task_use_cases.create_task(uow, title="Never", ctx=CTX)
        if not meddled:
            meddled.append(None)
            raise ConcurrencyConflict
        raise NotFound("task", ADMIN.id)

    id = backend.default_runner.perform(task_use_cases.create_task, title="One", ctx=CTX).id
    told: list[Event] = []
    harness = BatchHarness(backend)
    harness.runner.after_commit(told.extend)
    added, _, _, _ = harness.run(
        as_admin(task_use_cases.create_task, title="Two"),
        meddle,
        as_admin(task_use_cases.edit_task, id, {"title": "New"}),
        as_admin(task_use_cases.delete_task, id),
    )

    assert [(type(event), event.aggregate_id) for event in told] == [
        (TaskCreated, added.id),
        (TaskEdited, id),
        (TaskDeleted, id),
    ]
    assert task_titles(backend) == ["Two"]


def test_use_cases_that_follow_a_batch_closely_share_the_next_one(
    backend: Backend,
) -> None:
    harness = BatchHarness(backend, policy=BatchPolicy(linger_seconds=10.0))
    made = harness.run(
        *(as_admin(task_use_cases.create_task, title=title) for title in "ab"),
        then=[as_admin(task_use_cases.create_task, title=title) for title in "cde"],
    )

    # One of them holds the writer until the first two wait for it.
    assert harness.transactions == 3
    assert [task.title for task in made] == task_titles(backend) == list("abcde")


def test_full_batch_does_not_linger(backend: Backend) -> None:
    policy = BatchPolicy(full_batch=3, linger_ticks=1_000_000_000, linger_seconds=20.0)
    harness = BatchHarness(backend, policy=policy)
    began = time.monotonic()
    harness.run(
        *(as_admin(task_use_cases.create_task, title=title) for title in "ab"),
        then=[as_admin(task_use_cases.create_task, title=title) for title in "cde"],
    )

    assert time.monotonic() - began < policy.linger_seconds
    assert harness.transactions == 3
    assert task_titles(backend) == list("abcde")
