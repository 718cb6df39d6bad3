"""What every adapter promises to use cases that share a transaction and its commit."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from contract.adapters import Together
from domain.base import Entity, Event, PageRequest
from domain.errors import InvalidField, NotFound, VersionMismatch
from domain.stock import InsufficientStock, MovementFilter, Reason
from domain.tasks import TaskCreated, TaskDeleted, TaskEdited, TaskFilter
from domain.values import CENT
from service_layer import catalogue, devices, posts, stock, users
from service_layer import tasks as task_use_cases
from service_layer.errors import ConcurrencyConflict
from service_layer.group_commit.runner import BatchPolicy
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.people import ADMIN, CTX, MEMBER, PASSWORD_HASH

FIRST = PageRequest(sort="created_at", limit=100)


def by(use_case: Any, *args: Any, **members: Any) -> Callable[[UnitOfWork], Any]:
    """Return a use case that is given things as an endpoint gives them: of the admin's, at noon."""
    return partial(use_case, *args, ctx=ADMIN.ctx, **members)


def rename(uow: UnitOfWork, category_id: UUID, changes: Mapping[str, Any], **more: Any) -> Any:
    return catalogue.edit_category(uow, category_id, **changes, **more)


@dataclass(frozen=True)
class Kind:
    """A kind of aggregate: where it is kept, how one is made, edited in two ways, and removed."""

    kept: str
    add: Callable[[UnitOfWork], Any]
    edit: Callable[..., Any]
    one: Mapping[str, Any]
    other: Mapping[str, Any]
    remove: Callable[..., Any]


