"""Use cases of tasks."""

from typing import Unpack
from uuid import UUID

from domain.base import Context, Expected
from domain.errors import InvalidField
from domain.tasks import Task, TaskChanges, TaskDeleted, TaskDetails
from domain.users import UserDeactivated
from service_layer.access import require_actor_exists
from service_layer.prefetch import prefetches
from service_layer.unit_of_work import UnitOfWork


def create_task(uow: UnitOfWork, ctx: Context, **details: Unpack[TaskDetails]) -> Task:
    """Create a task.

    Raises:
        AuthenticationFailed: when the actor was deleted.
        InvalidField: when a value breaks its rule, or the assignee is not an active user.
    """
    require_actor_exists(uow, ctx.actor)
    _require_assignable(uow, details.get("assignee_id"))
    task = Task.create(uow.new_id(), ctx, **details)
    uow.tasks.add(task)
    return task


@prefetches(Task)
def edit_task(
    uow: UnitOfWork, task_id: UUID, changes: TaskChanges, ctx: Context, expected: Expected = None
) -> Task:
    """Set the given fields of a task."""
    task = uow.tasks.get(task_id, expected)
    if changes.get("assignee_id", task.assignee_id) != task.assignee_id:
        _require_assignable(uow, changes["assignee_id"])
    task.edit(changes, ctx)
    return task


@prefetches(Task)
def complete_task(uow: UnitOfWork, task_id: UUID, ctx: Context, expected: Expected = None) -> Task:
    """Complete a task."""
    task = uow.tasks.get(task_id, expected)
    task.complete(ctx)
    return task


@prefetches(Task)
def reopen_task(uow: UnitOfWork, task_id: UUID, ctx: Context, expected: Expected = None) -> Task:
    """Reopen a completed task."""
    task = uow.tasks.get(task_id, expected)
    task.reopen(ctx, tasks=uow.tasks)
    return task


@prefetches(Task)
def delete_task(uow: UnitOfWork, task_id: UUID, ctx: Context, expected: Expected = None) -> None:
    """Delete a task."""
    task = uow.tasks.get(task_id, expected)
    task.record(TaskDeleted(aggregate_id=task.id, at=ctx.now, by=ctx.by))
    uow.tasks.remove(task)


def unassign_tasks(uow: UnitOfWork, event: UserDeactivated) -> None:
    """Unassign the open tasks of a deactivated user."""
    for task in uow.tasks.list_pending(event.aggregate_id):
        task.edit({"assignee_id": None}, Context(None, event.at))


def _require_assignable(uow: UnitOfWork, user_id: UUID | None) -> None:
    """Require that the assignee is an active user.

    Raises:
        InvalidField: otherwise.
    """
    if user_id is not None:
        user = uow.users.find(user_id)
        if user is None or not user.is_active:
            raise InvalidField("assignee_id", "Give the id of an active user.")
