"""Group commit on real databases: refused commits, crashes, statements per batch."""

import multiprocessing
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, event

from bootstrap import fast_database_at
from domain.errors import Conflict, InvalidField
from domain.stock import Reason
from domain.values import CENT
from service_layer import catalogue, stock, tasks, users
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend, database_at, sql_backend
from support.crash import When, share_until_killed
from support.group_commit import BatchHarness
from support.people import ADMIN, CTX, OTHER
from support.tasks import add_task, get_task, list_tasks


@pytest.fixture
def backend(place: Path | URL) -> Iterator[Backend]:
    with sql_backend(database_at(place)) as made:
        yield made


def titles(backend: Backend) -> list[str]:
    return [task.title for task in list_tasks(backend)]


def test_refused_commit_of_a_batch_fails_only_its_cause(
    backend: Backend,
) -> None:
    def of_nobody(uow: UnitOfWork) -> None:
        task = tasks.create_task(uow, title="Of nobody", ctx=CTX)
        # The foreign key is deferred, so the database checks it at the commit.
        task.created_by_id = UUID(int=7)

    id = add_task(backend, "Kept")
    added, refused, edited, last = BatchHarness(backend).run(
        partial(tasks.create_task, title="Added", ctx=CTX),
        of_nobody,
        partial(tasks.edit_task, task_id=id, changes={"priority": 1}, ctx=CTX),
        partial(tasks.create_task, title="Last", ctx=CTX),
    )

    assert (added.title, type(refused), last.title) == ("Added", Conflict, "Last")
    assert (edited.priority, edited.version) == (1, 2)
    assert titles(backend) == ["Kept", "Added", "Last"]
    kept = get_task(backend, id)
    assert kept is not None
    assert kept.version == 2


def test_aggregates_of_a_batch_are_prefetched_by_one_query(place: Path | URL) -> None:
    database = fast_database_at(place)
    fetched: list[str] = []

    @event.listens_for(database.batch_engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "FROM products" in statement:
            fetched.append(statement)

    with sql_backend(database) as backend:
        # Stock that does not cross the reorder level causes no query of tasks.
        add_product = partial(catalogue.create_product, price=CENT, stock=1, ctx=CTX)
        move: Any = stock.record_movement
        ids = [backend.default_runner.perform(add_product, name=name).id for name in "abcd"]
        fetched.clear()
        BatchHarness(backend).run(
            *(partial(move, id, quantity=1, reason=Reason.RECEIVED, ctx=CTX) for id in ids)
        )
        assert len(fetched) == 1
        found = [backend.ask(backend.products.one(id, NOON)) for id in ids]
        assert [product.stock for product in found] == [2, 2, 2, 2]


def test_updates_of_a_batch_are_written_by_one_statement(postgres_place: URL) -> None:
    database = fast_database_at(postgres_place)
    written: list[str] = []

    @event.listens_for(database.batch_engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("UPDATE tasks"):
            written.append(statement)

    with sql_backend(database) as backend:
        ids = [add_task(backend, title) for title in "abcd"]
        changes = ({"title": "A"}, {"priority": 1}, {"due_on": NOON.date()}, {"title": "D"})
        edit: Any = tasks.edit_task
        BatchHarness(backend).run(
            *(partial(edit, id, change, ctx=CTX) for id, change in zip(ids, changes, strict=True))
        )
        assert len(written) == 1
        assert titles(backend) == ["A", "b", "c", "D"]


def test_user_deleted_before_the_commit_fails_only_the_use_case_that_references_them(
    postgres_place: URL,
) -> None:
    # On SQLite the write lock excludes other transactions.
    with sql_backend(database_at(postgres_place)) as backend:
        gone: list[object] = []

        def assign(uow: UnitOfWork) -> None:
            tasks.create_task(uow, title="Theirs", assignee_id=OTHER.id, ctx=CTX)
            if not gone:
                remove = partial(users.delete_user, user_id=OTHER.id)
                gone.append(backend.default_runner.perform(remove, ctx=ADMIN.ctx))

        one, theirs, last = BatchHarness(backend).run(
            partial(tasks.create_task, title="One", ctx=CTX),
            assign,
            partial(tasks.create_task, title="Last", ctx=CTX),
        )

        assert gone
        assert (one.title, type(theirs), last.title) == ("One", InvalidField, "Last")
        assert titles(backend) == ["One", "Last"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_during_a_group_commit_leaves_all_or_nothing(
    backend: Backend, place: Path | URL, when: When
) -> None:
    edited, removed = add_task(backend, "One"), add_task(backend, "Two")
    # A separate process that shares nothing with this one.
    process = multiprocessing.get_context("spawn").Process(
        target=share_until_killed, args=(place, edited, removed, when)
    )
    process.start()
    process.join(60)

    assert process.exitcode == -signal.SIGKILL
    assert titles(backend) == {"before": ["One", "Two"], "after": ["Edited", "Added"]}[when]
    # No lock of the killed process remains.
    later = backend.default_runner.perform(tasks.edit_task, edited, {"priority": 1}, ctx=CTX)
    assert later.version == {"before": 2, "after": 3}[when]


def test_change_by_another_process_after_the_prefetch_is_seen_by_queries(
    postgres_place: URL,
) -> None:
    # On SQLite the write lock excludes other transactions.
    with sql_backend(database_at(postgres_place)) as backend:
        id, beside = add_task(backend, "One"), add_task(backend, "Two")
        elsewhere: list[object] = []

        def another_process(uow: UnitOfWork) -> None:
            if not elsewhere:
                assign = partial(tasks.edit_task, changes={"assignee_id": OTHER.id})
                elsewhere.append(backend.default_runner.perform(assign, task_id=id, ctx=CTX))

        # Positional ids are prefetched.
        edit: Any = tasks.edit_task
        shut_out: Any = users.edit_user
        _, user, edited, _ = BatchHarness(backend).run(
            another_process,
            partial(shut_out, OTHER.id, {"is_active": False}, ctx=ADMIN.ctx),
            partial(edit, id, {"priority": 7}, ctx=CTX),
            partial(edit, beside, {"priority": 7}, ctx=CTX),
        )

        assert elsewhere
        assert not user.is_active
        kept = get_task(backend, id)
        assert kept is not None
        # Assigned, unassigned because the user is inactive, and edited.
        assert (kept.version, kept.assignee_id, kept.priority) == (4, None, 7)
        assert edited.version == 4


def test_aggregate_loaded_before_its_lock_is_loaded_anew_by_the_next_use_case(
    postgres_place: URL,
) -> None:
    with sql_backend(database_at(postgres_place)) as backend:
        found: list[object] = []

        def hold(uow: UnitOfWork) -> None:
            found.extend((uow.users.find(OTHER.id), uow.users.get_for_update(OTHER.id)))

        def rename(uow: UnitOfWork) -> None:
            user = uow.users.get(OTHER.id)
            assert all(user is not one for one in found)
            user.edit({"city": "Graz"}, ADMIN.ctx, users=uow.users)

        harness = BatchHarness(backend)
        harness.run(hold, rename)
        assert harness.transactions == 2
        with backend.open() as uow:
            assert uow.users.get(OTHER.id).city == "Graz"