NEW_USER = {"username": "dora", "email": "dora@example.org", "name": "Dora"}
KINDS = {
    kind.kept: kind
    for kind in (
        Kind(
            "tasks",
            by(task_use_cases.create_task, title="One"),
            task_use_cases.edit_task,
            {"title": "a"},
            {"priority": 5},
            task_use_cases.delete_task,
        ),
        Kind(
            "products",
            by(catalogue.create_product, name="One", price=CENT),
            catalogue.edit_product,
            {"name": "a"},
            {"sku": "b"},
            catalogue.delete_product,
        ),
        Kind(
            "categories",
            by(catalogue.create_category, name="One"),
            rename,
            {"name": "a"},
            {"name": "b"},
            catalogue.delete_category,
        ),
        Kind(
            "posts",
            by(posts.create_post, title="One", content="One"),
            posts.edit_post,
            {"title": "a"},
            {"content": "b"},
            posts.delete_post,
        ),
        Kind(
            "devices",
            by(devices.create_device, name="One"),
            devices.edit_device,
            {"name": "a"},
            {"serial": "b"},
            devices.delete_device,
        ),
        Kind(
            "users",
            by(users.create_user, password_hash=PASSWORD_HASH, **NEW_USER),
            users.edit_user,
            {"city": "a"},
            {"email": "b@example.org"},
            users.delete_user,
        ),
    )
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def add(backend: Backend, kind: Kind) -> UUID:
    id: UUID = backend.usual.perform(kind.add).id
    return id


def found(backend: Backend, kind: Kind, id: UUID) -> Any:
    with backend.open() as uow:
        return getattr(uow, kind.kept).find(id)


def shows(entity: Entity, members: Mapping[str, Any]) -> bool:
    return all(getattr(entity, name) == value for name, value in members.items())


def test_the_second_of_two_edits_in_a_shared_transaction_finds_the_first_and_both_count(
    backend: Backend, kind: Kind
) -> None:
    id = add(backend, kind)
    together = Together(backend)
    untouched, first, late, second = together.run(
        by(kind.edit, id, {}),
        by(kind.edit, id, kind.one, expected={1}),
        by(kind.edit, id, kind.other, expected={1}),
        by(kind.edit, id, kind.other, expected={2}),
    )

    assert together.transactions == 2
    assert (first.version, type(late), second.version) == (2, VersionMismatch, 3)
    # What somebody was told of is not changed under their eyes.
    assert untouched.version == 1
    assert not shows(untouched, kind.one)
    assert shows(first, kind.one)
    assert not shows(first, kind.other)
    kept = found(backend, kind, id)
    assert kept.version == 3
    assert shows(kept, {**kind.one, **kind.other})


def test_those_who_share_a_transaction_each_change_what_they_name_and_nothing_else(
    backend: Backend,
) -> None:
    with backend.open() as uow:
        ids = [
            by(task_use_cases.create_task, title=t, priority=3)(uow).id
            for t in ("One", "Two", "Three")
        ]
        uow.commit()
    together = Together(backend)
    together.run(
        by(task_use_cases.edit_task, ids[0], {"title": "Gluing"}),
        by(task_use_cases.edit_task, ids[1], {"priority": 5}),
        by(task_use_cases.edit_task, ids[2], {"description": "Uno", "due_on": NOON.date()}),
    )

    assert together.transactions == 2
    page = backend.ask(backend.tasks.list_page(TaskFilter(today=NOON.date()), FIRST))
    assert sorted(
        (task.title, task.priority, task.description, task.due_on, task.version)
        for task in page.items
    ) == [
        ("Gluing", 3, None, None, 2),
        ("Three", 3, "Uno", NOON.date(), 2),
        ("Two", 5, None, None, 2),
    ]
    # What is derived from members for searching and sorting goes with them.
    for word, titles in (("gluing", ["Gluing"]), ("two", ["Two"]), ("uno", ["Three"]), ("one", [])):
        some = backend.ask(backend.tasks.list_page(TaskFilter(today=NOON.date(), q=word), FIRST))
        assert [task.title for task in some.items] == titles


def test_what_is_removed_in_a_shared_transaction_is_gone_for_those_after_and_not_before(
    backend: Backend, kind: Kind
) -> None:
    id = add(backend, kind)
    together = Together(backend)
    edited, removed, late, again = together.run(
        by(kind.edit, id, kind.one),
        by(kind.remove, id, expected={2}),
        by(kind.edit, id, kind.other),
        by(kind.remove, id),
    )

    assert together.transactions == 2
    assert edited.version == 2
    assert not isinstance(removed, Exception)
    assert (type(late), type(again)) == (NotFound, NotFound)
    assert found(backend, kind, id) is None


def test_a_removal_that_fails_in_a_shared_transaction_removes_nothing(
    backend: Backend, kind: Kind
) -> None:
    def think_better_of_it(uow: UnitOfWork) -> None:
        kind.edit(uow, which, kind.one, ctx=ADMIN.ctx)
        kind.remove(uow, which, ctx=ADMIN.ctx)
        raise NotFound("thing", which)

    which = add(backend, kind)
    together = Together(backend)
    failed, edited = together.run(
        think_better_of_it, by(kind.edit, which, kind.other, expected={1})
    )

    assert together.transactions == 2
    assert isinstance(failed, NotFound)
    assert edited.version == 2
    kept = found(backend, kind, which)
    assert shows(kept, kind.other)
    assert not shows(kept, kind.one)


def test_those_who_share_a_transaction_take_no_more_from_one_stock_than_there_is(
    backend: Backend,
) -> None:
    new = by(catalogue.create_product, name="Screws", price=CENT, stock=7, reorder_level=3)
    product = backend.usual.perform(new)
    take = by(stock.record_movement, product.id, quantity=-2, reason=Reason.SOLD)

    together = Together(backend)
    *taken, fourth, fifth = together.run(*[take] * 5)

    assert together.transactions == 2
    assert [movement.stock_after for movement in taken] == [5, 3, 1]
    assert [type(fourth), type(fifth)] == [InsufficientStock] * 2
    assert fourth.available == 1
    kept = backend.ask(backend.products.one(product.id, NOON))
    assert (kept.stock, kept.version) == (1, 4)
    ledger = backend.ask(backend.movements.list_page(MovementFilter(product_id=product.id), FIRST))
    assert [(one.quantity, one.stock_after) for one in ledger.items] == [
        (7, 7),
        (-2, 5),
        (-2, 3),
        (-2, 1),
    ]
    assert titles(backend) == ["Reorder Screws"]


def test_what_follows_in_a_shared_transaction_finds_what_those_before_have_done(
    backend: Backend,
) -> None:
    perform = backend.usual.perform
    one, two = (
        perform(task_use_cases.create_task, title=title, ctx=CTX).id for title in ("1", "2")
    )
    give: dict[str, Any] = {"assignee_id": MEMBER.id}

    together = Together(backend)
    given, inactive, refused = together.run(
        by(task_use_cases.edit_task, one, give),
        by(users.edit_user, MEMBER.id, {"is_active": False}),
        by(task_use_cases.edit_task, two, give),
    )

    assert together.transactions == 2
    assert (given.assignee_id, inactive.is_active) == (MEMBER.id, False)
    assert isinstance(refused, InvalidField)
    # Whoever may not come in any more has nothing left to do, and is given nothing.
    tasks = [backend.ask(backend.tasks.one(id, NOON)) for id in (one, two)]
    assert [(task.assignee_id, task.version) for task in tasks] == [(None, 3), (None, 1)]


@pytest.mark.parametrize("again", [False, True], ids=["together", "one by one"])
def test_listeners_are_told_of_what_a_shared_commit_has_kept_and_of_nothing_else(
    backend: Backend, again: bool
) -> None:
    meddled = [] if again else [None]

    def meddle(uow: UnitOfWork) -> None:
        task_use_cases.create_task(uow, title="Never", ctx=CTX)
        if not meddled:
            meddled.append(None)
            raise ConcurrencyConflict
        raise NotFound("task", ADMIN.id)

    id = backend.usual.perform(task_use_cases.create_task, title="One", ctx=CTX).id
    told: list[Event] = []
    together = Together(backend)
    together.runner.after_commit(told.extend)
    added, _, _, _ = together.run(
        by(task_use_cases.create_task, title="Two"),
        meddle,
        by(task_use_cases.edit_task, id, {"title": "New"}),
        by(task_use_cases.delete_task, id),
    )

    assert [(type(event), event.aggregate_id) for event in told] == [
        (TaskCreated, added.id),
        (TaskEdited, id),
        (TaskDeleted, id),
    ]
    assert titles(backend) == ["Two"]


def test_those_who_come_one_soon_after_the_other_share_a_transaction_once_several_have_met(
    backend: Backend,
) -> None:
    together = Together(backend, policy=BatchPolicy(linger_seconds=10.0))
    made = together.run(
        *(by(task_use_cases.create_task, title=title) for title in "ab"),
        then=[by(task_use_cases.create_task, title=title) for title in "cde"],
    )

    # One of them holds the writer until the first two wait for it.
    assert together.transactions == 3
    assert [task.title for task in made] == titles(backend) == list("abcde")


def test_those_who_are_enough_do_not_wait_for_others(backend: Backend) -> None:
    policy = BatchPolicy(full_batch=3, linger_ticks=1_000_000_000, linger_seconds=20.0)
    together = Together(backend, policy=policy)
    began = time.monotonic()
    together.run(
        *(by(task_use_cases.create_task, title=title) for title in "ab"),
        then=[by(task_use_cases.create_task, title=title) for title in "cde"],
    )

    assert time.monotonic() - began < policy.linger_seconds
    assert together.transactions == 3
    assert titles(backend) == list("abcde")


def titles(backend: Backend) -> list[str]:
    page = backend.ask(backend.tasks.list_page(TaskFilter(today=NOON.date()), FIRST))
    return [task.title for task in page.items]


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = ["kind", *(name for name in globals() if name.startswith("test_"))]
