"""Planning: writing tasks down, changing them, and ticking them off."""

from datetime import date, datetime
from uuid import UUID

from domain.actors import Actor, id_of
from domain.base import Expected
from domain.errors import InvalidField
from domain.tasks import Task, TaskChanges, TaskDeleted
from domain.users import UserDeactivated
from service_layer.access import require_actor_exists
from service_layer.unit_of_work import UnitOfWork


def create_task(
    uow: UnitOfWork,
    *,
    title: str,
    description: str | None = None,
    priority: int = 0,
    due_on: date | None = None,
    assignee_id: UUID | None = None,
    product_id: UUID | None = None,
    now: datetime,
    actor: Actor | None = None,
) -> Task:
    """Write a task down; without an actor the workshop itself does.

    Raises:
        AuthenticationFailed: when the actor is gone.
    """
    require_actor_exists(uow, actor)
    _require_assignable(uow, assignee_id)
    task = Task.create(
        uow.new_id(),
        now,
        title=title,
        description=description,
        priority=priority,
        due_on=due_on,
        assignee_id=assignee_id,
        product_id=product_id,
        by=actor,
    )
    uow.tasks.add(task)
    return task


def edit_task(
    uow: UnitOfWork,
    task_id: UUID,
    changes: TaskChanges,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> Task:
    """Give members of a task other values."""
    task = uow.tasks.get(task_id, expected)
    if changes.get("assignee_id") != task.assignee_id:
        _require_assignable(uow, changes.get("assignee_id"))
    task.edit(changes, now, actor)
    return task


def complete_task(
    uow: UnitOfWork,
    task_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> Task:
    """Mark a task as done."""
    task = uow.tasks.get(task_id, expected)
    task.complete(now, actor)
    return task


def reopen_task(
    uow: UnitOfWork,
    task_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> Task:
    """Mark a task as still to be done."""
    task = uow.tasks.get(task_id, expected)
    task.reopen(now, actor, tasks=uow.tasks)
    return task


def delete_task(
    uow: UnitOfWork,
    task_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> None:
    """Strike a task off the list."""
    task = uow.tasks.get(task_id, expected)
    task.record(TaskDeleted(aggregate_id=task.id, at=now, by=id_of(actor)))
    uow.tasks.remove(task)


def unassign_tasks(uow: UnitOfWork, event: UserDeactivated) -> None:
    """Take from somebody who may not come in any more what they have still to do."""
    for task in uow.tasks.list_pending(event.aggregate_id):
        task.edit({"assignee_id": None}, event.at)


def _require_assignable(uow: UnitOfWork, user_id: UUID | None) -> None:
    """Have tasks done by people who are there.

    Raises:
        InvalidField: when there is no such user, or they are not active.
    """
    if user_id is not None:
        user = uow.users.find(user_id)
        if user is None or not user.is_active:
            raise InvalidField("assignee_id", "Give the id of an active user.")
