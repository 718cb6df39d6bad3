"""A unit of work: commit, rollback, identity map, versions, times, ids."""

import contextlib
from datetime import date, timedelta, timezone
from uuid import UUID

import pytest

from domain.base import Context
from domain.errors import NotFound, VersionMismatch
from service_layer import access, tasks
from service_layer import tasks as task_use_cases
from service_layer.errors import ConcurrencyConflict
from service_layer.queries.tasks import TaskView
from support.backends import NOON, Backend
from support.people import CTX, MEMBER, OTHER
from support.tasks import add_task, get_task, list_tasks
from support.use_cases import perform


def test_what_is_committed_is_read_as_it_was_written(backend: Backend) -> None:
    id = add_task(
        backend, "Öl 油 🛠️ 'x\"; --", description="a\nb", priority=9, due_on=date(2026, 2, 28)
    )

    assert get_task(backend, id) == TaskView(
        id=id,
        version=1,
        created_at=NOON,
        updated_at=NOON,
        title="Öl 油 🛠️ 'x\"; --",
        description="a\nb",
        priority=9,
        due_on=date(2026, 2, 28),
        assignee_id=None,
        assignee=None,
        created_by=None,
        product_id=None,
        completed=False,
        completed_at=None,
        overdue=True,
    )


def test_what_is_not_committed_is_not_there(backend: Backend) -> None:
    with backend.open() as uow:
        id = task_use_cases.create_task(uow, title="Never", ctx=CTX).id

    assert get_task(backend, id) is None


def test_an_exception_undoes_everything_in_the_unit_of_work(backend: Backend) -> None:
    kept = add_task(backend, "Kept")
    with pytest.raises(RuntimeError), backend.open() as uow:
        task_use_cases.edit_task(uow, kept, {"title": "Changed"}, ctx=CTX)
        task_use_cases.create_task(uow, title="Added", ctx=CTX)
        raise RuntimeError

    assert [task.title for task in list_tasks(backend)] == ["Kept"]


def test_one_unit_of_work_has_one_object_for_one_id(backend: Backend) -> None:
    id = add_task(backend)
    with backend.open() as uow:
        added = task_use_cases.create_task(uow, title="Another", ctx=CTX)
        assert uow.tasks.get(id) is uow.tasks.get(id)
        assert uow.tasks.get(added.id) is added


def test_a_removed_task_is_gone(backend: Backend) -> None:
    id = add_task(backend)
    with backend.open() as uow:
        task_use_cases.delete_task(uow, id, ctx=CTX)
        with pytest.raises(NotFound):
            uow.tasks.get(id)
        uow.commit()

    assert get_task(backend, id) is None
    with backend.open() as uow, pytest.raises(NotFound):
        uow.tasks.get(id)


def test_each_change_counts_the_version_and_no_change_does_not(backend: Backend) -> None:
    id = add_task(backend)
    later = NOON + timedelta(hours=1)
    versions = []
    for changes in ({"title": "Once"}, {"title": "Once"}, {"title": "Twice", "priority": 3}):
        with backend.open() as uow:
            task = task_use_cases.edit_task(uow, id, changes, ctx=Context(None, later))  # type: ignore[arg-type]
            uow.commit()
        versions.append(task.version)

    assert versions == [2, 2, 3]
    found = get_task(backend, id)
    assert found is not None
    assert (found.version, found.updated_at) == (3, later)


def test_a_version_that_was_not_expected_is_stale(backend: Backend) -> None:
    id = add_task(backend)
    with backend.open() as uow:
        with pytest.raises(VersionMismatch):
            uow.tasks.get(id, {2, 3})
        assert uow.tasks.get(id, {1, 5}).version == 1


def test_a_time_in_another_zone_is_kept_as_the_same_moment_in_utc(backend: Backend) -> None:
    noon_in_india = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    id = add_task(backend, ctx=Context(None, noon_in_india))

    found = get_task(backend, id)
    assert found is not None
    assert found.created_at == NOON
    assert found.created_at.utcoffset() == timedelta(0)
    assert found.created_at.isoformat() == "2026-03-01T12:00:00+00:00"


def test_a_time_keeps_its_microseconds(backend: Backend) -> None:
    id = add_task(backend, ctx=Context(None, NOON.replace(microsecond=1)))
    found = get_task(backend, id)
    assert found is not None
    assert found.created_at.microsecond == 1


def test_ids_are_uuids_of_version_7_in_the_order_of_making(backend: Backend) -> None:
    with backend.open() as uow:
        ids = [uow.new_id() for _ in range(1_000)]
    assert ids == sorted(set(ids))
    assert {id.version for id in ids} == {7}


def test_repository_reports_whether_it_is_empty(backend: Backend) -> None:
    with backend.open() as uow:
        kept = (uow.tasks, uow.posts, uow.categories, uow.products, uow.devices, uow.movements)
        assert [one.is_empty() for one in kept] == [True] * 6
        assert not uow.users.is_empty()
        assert uow.users.has_member()
        for person in (MEMBER, OTHER):
            access.revoke_tokens(uow, person.id, ctx=CTX)
            uow.users.remove(uow.users.get(person.id))
        uow.flush()
        assert not uow.users.is_empty()
        assert not uow.users.has_member()
    add_task(backend)
    with backend.open() as uow:
        assert not uow.tasks.is_empty()


def test_what_is_added_and_removed_at_once_was_never_there(backend: Backend) -> None:
    with backend.open() as uow:
        task = task_use_cases.create_task(uow, title="Changed my mind", ctx=CTX)
        task_use_cases.delete_task(uow, task.id, ctx=CTX)
        uow.commit()

    assert list_tasks(backend) == []


def test_a_commit_that_the_database_refuses_leaves_nothing_behind(backend: Backend) -> None:
    for _ in range(3):
        with contextlib.suppress(ConcurrencyConflict), backend.open() as uow:
            task = tasks.create_task(uow, title="Of nobody", ctx=CTX)
            task.created_by_id = UUID(int=7)
            uow.commit()
        kept = perform(backend, tasks.create_task, title="Kept", ctx=CTX)
        assert backend.ask(backend.tasks.get(kept.id, NOON)) is not None
