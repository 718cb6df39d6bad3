"""Pages for tasks."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.actors import Actor
from domain.tasks import TaskFilter
from entrypoints.api.tasks import NewTask, TaskPatch
from entrypoints.pages.addresses import back_of, with_back
from entrypoints.pages.choices import PEOPLE
from entrypoints.pages.edit_page import EditPage
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute, parse_query
from entrypoints.pages.translation import translate
from entrypoints.web.dependencies import CurrentActor, CurrentContext, Now, Tasks, UseCases, ports
from entrypoints.web.pagination import ListParameters
from entrypoints.web.problems import to_problem
from entrypoints.web.schema_types import Search
from service_layer import idempotency, tasks
from service_layer.queries.tasks import TaskView

router = APIRouter(prefix="/office/tasks", include_in_schema=False, route_class=PageRoute)

HERE = "/office/tasks"

OTHER_SORTS = ("-created_at", "-priority", "due_on", "title")

Show = Literal["open", "mine", "overdue", "done", "all"]


class TaskListQuery(ListParameters):
    """The query parameters of the list of tasks; an empty `sort` is the default order."""

    sorts = {
        "created_at": datetime,
        "priority": int,
        "due_on": date | None,
        "title": str,
        "completed_at": datetime,
    }

    show: Show = "open"
    q: Search | None = None
    sort: Literal["", "-created_at", "-priority", "due_on", "title"] = ""

    @property
    def usual_sort(self) -> str:
        """The default order: newest first, or latest completion first for completed tasks."""
        return "-completed_at" if self.show == "done" else "-created_at"

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The orders to choose from, as pairs of value and label."""
        others = [sort for sort in OTHER_SORTS if sort != self.usual_sort]
        usual = ("", translate(f"tasks.sort_{self.usual_sort}"))
        return [usual, *((sort, translate(f"tasks.sort_{sort}")) for sort in others)]

    def in_order(self) -> "TaskListQuery":
        """Return the query with an empty `sort` replaced by the default order."""
        return self.model_copy(update={"sort": self.sort or self.usual_sort})

    def filter(self, now: datetime, by: Actor) -> TaskFilter:
        """Return the filter; `now` decides about overdue tasks, and `by` is the user of "mine"."""
        done = {"done": True, "all": None}.get(self.show, False)
        return TaskFilter(
            today=now.date(),
            completed=done,
            overdue=True if self.show == "overdue" else None,
            assignee_id=by.id if self.show == "mine" else None,
            q=self.q,
        )


class TaskPage(EditPage[TaskView]):
    """The page that edits a task, with the product that it is about."""

    async def context(self, request: Request, task: TaskView, form: Form) -> Mapping[str, Any]:
        if task.product_id is None:
            return {"product": None}
        here = ports(request)
        return {"product": await here.product_queries.get(task.product_id, here.clock())}


EDIT = TaskPage(
    name="task",
    template="tasks/edit.html",
    labels="tasks",
    fields=("title", "description", "priority", "due_on", "assignee_id"),
    searched={"assignee_id": PEOPLE},
)


@router.get("")
async def show_tasks(request: CurrentRequest, by: CurrentActor, now: Now) -> Response:
    """List tasks, with a form that creates one."""
    return await _list(request, by, now, Form.new())


@router.post("")
async def create_task(
    request: CurrentRequest,
    sent: SubmittedForm,
    run: UseCases,
    by: CurrentActor,
    ctx: CurrentContext,
) -> Response:
    """Create a task."""
    try:
        sent = await PEOPLE.resolve(request, sent, "assignee_id")
        new = sent.read(NewTask)
        await run(
            idempotency.idempotently,
            sent.key,
            tasks.create_task,
            locate=_place,
            ctx=ctx,
            **vars(new),
        )
    except FORM_ERRORS as error:
        return await _list(request, by, ctx.now, sent.refused(error), to_problem(error).status)
    return see_other(HERE, "task-added")


@router.get("/{task_id:id}")
async def show_task(
    task_id: UUID, request: CurrentRequest, task_queries: Tasks, now: Now
) -> Response:
    """Show the form that edits a task."""
    task = await task_queries.one(task_id, now)
    return await EDIT.show(request, task)


@router.post("/{task_id:id}")
async def save_task(
    task_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    task_queries: Tasks,
    run: UseCases,
    ctx: CurrentContext,
) -> Response:
    """Edit a task; show the merge page on an edit conflict."""
    return await EDIT.save_edit(
        request,
        sent,
        lambda form: run(tasks.edit_task, task_id, form.read(TaskPatch), ctx, form.expected),
        lambda: task_queries.one(task_id, ctx.now),
        address=with_back(f"{HERE}/{task_id}", back_of(request)),
    )


@router.post("/{task_id:id}/complete")
async def complete_task(
    task_id: UUID, sent: SubmittedForm, run: UseCases, ctx: CurrentContext
) -> Response:
    """Complete a task."""
    await run(tasks.complete_task, task_id, ctx)
    return see_other(sent.back(HERE), "task-completed")


@router.post("/{task_id:id}/reopen")
async def reopen_task(
    task_id: UUID, sent: SubmittedForm, run: UseCases, ctx: CurrentContext
) -> Response:
    """Reopen a completed task."""
    await run(tasks.reopen_task, task_id, ctx)
    return see_other(sent.back(HERE), "task-reopened")


@router.post("/{task_id:id}/delete")
async def delete_task(
    task_id: UUID, request: CurrentRequest, sent: SubmittedForm, run: UseCases, ctx: CurrentContext
) -> Response:
    """Delete a task.

    Raises:
        VersionMismatch: when it has changed since the form was rendered.
    """
    await run(tasks.delete_task, task_id, ctx, sent.expected)
    return see_other(back_of(request) or HERE, "task-deleted")


def _place(task: object) -> str:
    return HERE


async def _list(
    request: Request, by: Actor, now: datetime, form: Form, status: int = 200
) -> Response:
    wanted = parse_query(request, TaskListQuery)
    meant = wanted.filter(now, by)
    order = wanted.in_order()
    queries = ports(request).task_queries
    return page(
        request,
        "tasks/list.html",
        status=status,
        wanted=wanted,
        listing=order.to_response(await queries.list_page(meant, order.page_request())),
        counts=await queries.count(TaskFilter(today=now.date())),
        people=await PEOPLE.suggest(request, form["assignee_id"]),
        form=form,
    )
