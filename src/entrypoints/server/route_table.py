"""The route table: look up an API route by (method, path) in O(1)."""

from collections.abc import Awaitable, Iterable
from typing import Any
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.web.problems import NO_ROUTE, ApiProblem
from entrypoints.web.route import ApiRoute
from entrypoints.web.schema_types import ID


class RouteTable:
    """ASGI middleware that calls API routes directly; everything else goes to the application.

    FastAPI's own middleware and linear route search cost as much as an API route's own work.
    Requests that are not found here (other methods, unknown paths, pages) fall through to FastAPI,
    so only speed depends on this table. One difference: a path with a newline is answered 404 here,
    because the routes' patterns ignore a newline at the end of a path.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[Any]) -> None:
        self._app = app
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
        if scope["type"] == "http":
            method, path = scope["method"], scope["path"]
            operation = self._fixed.get((method, path))
            if operation is not None:
                scope["path_params"] = {}
                return operation.serve(scope, receive, send)
            if (id := ID.search(path)) is not None:
                start, end = id.span()
                found = self._by_id.get((method, path[:start], path[end:]))
                if found is not None:
                    operation, name = found
                    scope["path_params"] = {name: UUID(path[start:end])}
                    return operation.serve(scope, receive, send)
            if "\n" in path:
                raise ApiProblem("not-found", NO_ROUTE)
        return self._app(scope, receive, send)
