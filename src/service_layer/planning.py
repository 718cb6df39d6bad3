"""Planning: writing tasks down, changing them, and ticking them off."""

from datetime import date, datetime
from uuid import UUID

from domain.base import Expected
from domain.tasks import Task, TaskChanges, TaskRemoved
from service_layer.unit_of_work import UnitOfWork


def add_task(
    uow: UnitOfWork,
    *,
    title: str,
    description: str | None = None,
    priority: int = 0,
    due_on: date | None = None,
    now: datetime,
) -> Task:
    """Write a task down."""
    task = Task.add(
        uow.new_id(), now, title=title, description=description, priority=priority, due_on=due_on
    )
    uow.tasks.add(task)
    return task


def edit_task(
    uow: UnitOfWork,
    task_id: UUID,
    changes: TaskChanges,
    *,
    now: datetime,
    expected: Expected = None,
) -> Task:
    """Give members of a task other values."""
    task = uow.tasks.get(task_id, expected)
    task.edit(changes, now)
    return task


def complete_task(
    uow: UnitOfWork, task_id: UUID, *, now: datetime, expected: Expected = None
) -> Task:
    """Mark a task as done."""
    task = uow.tasks.get(task_id, expected)
    task.complete(now)
    return task


def reopen_task(
    uow: UnitOfWork, task_id: UUID, *, now: datetime, expected: Expected = None
) -> Task:
    """Mark a task as still to be done."""
    task = uow.tasks.get(task_id, expected)
    task.reopen(now)
    return task


def remove_task(
    uow: UnitOfWork, task_id: UUID, *, now: datetime, expected: Expected = None
) -> None:
    """Strike a task off the list."""
    task = uow.tasks.get(task_id, expected)
    task.record(TaskRemoved(subject=task.id, at=now))
    uow.tasks.remove(task)
