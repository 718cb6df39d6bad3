"""Idempotency keys: a repeated request has one effect."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from domain.actors import Actor
from domain.base import Context, Event
from domain.errors import InvalidField
from domain.idempotency import IdempotencyRecord
from domain.tasks import Task, TaskCreated
from service_layer import tasks as task_use_cases
from service_layer import users
from service_layer.idempotency import idempotently
from service_layer.runner import Runner
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.idempotency import location_of, titles_by_path
from support.people import ADMIN, MEMBER, PEOPLE

DAY = timedelta(hours=24)
MICROSECOND = timedelta(microseconds=1)


def send(
    backend: Backend,
    key: str = "k",
    *,
    title: str = "Sharpen",
    actor: Actor = MEMBER.actor,
    now: datetime = NOON,
    runner: Runner | None = None,
) -> str:
    """Create a task under an idempotency key, and return its location."""
    perform = (runner or backend.default_runner).perform
    return perform(
        idempotently,
        key,
        task_use_cases.create_task,
        title=title,
        locate=location_of,
        ctx=Context(actor, now),
    )


def expired_records(backend: Backend, now: datetime) -> list[IdempotencyRecord]:
    with backend.open() as uow:
        return uow.idempotency_records.list_expired(now, limit=1_000)


def test_repeated_request_has_one_effect_and_both_get_its_location(backend: Backend) -> None:
    happened: list[Event] = []
    runner = backend.runner()
    runner.after_commit(happened.extend)

    first = send(backend, runner=runner)
    # What else is sent under the key does not matter: the form has been dealt with.
    second = send(backend, runner=runner, title="Once more", now=NOON + timedelta(minutes=1))

    assert first == second
    assert titles_by_path(backend) == {first: "Sharpen"}
    assert [type(event) for event in happened] == [TaskCreated]


def test_of_twenty_concurrent_requests_under_one_key_one_has_an_effect(backend: Backend) -> None:
    keys = ["a", "b", "c"] * 20
    places = in_threads(60, lambda n: send(backend, keys[n], title=f"from {n}"))

    for key in range(3):
        assert len(set(places[key::3])) == 1
    assert set(places) == set(titles_by_path(backend))
    assert len(titles_by_path(backend)) == 3


@pytest.mark.parametrize("there_is_an_old_one", [False, True])
def test_concurrent_requests_under_one_key_do_not_fail(
    backend: Backend, there_is_an_old_one: bool
) -> None:
    def register(username: str, number: int) -> str:
        # The name and the address are free for the first alone.
        return backend.default_runner.perform(
            idempotently,
            username,
            users.create_user,
            username=username,
            email=f"{username}@example.org",
            name="Some user",
            password_hash="-",
            locate=lambda user: f"users/{user.id}",
            ctx=Context(ADMIN.actor, NOON + DAY),
        )

    for username in ("dora", "eve", "fred", "gina", "hans"):
        if there_is_an_old_one:
            send(backend, username, actor=ADMIN.actor)

        places = in_threads(20, partial(register, username))

        found = backend.ask(backend.users.by_username(username))
        assert found is not None
        assert set(places) == {found.path}


def test_other_keys_and_other_peoples_keys_are_no_repetitions(backend: Backend) -> None:
    def send_one(number: int) -> str:
        person = PEOPLE[number % len(PEOPLE)]
        return send(backend, f"k{number // len(PEOPLE)}", actor=person.actor)

    places = in_threads(12, send_one)

    assert len(set(places)) == 12
    assert set(titles_by_path(backend)) == set(places)
    assert [send_one(number) for number in range(12)] == places


def test_record_of_an_operation_is_found_by_its_name_and_ids(backend: Backend) -> None:
    """The id of a record must not change: a repeated request finds the earlier record."""
    task = UUID(send(backend).removeprefix("tasks/"))
    members: dict[str, Any] = {"locate": location_of, "ctx": MEMBER.ctx}
    perform: Callable[..., str] = backend.default_runner.perform
    perform(idempotently, "k", task_use_cases.edit_task, task, {}, **members, expected={1})

    with backend.open() as uow:
        for operation in ("create_task", f"edit_task {task} {{}}"):
            id = IdempotencyRecord.id_for(MEMBER.actor, operation, "k")
            assert uow.idempotency_records.get(id).location == f"tasks/{task}"


def test_one_key_at_two_operations_is_two_effects(backend: Backend) -> None:
    task = UUID(send(backend).removeprefix("tasks/"))
    other = UUID(send(backend, "another").removeprefix("tasks/"))

    def done(use_case: Callable[..., Task], id: UUID) -> str:
        told = {"locate": lambda task: f"{task.id} {task.completed}", "ctx": MEMBER.ctx}
        perform: Callable[..., str] = backend.default_runner.perform
        return perform(idempotently, "k", use_case, id, **told)

    assert done(task_use_cases.complete_task, task) == f"{task} True"
    assert done(task_use_cases.complete_task, other) == f"{other} True"
    assert done(task_use_cases.reopen_task, task) == f"{task} False"
    # What is sent again is not done again.
    assert done(task_use_cases.complete_task, task) == f"{task} True"
    with backend.open() as uow:
        assert [uow.tasks.get(id).completed for id in (task, other)] == [False, True]


def test_failed_request_leaves_no_record_and_may_be_sent_again(backend: Backend) -> None:
    def refuse(uow: UnitOfWork, event: Event) -> None:
        raise RuntimeError

    with pytest.raises(InvalidField):
        send(backend, title="")
    with pytest.raises(RuntimeError):
        send(backend, runner=backend.runner({TaskCreated: (refuse,)}))
    assert expired_records(backend, NOON + 2 * DAY) == []

    place = send(backend)
    assert titles_by_path(backend) == {place: "Sharpen"}


@pytest.mark.parametrize("number", [1, 20])
def test_idempotency_record_is_valid_for_a_day(backend: Backend, number: int) -> None:
    first = send(backend, title="First")
    assert send(backend, now=NOON + DAY - MICROSECOND) == first

    (second,) = set(in_threads(number, lambda _: send(backend, title="Second", now=NOON + DAY)))

    assert second != first
    assert titles_by_path(backend) == {first: "First", second: "Second"}
    assert send(backend, now=NOON + 2 * DAY - MICROSECOND) == second
    assert send(backend, now=NOON + 2 * DAY) not in (first, second)


def test_expired_idempotency_records_are_deleted_a_few_at_a_time(backend: Backend) -> None:
    for number in range(25):
        send(backend, f"old {number}")
    send(backend, "young", now=NOON + MICROSECOND)

    left = []
    for number in range(4):
        send(backend, f"new {number}", now=NOON + DAY)
        left.append(len(expired_records(backend, NOON + DAY)))

    assert left == [15, 5, 0, 0]
    assert len(expired_records(backend, NOON + 2 * DAY)) == 5


def test_concurrent_deletions_of_expired_records_do_not_block_each_other(
    backend: Backend,
) -> None:
    for number in range(150):
        send(backend, f"old {number}")
    runs: list[str] = []

    def add(uow: UnitOfWork, ctx: Context, *, title: str) -> Task:
        runs.append(title)
        return task_use_cases.create_task(uow, ctx, title=title)

    def send_new(number: int) -> str:
        key, ctx = f"new {number}", Context(MEMBER.actor, NOON + DAY)
        return backend.default_runner.perform(
            idempotently, key, add, title=key, locate=location_of, ctx=ctx
        )

    places = in_threads(20, send_new)

    assert len(set(places)) == 20
    assert sorted(runs) == sorted(f"new {number}" for number in range(20))
    assert expired_records(backend, NOON + DAY) == []


def test_request_repeated_during_the_deletion_of_its_record_is_done_once(backend: Backend) -> None:
    for number in range(5):
        send(backend, f"old {number}")

    keys = [f"old {n // 2}" if n < 10 else f"new {n}" for n in range(20)]
    places = in_threads(20, lambda n: send(backend, keys[n], now=NOON + DAY))

    assert len(set(places)) == 15
    assert len(titles_by_path(backend)) == 5 + 15
    assert expired_records(backend, NOON + DAY) == []
    assert [send(backend, key, now=NOON + DAY) for key in keys] == places
