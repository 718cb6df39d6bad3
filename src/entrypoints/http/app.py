"""The ASGI application, put together from the ports it is given."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from domain.errors import DomainError
from entrypoints.http import docs, health, tasks
from entrypoints.http.errors import Refused, answer_http_exception, answer_refused
from entrypoints.http.frontdoor import FrontDoor
from entrypoints.http.openapi import describe
from entrypoints.http.ports import Ports
from service_layer.errors import DatabaseUnavailable

# Routes are looked through in order: what is asked for most comes first.
ROUTERS = (tasks.router, health.router, docs.router)


def make_app(ports: Ports, *, require_if_match: bool = False) -> FastAPI:
    """Return the application.

    Args:
        ports: what the endpoints need, each behind a callable.
        require_if_match: whether a change needs the ETag of what it changes (428 without).
    """
    app = FastAPI(
        title="Atelier",
        version="1",
        description="The back office of a small workshop.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        middleware=[Middleware(FrontDoor)],
        exception_handlers={
            HTTPException: answer_http_exception,
            Refused: answer_refused,
            DomainError: answer_refused,
            DatabaseUnavailable: answer_refused,
        },
    )
    app.state.ports = ports
    app.state.require_if_match = require_if_match
    for router in ROUTERS:
        # Taken over as they are: an included router would be asked again for each request.
        app.router.routes.extend(router.routes)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what the process works with, and close it once the last request is answered."""
    ports: Ports = app.state.ports
    await ports.database().open()
    # What exists now stays: the collector need not look at it again with each pass.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    try:
        yield
    finally:
        ports.runner().close()
        await ports.database().close()
