"""Group commit: each use case of a batch sees the changes of those before it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from domain.base import Entity
from domain.devices import Presence
from domain.errors import AuthenticationFailed, InvalidField, NotFound, VersionMismatch
from domain.stock import InsufficientStock, MovementFilter, Reason
from domain.tasks import TaskFilter
from domain.values import CENT
from service_layer import catalogue, devices, posts, stock, tasks, users
from service_layer import tasks as task_use_cases
from service_layer import users as user_use_cases
from service_layer.idempotency import idempotently
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.devices import MICROSECOND, add_device, issue_key, presence_of
from support.group_commit import BatchHarness, as_admin
from support.idempotency import location_of, titles_by_path
from support.pagination import FIRST_PAGE
from support.people import ADMIN, CTX, MEMBER, OTHER, PASSWORD_HASH
from support.tasks import task_titles

pytestmark = pytest.mark.group_commit


def edit_category(
    uow: UnitOfWork, category_id: UUID, changes: Mapping[str, Any], **more: Any
) -> Any:
    return catalogue.edit_category(uow, category_id, **changes, **more)


@dataclass(frozen=True)
class AggregateCase:
    """An aggregate: its repository, and use cases that create, edit and delete it."""

    kept: str
    add: Callable[[UnitOfWork], Any]
    edit: Callable[..., Any]
    one: Mapping[str, Any]
    other: Mapping[str, Any]
    remove: Callable[..., Any]


NEW_USER = {"username": "dora", "email": "dora@example.org", "name": "Dora"}
CASES = {
    case.kept: case
    for case in (
        AggregateCase(
            "tasks",
            as_admin(task_use_cases.create_task, title="One"),
            task_use_cases.edit_task,
            {"title": "a"},
            {"priority": 5},
            task_use_cases.delete_task,
        ),
        AggregateCase(
            "products",
            as_admin(catalogue.create_product, name="One", price=CENT),
            catalogue.edit_product,
            {"name": "a"},
            {"sku": "b"},
            catalogue.delete_product,
        ),
        AggregateCase(
            "categories",
            as_admin(catalogue.create_category, name="One"),
            edit_category,
            {"name": "a"},
            {"name": "b"},
            catalogue.delete_category,
        ),
        AggregateCase(
            "posts",
            as_admin(posts.create_post, title="One", content="One"),
            posts.edit_post,
            {"title": "a"},
            {"content": "b"},
            posts.delete_post,
        ),
        AggregateCase(
            "devices",
            as_admin(devices.create_device, name="One"),
            devices.edit_device,
            {"name": "a"},
            {"serial": "b"},
            devices.delete_device,
        ),
        AggregateCase(
            "users",
            as_admin(users.create_user, password_hash=PASSWORD_HASH, **NEW_USER),
            users.edit_user,
            {"city": "a"},
            {"email": "b@example.org"},
            users.delete_user,
        ),
    )
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> AggregateCase:
    return CASES[request.param]


def create(backend: Backend, case: AggregateCase) -> UUID:
    id: UUID = backend.default_runner.perform(case.add).id
    return id


def found(backend: Backend, case: AggregateCase, id: UUID) -> Any:
    with backend.open() as uow:
        return getattr(uow, case.kept).find(id)


def shows(entity: Entity, members: Mapping[str, Any]) -> bool:
    return all(getattr(entity, name) == value for name, value in members.items())


def test_second_of_two_edits_in_a_batch_sees_the_first_and_both_count(
    backend: Backend, case: AggregateCase
) -> None:
    id = create(backend, case)
    harness = BatchHarness(backend)
    untouched, first, late, second = harness.run(
        as_admin(case.edit, id, {}),
        as_admin(case.edit, id, case.one, expected={1}),
        as_admin(case.edit, id, case.other, expected={1}),
        as_admin(case.edit, id, case.other, expected={2}),
    )

    assert harness.transactions == 2
    assert (first.version, type(late), second.version) == (2, VersionMismatch, 3)
    # A result is not changed by later use cases.
    assert untouched.version == 1
    assert not shows(untouched, case.one)
    assert shows(first, case.one)
    assert not shows(first, case.other)
    kept = found(backend, case, id)
    assert kept.version == 3
    assert shows(kept, {**case.one, **case.other})


def test_edits_in_one_batch_change_only_the_members_that_they_name(
    backend: Backend,
) -> None:
    with backend.open() as uow:
        ids = [
            as_admin(task_use_cases.create_task, title=t, priority=3)(uow).id
            for t in ("One", "Two", "Three")
        ]
        uow.commit()
    harness = BatchHarness(backend)
    harness.run(
        as_admin(task_use_cases.edit_task, ids[0], {"title": "Gluing"}),
        as_admin(task_use_cases.edit_task, ids[1], {"priority": 5}),
        as_admin(task_use_cases.edit_task, ids[2], {"description": "Uno", "due_on": NOON.date()}),
    )

    assert harness.transactions == 2
    page = backend.ask(backend.tasks.list_page(TaskFilter(today=NOON.date()), FIRST_PAGE))
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
        some = backend.ask(
            backend.tasks.list_page(TaskFilter(today=NOON.date(), q=word), FIRST_PAGE)
        )
        assert [task.title for task in some.items] == titles


def test_deletion_in_a_batch_is_seen_by_later_use_cases_and_not_by_earlier_ones(
    backend: Backend, case: AggregateCase
) -> None:
    id = create(backend, case)
    harness = BatchHarness(backend)
    edited, removed, late, again = harness.run(
        as_admin(case.edit, id, case.one),
        as_admin(case.remove, id, expected={2}),
        as_admin(case.edit, id, case.other),
        as_admin(case.remove, id),
    )

    assert harness.transactions == 2
    assert edited.version == 2
    assert not isinstance(removed, Exception)
    assert (type(late), type(again)) == (NotFound, NotFound)
    assert found(backend, case, id) is None


def test_failed_deletion_in_a_batch_deletes_nothing(backend: Backend, case: AggregateCase) -> None:
    def think_better_of_it(uow: UnitOfWork) -> None:
        case.edit(uow, which, case.one, ctx=ADMIN.ctx)
        case.remove(uow, which, ctx=ADMIN.ctx)
        raise NotFound("thing", which)

    which = create(backend, case)
    harness = BatchHarness(backend)
    failed, edited = harness.run(
        think_better_of_it, as_admin(case.edit, which, case.other, expected={1})
    )

    assert harness.transactions == 2
    assert isinstance(failed, NotFound)
    assert edited.version == 2
    kept = found(backend, case, which)
    assert shows(kept, case.other)
    assert not shows(kept, case.one)


def test_sales_in_one_batch_take_no_more_than_the_stock(
    backend: Backend,
) -> None:
    new = as_admin(catalogue.create_product, name="Screws", price=CENT, stock=7, reorder_level=3)
    product = backend.default_runner.perform(new)
    take = as_admin(stock.record_movement, product.id, quantity=-2, reason=Reason.SOLD)

    harness = BatchHarness(backend)
    *taken, fourth, fifth = harness.run(*[take] * 5)

    assert harness.transactions == 2
    assert [movement.stock_after for movement in taken] == [5, 3, 1]
    assert [type(fourth), type(fifth)] == [InsufficientStock] * 2
    assert fourth.available == 1
    kept = backend.ask(backend.products.one(product.id, NOON))
    assert (kept.stock, kept.version) == (1, 4)
    ledger = backend.ask(
        backend.movements.list_page(MovementFilter(product_id=product.id), FIRST_PAGE)
    )
    assert [(one.quantity, one.stock_after) for one in ledger.items] == [
        (7, 7),
        (-2, 5),
        (-2, 3),
        (-2, 1),
    ]
    assert task_titles(backend) == ["Reorder Screws"]


def test_reactions_in_a_batch_see_the_changes_of_earlier_use_cases(
    backend: Backend,
) -> None:
    perform = backend.default_runner.perform
    one, two = (
        perform(task_use_cases.create_task, title=title, ctx=CTX).id for title in ("1", "2")
    )
    give: dict[str, Any] = {"assignee_id": MEMBER.id}

    harness = BatchHarness(backend)
    given, inactive, refused = harness.run(
        as_admin(task_use_cases.edit_task, one, give),
        as_admin(users.edit_user, MEMBER.id, {"is_active": False}),
        as_admin(task_use_cases.edit_task, two, give),
    )

    assert harness.transactions == 2
    assert (given.assignee_id, inactive.is_active) == (MEMBER.id, False)
    assert isinstance(refused, InvalidField)
    # Whoever may not come in any more has nothing left to do, and is given nothing.
    tasks = [backend.ask(backend.tasks.one(id, NOON)) for id in (one, two)]
    assert [(task.assignee_id, task.version) for task in tasks] == [(None, 3), (None, 1)]


def test_of_many_requests_under_one_key_in_one_batch_one_has_an_effect(backend: Backend) -> None:
    harness = BatchHarness(backend)
    sent = partial(idempotently, locate=location_of, ctx=MEMBER.ctx)

    def sends(title: str) -> Callable[[UnitOfWork], str]:
        return lambda uow: sent(uow, "k", task_use_cases.create_task, title=title)

    refused, *places = harness.run(sends(""), *(sends(f"t{n}") for n in range(5)))

    assert harness.transactions == 2
    assert isinstance(refused, InvalidField)
    assert len(set(places)) == 1
    assert titles_by_path(backend) == {places[0]: "t0"}


def test_deletion_of_a_user_fails_no_other_use_case_of_its_batch(backend: Backend) -> None:
    harness = BatchHarness(backend)
    gone, theirs, others, again = harness.run(
        partial(user_use_cases.delete_user, user_id=MEMBER.id, ctx=ADMIN.ctx),
        partial(tasks.create_task, title="Theirs", ctx=MEMBER.ctx),
        partial(tasks.create_task, title="Others", ctx=OTHER.ctx),
        partial(tasks.create_task, title="Again", ctx=MEMBER.ctx),
    )
    assert gone is None
    assert (type(theirs), type(again)) == (AuthenticationFailed, AuthenticationFailed)
    assert others.title == "Others"


def test_heartbeat_between_load_and_commit_of_an_edit_causes_no_conflict(
    backend: Backend,
) -> None:
    id = add_device(backend)
    digest = issue_key(backend, id)
    at = NOON + timedelta(seconds=5)
    harness = BatchHarness(backend)
    edit = partial(devices.edit_device, device_id=id, ctx=CTX)
    one, two, three, four, five = harness.run(
        partial(edit, changes={"name": "a"}, expected={2}),
        partial(devices.record_heartbeat, device_id=id, key_digest=digest, report={}, now=at),
        partial(edit, changes={"heartbeat_every": 10}, expected={3}),
        partial(devices.record_heartbeat, device_id=id, key_digest="x", report={}, now=NOON),
        partial(edit, changes={"name": "b"}, expected={3}),
    )

    assert harness.transactions == 2
    assert (one.version, two, three.version, three.last_seen_at) == (3, None, 4, at)
    assert (type(four), type(five)) == (AuthenticationFailed, VersionMismatch)
    assert presence_of(backend, id, at + timedelta(seconds=15)) is Presence.ONLINE
    assert presence_of(backend, id, at + timedelta(seconds=15) + MICROSECOND) is Presence.LATE
