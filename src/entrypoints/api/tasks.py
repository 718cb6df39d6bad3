"""`/tasks`: tasks and their completion."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from domain.tasks import DESCRIPTION, PRIORITY, TITLE, Task, TaskFilter
from entrypoints.web.dependencies import (
    CurrentContext,
    IfMatch,
    Now,
    ReferencedUsers,
    Tasks,
    UseCases,
    UsersByReference,
    ports,
)
from entrypoints.web.pagination import ListParameters, ListResponse
from entrypoints.web.route import ApiRoute, PathEntity
from entrypoints.web.schema_types import Day, Flag, Id, Search, text, whole, whole_parameter
from service_layer import tasks
from service_layer.queries.tasks import TaskCounts, TaskView

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"], route_class=ApiRoute)


async def _look(request: Request, task_id: UUID) -> TaskView | None:
    return await ports(request).task_queries.get(task_id, ports(request).clock())


TaskId = Annotated[UUID, Path(description="The task's id."), PathEntity("task", _look)]
Title = Annotated[str, text(TITLE)]
Description = Annotated[str, text(DESCRIPTION)]
Priority = Annotated[int, whole(PRIORITY)]
PriorityParameter = Annotated[int, whole_parameter(PRIORITY)]


class NewTask(BaseModel):
    """A task to create."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    description: Description | None = None
    priority: Priority = 0
    due_on: Day | None = None
    assignee_id: Id | None = None


class TaskPatch(TypedDict, total=False):
    """JSON merge patch (RFC 7396): absent members keep their values, `null` clears."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    title: Title
    description: Description | None
    priority: Priority
    due_on: Day | None
    assignee_id: Id | None


class TaskFilters(BaseModel):
    """Filters of tasks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    completed: Flag | None = Field(None, description="Only completed tasks, or only open ones.")
    priority: PriorityParameter | None = Field(None, description="Exactly this priority.")
    min_priority: PriorityParameter | None = Field(
        None, description="This priority or a higher one."
    )
    assignee_id: Id | None = Field(None, description="Assigned to this user.")
    due_before: Day | None = Field(None, description="Due before this date.")
    overdue: Flag | None = Field(None, description="Only overdue tasks, or only the others.")
    q: Search | None = Field(None, description="Search in title and description.")

    def filter(self, now: datetime) -> TaskFilter:
        """Return the domain filter; the UTC date of `now` decides which tasks are overdue."""
        return TaskFilter(
            today=now.date(), **{name: getattr(self, name) for name in TaskFilters.model_fields}
        )


class TaskParameters(TaskFilters, ListParameters):
    """Filters, sort and pagination of a list of tasks."""

    sorts = {"created_at": datetime, "priority": int, "due_on": date | None, "title": str}

    sort: Literal[
        "created_at", "-created_at", "priority", "-priority", "due_on", "-due_on", "title", "-title"
    ] = "created_at"


async def _seen(task: Task, people: ReferencedUsers, now: datetime) -> TaskView:
    """Return the view of a task after a change, with its assignee and creator."""
    return TaskView.of(task, now.date(), await people(task.assignee_id, task.created_by_id))


@router.post("", status_code=201)
async def create_task(
    new: NewTask, run: UseCases, people: UsersByReference, ctx: CurrentContext
) -> TaskView:
    """Create a task."""
    task = await run(tasks.create_task, ctx, **vars(new))
    return await _seen(task, people, ctx.now)


@router.get("")
async def list_tasks(
    asked: Annotated[TaskParameters, Query()], task_queries: Tasks, now: Now
) -> ListResponse[TaskView]:
    """List tasks, with pagination."""
    return asked.to_response(await task_queries.list_page(asked.filter(now), asked.page_request()))


@router.get("/count")
async def count_tasks(
    asked: Annotated[TaskFilters, Query()], task_queries: Tasks, now: Now
) -> TaskCounts:
    """Count the tasks that match the filters, by state."""
    return await task_queries.count(asked.filter(now))


@router.get("/{task_id:id}")
async def read_task(task_id: TaskId, task_queries: Tasks, now: Now) -> TaskView:
    """Read a task."""
    return await task_queries.one(task_id, now)


@router.patch("/{task_id:id}")
async def edit_task(
    task_id: TaskId,
    patch: Annotated[TaskPatch, Body()],
    expected: IfMatch,
    run: UseCases,
    people: UsersByReference,
    ctx: CurrentContext,
) -> TaskView:
    """Edit members of a task."""
    task = await run(tasks.edit_task, task_id, patch, ctx, expected)
    return await _seen(task, people, ctx.now)


@router.delete("/{task_id:id}", status_code=204)
async def delete_task(
    task_id: TaskId, expected: IfMatch, run: UseCases, ctx: CurrentContext
) -> None:
    """Delete a task."""
    await run(tasks.delete_task, task_id, ctx, expected)


@router.post("/{task_id:id}/complete")
async def complete_task(
    task_id: TaskId, expected: IfMatch, run: UseCases, people: UsersByReference, ctx: CurrentContext
) -> TaskView:
    """Complete a task."""
    task = await run(tasks.complete_task, task_id, ctx, expected)
    return await _seen(task, people, ctx.now)


@router.post("/{task_id:id}/reopen")
async def reopen_task(
    task_id: TaskId, expected: IfMatch, run: UseCases, people: UsersByReference, ctx: CurrentContext
) -> TaskView:
    """Reopen a completed task."""
    task = await run(tasks.reopen_task, task_id, ctx, expected)
    return await _seen(task, people, ctx.now)
