"""The ASGI application: routes, middleware and lifespan, assembled from the ports."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
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
from entrypoints.web import process_memory
from entrypoints.web.cors import cors
from entrypoints.web.dependencies import Ports
from entrypoints.web.fair_scheduler import FairScheduler
from entrypoints.web.middleware import RejectNewlines, RequestMiddleware
from entrypoints.web.openapi import describe
from entrypoints.web.origins import Origin
from entrypoints.web.policy import POLICY, PUBLIC
from entrypoints.web.prices import CURRENCY
from entrypoints.web.problems import ApiProblem
from entrypoints.web.proxies import TrustedProxies
from entrypoints.web.route import ApiRoute
from service_layer.errors import DatabaseUnavailable, StorageUnavailable

# Requests try the routes in this order.
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

RouteTableFactory = Callable[[ASGIApp, Sequence[BaseRoute]], ASGIApp]


def make_app(
    ports: Ports,
    *,
    require_if_match: bool = False,
    registration_open: bool = False,
    currency: str = "EUR",
    cors_origins: Sequence[str] = (),
    origin: Origin | None = None,
    trusted_proxies: Sequence[str] = (),
    route_table: RouteTableFactory | None = None,
    telemetry: bool = True,
) -> FastAPI:
    """Return the application.

    Args:
        ports: the ports of the endpoints.
        require_if_match: whether changes require If-Match (428 without).
        registration_open: whether anonymous callers may register.
        currency: the ISO 4217 code of the currency of all prices.
        cors_origins: the origins with cross-origin access to the API.
        origin: the public origin; by default that of each request.
        trusted_proxies: addresses and networks of proxies whose forwarding headers are trusted.
        route_table: makes the innermost middleware, which may call routes without the router.
        telemetry: whether FastAPI looks for OpenTelemetry providers at each request.

    Raises:
        TypeError: when a route has no access rule.
        InvalidValue: when the currency is unknown.
    """

    def note(error: Exception) -> None:
        ports.database_monitor.request_failed(error)

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
        telemetry={"tracing": telemetry, "metrics": telemetry, "logs": telemetry},
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
        # Extend the route list: an included router would add another match per request.
        app.router.routes.extend(router.routes)
    _require_policy(app.routes)
    always_tls = origin is not None and origin.is_secure
    app.layers = [
        Middleware(_RequestContext),
        *([Middleware(TrustedProxies, trusted_proxies)] if trusted_proxies else []),
        Middleware(FairScheduler, exempt=("/health/live",)),
        Middleware(RequestMiddleware, answer, on_error=note, always_tls=always_tls),
        *cors(cors_origins),
        *([Middleware(route_table, app.routes)] if route_table else []),
        Middleware(RejectNewlines),
    ]
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


class _Application(FastAPI):
    """FastAPI with middleware around its own."""

    layers: Sequence[Middleware] = ()
    """The middleware, the outermost first."""

    def build_middleware_stack(self) -> ASGIApp:
        # Remove ServerErrorMiddleware: RequestMiddleware handles unhandled exceptions.
        app: ASGIApp = super().build_middleware_stack().app  # type: ignore[attr-defined]
        for make, args, kwargs in reversed(self.layers):
            app = make(app, *args, **kwargs)
        return app


class _RequestContext:
    """ASGI middleware that provides the application's ports and currency to each request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        state = scope["app"].state
        scope["ports"] = state.ports
        CURRENCY.set(state.currency)
        return self.app(scope, receive, send)


def _require_policy(routes: Sequence[Any]) -> None:
    """Require an access rule for each route, and a public one for routes that check none.

    Raises:
        TypeError: when a rule is missing, or two API routes or two pages have the same name.
    """
    names = [(isinstance(route, PageRoute), route.name) for route in routes]
    for route in routes:
        is_page = isinstance(route, PageRoute)
        if (is_page or isinstance(route, ApiRoute)) and names.count((is_page, route.name)) > 1:
            raise TypeError(f"{route.name}: two routes have this name in policy.py")
        if is_page:
            continue  # PageRoute requires its rule itself
        who = POLICY.get(route.name)
        if who is None or not (isinstance(route, ApiRoute) or who == PUBLIC):
            raise TypeError(f"{route.name}: no access rule in policy.py")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect to the database and start background work; stop both after the last response."""
    ports: Ports = app.state.ports
    await ports.database.connect()
    ports.database_monitor.start()
    process_memory.settle()
    giving_back = asyncio.create_task(process_memory.give_back_every_minute())
    try:
        yield
    finally:
        giving_back.cancel()
        await ports.database_monitor.stop()
        ports.runner.close()
        await ports.database.close()
