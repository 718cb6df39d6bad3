"""The office's start page: what is worth knowing in the morning."""

from fastapi import APIRouter
from starlette.responses import Response

from domain.base import Slice
from domain.tasks import TaskFilter
from entrypoints.http.ports import By, Now, Tasks
from entrypoints.pages.rendering import page
from entrypoints.pages.routes import Asking, Page

router = APIRouter(include_in_schema=False, route_class=Page)


@router.get("/office")
async def show_office(request: Asking, tasks: Tasks, by: By, now: Now) -> Response:
    """Show what there is to do, and what needs a look."""
    mine = TaskFilter(today=now.date(), completed=False, assignee_id=by.id)
    return page(
        request,
        "office/start.html",
        mine=await tasks.list(mine, Slice(sort="due_on", limit=8)),
        counts=await tasks.count(TaskFilter(today=now.date())),
    )
