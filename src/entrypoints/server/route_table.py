"""The route table: look up an API route by (method, path) in O(1).

It relies on `fastapi.telemetry._api._route_selected` of FastAPI 0.165, with which FastAPI's router
tells its telemetry the route.
"""

from collections.abc import Awaitable, Iterable
from uuid import UUID

from fastapi.telemetry._api import _route_selected
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.web.route import ApiRoute
from entrypoints.web.schema_types import ID


class RouteTable:
    """ASGI middleware that calls API routes directly; everything else goes to the application.

    FastAPI's own middleware and linear route search cost as much as an API route's own work.
    Requests that are not found here (other methods, unknown paths, pages) fall through to FastAPI,
    so only speed depends on this table.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        self._fixed: dict[tuple[str, str], ApiRoute] = {}
        self._by_id: dict[tuple[str, str, str], tuple[ApiRoute, str]] = {}
        for route in routes:
            if isinstance(route, ApiRoute):
                self.add(route)

    def add(self, operation: ApiRoute) -> None:
        for method in operation.methods or ():
            match list(operation.param_convertors):
                case []:
                    self._fixed.setdefault((method, operation.path_format), operation)
                case [name] if operation.path_entities:
                    before, _, after = operation.path_format.partition(f"{{{name}}}")
                    self._by_id.setdefault((method, before, after), (operation, name))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        operation: ApiRoute | None = None
        if scope["type"] == "http":
            method, path = scope["method"], scope["path"]
            parameters = {}
            operation = self._fixed.get((method, path))
            if operation is None and (id := ID.search(path)) is not None:
                start, end = id.span()
                found = self._by_id.get((method, path[:start], path[end:]))
                if found is not None:
                    operation, name = found
                    parameters = {name: UUID(path[start:end])}
        if operation is None:
            return self.app(scope, receive, send)
        scope["path_params"] = parameters
        if "fastapi.telemetry" in scope:
            _route_selected(scope=scope, path=operation.path_format)
        return operation.serve(scope, receive, send)
