"""The dashboard: tasks, low stock, offline devices and latest posts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import Response

from domain.actors import Actor
from domain.base import PageRequest
from domain.catalogue import ProductFilter
from domain.devices import DeviceFilter, Presence, Status
from domain.posts import PostFilter
from domain.tasks import TaskFilter
from entrypoints.pages.charts import bar_chart
from entrypoints.pages.devices import presence_chart
from entrypoints.pages.rendering import page
from entrypoints.pages.routes import CurrentRequest, PageRoute
from entrypoints.pages.translation import translate
from entrypoints.web.dependencies import CurrentActor, Now, Ports, ports
from service_layer.queries.tasks import WeekCount

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SHOWN = 6
"""The maximum number of items per list; each heading links to the full list."""

WEEKS = 12


@router.get("/office")
async def show_dashboard(request: CurrentRequest, by: CurrentActor, now: Now) -> Response:
    """Show the dashboard of the signed-in user."""
    here = ports(request)
    return page(
        request,
        "office/start.html",
        **await _tasks(here, by, now),
        **await _things(here, now),
        posts=await here.post_queries.list_page(
            PostFilter.of(None), PageRequest(sort="published_at", descending=True, limit=4)
        ),
    )


async def _tasks(here: Ports, by: Actor, now: datetime) -> dict[str, Any]:
    """Return open, overdue and completed tasks; `mine` are those of the signed-in user."""
    tasks = here.task_queries
    mine = TaskFilter(today=now.date(), completed=False, assignee_id=by.id)
    overdue = TaskFilter(today=now.date(), overdue=True)
    return {
        "counts": await tasks.count(TaskFilter(today=now.date())),
        "mine": await tasks.list_page(mine, PageRequest(sort="due_on", limit=SHOWN)),
        "overdue": await tasks.list_page(overdue, PageRequest(sort="due_on", limit=SHOWN)),
        "weeks": _weeks(await tasks.completed_per_week(now, WEEKS)),
    }


async def _things(here: Ports, now: datetime) -> dict[str, Any]:
    """Return products with low stock, and the presence of devices."""
    low = ProductFilter(archived=False, low_stock=True)
    silent = DeviceFilter(now=now, status=Status.ACTIVE, presence=Presence.OFFLINE)
    presences = await here.device_queries.presences(now)
    return {
        "low": await here.product_queries.list_page(
            low, PageRequest(sort="stock", limit=SHOWN, count=True)
        ),
        "silent": await here.device_queries.list_page(
            silent, PageRequest(sort="last_seen_at", descending=True, limit=SHOWN)
        ),
        "presences": presences,
        "presence_chart": presence_chart(presences),
    }


def _weeks(weeks: Sequence[WeekCount]) -> Markup:
    """Return the chart of completed tasks per week, each week labelled by its Monday."""
    values = [(f"{week.monday:%b} {week.monday.day}", week.completed) for week in weeks]
    return bar_chart(translate("office.done_plot", n=len(weeks)), values, current=len(weeks) - 1)
