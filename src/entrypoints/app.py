"""The ASGI application, put together from the ports it is given."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.currencies import Currency
from domain.errors import DomainError
from entrypoints.api import (
    access,
    categories,
    devices,
    health,
    images,
    movements,
    posts,
    products,
    tasks,
    users,
)
from entrypoints.pages.errors import answer, answer_http_exception, answer_refused
from entrypoints.pages.routers import ROUTERS as PAGE_ROUTERS
from entrypoints.pages.routes import PageRoute
from entrypoints.server.route_table import RouteTable
from entrypoints.web import process_memory
from entrypoints.web.cors import cors
from entrypoints.web.dependencies import Ports
from entrypoints.web.middleware import RequestMiddleware
from entrypoints.web.openapi import describe
from entrypoints.web.origins import Origin
from entrypoints.web.policy import POLICY, PUBLIC
from entrypoints.web.prices import CURRENCY
from entrypoints.web.problems import ApiProblem
from entrypoints.web.proxies import TrustedProxies
from entrypoints.web.route import ApiRoute
from entrypoints.web.turns import FairScheduler
from service_layer.errors import DatabaseUnavailable, StorageUnavailable

# Operations are found by the directory; whatever else there is, is looked through in this order.
ROUTERS = (
    *PAGE_ROUTERS,
    tasks.router,
    users.router,
    posts.router,
    products.router,
    movements.router,
    categories.router,
    images.router,
    access.router,
    devices.router,
    images.media,
    health.router,
)


def make_app(
    ports: Ports,
    *,
    require_if_match: bool = False,
    registration_open: bool = False,
    currency: str = "EUR",
    cors_origins: Sequence[str] = (),
    origin: Origin | None = None,
    trusted_proxies: Sequence[str] = (),
) -> FastAPI:
    """Return the application.

    Args:
        ports: what the endpoints need, each behind a callable.
        require_if_match: whether a change needs the ETag of what it changes (428 without).
        registration_open: whether people may register themselves.
        currency: what prices are in (ISO 4217).
        cors_origins: the origins whose pages may ask this API from a browser.
        origin: the public address; without it each request's Host is taken for it.
        trusted_proxies: addresses and networks of the proxies whose headers tell who asks for what.

    Raises:
        TypeError: when there is an operation of which nobody has said who may use it.
    """

    def note(error: Exception) -> None:
        ports.database_monitor().request_failed(error)

    async def answer_unavailable(request: Request, error: Exception) -> Response:
        note(error)
        return await answer_refused(request, error)

    app = _Application(
        title="Atelier",
        version="1",
        description="The back office of a small workshop.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        exception_handlers={
            HTTPException: answer_http_exception,
            ApiProblem: answer_refused,
            DomainError: answer_refused,
            DatabaseUnavailable: answer_unavailable,
            StorageUnavailable: answer_refused,
        },
    )
    app.state.ports = ports
    app.state.require_if_match = require_if_match
    app.state.registration_open = registration_open
    app.state.currency = Currency.of(currency)
    app.state.origin = origin
    for router in ROUTERS:
        # Taken over as they are: an included router would be asked again for each request.
        app.router.routes.extend(router.routes)
    _require_policy(app.routes)
    proxies = [Middleware(TrustedProxies, trusted_proxies)] if trusted_proxies else []
    always_tls = origin is not None and origin.is_secure
    door = Middleware(RequestMiddleware, answer, on_error=note, always_tls=always_tls)
    turns = Middleware(FairScheduler, exempt=("/health/live",))
    app.wrap([*proxies, turns, door, *cors(cors_origins)])
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


class _Application(FastAPI):
    """FastAPI behind a front door of our own, from which a short way leads to the operations."""

    def wrap(self, layers: Sequence[Middleware]) -> None:
        """Wrap the application in layers of middleware, the first of them outermost."""
        way: ASGIApp = RouteTable(super().__call__, self.routes)
        for made, args, kwargs in reversed(layers):
            way = made(way, *args, **kwargs)
        self._way = way

    def build_middleware_stack(self) -> ASGIApp:
        # Starlette's outermost layer would answer a defect in plain text; the front door does that.
        return super().build_middleware_stack().app  # type: ignore[attr-defined, no-any-return]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        scope["ports"] = self.state.ports
        CURRENCY.set(self.state.currency)
        await self._way(scope, receive, send)


def _require_policy(routes: Sequence[Any]) -> None:
    """Make sure that each route is declared, and that what guards nothing is for anybody."""
    names = [(isinstance(route, PageRoute), route.name) for route in routes]
    for route in routes:
        is_page = isinstance(route, PageRoute)
        if (is_page or isinstance(route, ApiRoute)) and names.count((is_page, route.name)) > 1:
            raise TypeError(f"{route.name}: two routes have this name in policy.py")
        if is_page:
            continue  # it has looked itself
        who = POLICY.get(route.name)
        if who is None or not (isinstance(route, ApiRoute) or who == PUBLIC):
            raise TypeError(f"{route.name}: policy.py does not say who may use it")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what the process works with, and close it once the last request is answered."""
    ports: Ports = app.state.ports
    await ports.database().connect()
    ports.database_monitor().start()
    process_memory.settle()
    giving_back = asyncio.create_task(process_memory.give_back_every_minute())
    try:
        yield
    finally:
        giving_back.cancel()
        await ports.database_monitor().stop()
        ports.runner().close()
        await ports.database().close()
