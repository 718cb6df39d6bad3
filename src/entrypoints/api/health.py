"""`/health`: the liveness and readiness probes."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from typing_extensions import TypedDict

from entrypoints.web.dependencies import DatabasePort
from entrypoints.web.problem_types import PROBLEM_TYPES
from entrypoints.web.problems import RETRY_AFTER, ApiProblem
from entrypoints.web.route import ApiRoute
from service_layer.errors import DatabaseUnavailable
from service_layer.ports import Schema

READY_WITHIN = 3.0
"""Timeout of the readiness probe's database query, in seconds."""

router = APIRouter(prefix="/health", tags=["operation"], route_class=ApiRoute)


class Live(TypedDict):
    """The result of the liveness probe."""

    status: str


class Ready(TypedDict):
    """The result of a successful readiness probe."""

    status: str
    database: str
    schema: str


async def health(request: Request) -> RedirectResponse:
    """Redirect to the readiness probe."""
    return RedirectResponse("/health/ready")


router.add_route("/health", health, include_in_schema=False)


@router.get("/live")
async def live() -> Live:
    """Liveness probe: respond whenever the process runs."""
    return {"status": "ok"}


@router.get("/ready", responses={503: {"description": PROBLEM_TYPES["schema-not-current"].title}})
async def ready(database: DatabasePort) -> Ready:
    """Readiness probe: check that the database is reachable and its schema is current."""
    asking = asyncio.ensure_future(database.schema())
    done, _ = await asyncio.wait({asking}, timeout=READY_WITHIN)
    if not done:
        # Do not cancel the query, which would wait for the database again: it has its own timeout.
        asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        raise DatabaseUnavailable("The database does not answer.")
    schema = asking.result()
    if schema is not Schema.CURRENT:
        detail = f"The database's schema is {schema}."
        raise ApiProblem("schema-not-current", detail, headers={"Retry-After": RETRY_AFTER})
    return {"status": "ok", "database": "reachable", "schema": schema}
