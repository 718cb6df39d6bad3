"""The route class of the API: the order in which each request is checked.

FastAPI itself parses the body before it calls dependencies. This class checks in the order of the
API contract: 401, 403, 413 and 415, then 404 of the object, 412 and 428, 400, 422. Dependencies
must be `async def` functions of the request alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import Receive, Scope, Send

from domain.base import Expected
from domain.errors import DomainError, NotFound, VersionMismatch
from entrypoints.web.authorization import PathResource, authorize, require_key
from entrypoints.web.body import JSON, MERGE_PATCH, announces_body
from entrypoints.web.dependencies import if_match
from entrypoints.web.etags import WEAK, has_weak_tag, header_list
from entrypoints.web.policy import POLICY
from entrypoints.web.problems import ApiProblem
from entrypoints.web.request import RequestReader
from entrypoints.web.response import ResponseWriter
from entrypoints.web.schema_types import ID
from service_layer.queries.base import View


class IdConvertor(Convertor[UUID]):
    """Path convertor of ids. A path with a malformed id has no route (404)."""

    regex = ID.pattern

    def convert(self, value: str) -> UUID:
        return UUID(value)

    def to_string(self, value: UUID) -> str:
        return str(value)


register_url_convertor("id", IdConvertor())


@dataclass(frozen=True)
class PathEntity:
    """Metadata of an id in a path: the type of the object, and the function that loads its view."""

    entity_name: str
    look: Callable[[Request, UUID], Awaitable[View | None]]


def problems(*codes: str) -> dict[str, Any]:
    """Return the `openapi_extra` that declares the problems specific to one operation."""
    return {"x-problems": list(codes)}


class ApiRoute(APIRoute):
    """A route of the API.

    Raises:
        TypeError: when the policy has no rule for it, or its signature is not supported.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        if self.name not in POLICY:
            raise TypeError(f"{self.name}: no access rule in policy.py")
        self.who = POLICY[self.name]
        given = self.dependant
        nested = any(need.dependencies for need in given.dependencies)
        if given.header_params or given.cookie_params or given.request_param_name or nested:
            raise TypeError(f"{self.name}: dependencies are functions of the request alone")
        self.dependencies_called = [(need.name or "", need.call) for need in given.dependencies]
        self.path_entities = [
            (field.name, names)
            for field in given.path_params
            for names in field.field_info.metadata
            if isinstance(names, PathEntity)
        ]
        self.reader = RequestReader(self)
        self.writer = ResponseWriter(self, paged=self.reader.paged)
        self.app = self.serve

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request as an ASGI application."""
        request = Request(scope, receive)
        headers: dict[bytes, bytes] = dict(scope["headers"])
        arguments: dict[str, Any] = dict(scope["path_params"])
        resource = self._path_resource(arguments)
        await authorize(self.who, request, resource)  # 401, 403
        key_of = resource if self.who.by_device_key else None
        if key_of is not None and announces_body(headers):
            # Check the key before reading a body. Without a body, the use case checks it alone.
            await require_key(request, key_of.id)
        try:
            result = await self._perform(request, headers, arguments)
        except (ApiProblem, DomainError) as error:
            if key_of is not None:
                await require_key(request, key_of.id)
            if isinstance(error, VersionMismatch) and has_weak_tag(
                header_list(scope["headers"], b"if-match")
            ):
                raise ApiProblem("precondition-failed", WEAK) from None
            raise
        status, response_headers, body = self.writer.build(scope, headers, result)
        await send({"type": "http.response.start", "status": status, "headers": response_headers})
        await send({"type": "http.response.body", "body": body})

    async def _perform(
        self, request: Request, headers: dict[bytes, bytes], arguments: dict[str, Any]
    ) -> Any:
        """Check an authorized request, call the endpoint and return its result."""
        reader = self.reader
        body = await reader.body(headers, request.receive) if reader.reads_body else b""  # 415, 413
        try:
            for name, call in self.dependencies_called:
                arguments[name] = await call(request)  # type: ignore[misc]
            reader.require_precondition(request, headers)  # 428
            reader.parse(body, request.scope, arguments)  # 400, 422
            return await self.dependant.call(**arguments)  # type: ignore[misc]
        except ApiProblem:
            await self._raise_object_errors(request, arguments)  # 404 and 412 take precedence
            raise

    def _path_resource(self, arguments: dict[str, Any]) -> PathResource | None:
        """Return the first object named by the path."""
        for name, names in self.path_entities:
            return PathResource(arguments[name], names.look)
        return None

    async def _raise_object_errors(self, request: Request, arguments: dict[str, Any]) -> None:
        """Raise the errors that take precedence over 400, 422 and 428.

        Raises:
            NotFound: when an object in the path does not exist.
            VersionMismatch: when If-Match does not match its version.
        """
        for name, names in self.path_entities:
            view = await names.look(request, arguments[name])
            if view is None:
                raise NotFound(names.entity_name, arguments[name])
            expected: Expected = await if_match(request) if self.reader.conditional else None
            if expected is not None and view.version not in expected:
                raise VersionMismatch(names.entity_name, view.version)


def problems_of(operation: ApiRoute) -> set[str]:
    """Return the codes of the problems that an operation can respond with."""
    codes = {"invalid", "internal-error", "database-unavailable"}
    # The server may respond with these before the application receives the request.
    codes |= {"request-timeout", "headers-too-large", "overloaded"}
    reader = operation.reader
    if operation.path_entities:
        codes.add("not-found")
    if not operation.who.is_public:
        codes.add("unauthenticated")
    if operation.who.role is not None:
        codes.add("forbidden")
    if reader.reads_body:
        codes |= {"too-large", "unsupported-media-type", "conflict"}
        if reader.accepts in (JSON, MERGE_PATCH):
            codes.add("malformed-json")
    if reader.paged:
        codes.add("malformed-cursor")
    if reader.conditional:
        codes |= {"precondition-failed", "precondition-required", "malformed-precondition"}
    return codes | set((operation.openapi_extra or {}).get("x-problems", ()))
