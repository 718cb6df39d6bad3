"""The route class of the API: request parsing, validation and responses of every operation.

FastAPI itself parses the body first, echoes invalid input, and ignores unknown names. This class
uses FastAPI's analysis of the endpoint's signature, but checks in the order of the API contract:
401, 403, 413 and 415, then 404 of the object, 412 and 428, 400, 422. Dependencies must be `async
def` functions of the request alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from fastapi import Request, params
from fastapi.routing import APIRoute
from pydantic import ConfigDict, TypeAdapter
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import Receive, Scope, Send
from typing_extensions import TypedDict

from domain.base import Expected
from domain.errors import DomainError, NotFound, VersionMismatch
from entrypoints.web.body import MAX_BODY, parse, parse_form, read, require_media_type
from entrypoints.web.dependencies import if_match
from entrypoints.web.etags import WEAK, etag, has_weak_tag, header_list, if_none_match_holds
from entrypoints.web.pagination import decode, next_link
from entrypoints.web.policy import POLICY, PathResource, authorize, require_key
from entrypoints.web.prices import CURRENCY
from entrypoints.web.problems import ApiProblem
from entrypoints.web.schema_types import ID
from entrypoints.web.validation import (
    NO_MEMBER,
    NO_PARAMETER,
    pointer_in_body,
    pointer_in_query,
    query_parameters,
    unknown_field,
    validated,
)
from service_layer.queries.base import View

MAX_CACHED_QUERY = 500
"""Maximum length in bytes of a list query whose parsed parameters are cached."""

EncodedPage = tuple[bytes, str, bytes]
"""The body of a page, its entity tag, and the value of its Link header, which may be empty."""


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


class EmptyBody(TypedDict):
    """An object without members."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]


@dataclass(frozen=True)
class VersionedResponse:
    """A result whose body does not contain the version for the entity tag."""

    body: Any
    version: int


COMMANDS = {
    "completed": "POST to …/complete or …/reopen sets this.",
    "published": "POST to …/publish or …/unpublish sets this.",
    "product_id": "The service sets this when it creates a reorder task.",
    "archived": "POST to …/archive or …/restore sets this.",
}
"""The details for read-only members that a command or the service sets."""

Headers = list[tuple[bytes, bytes]]

JSON = (b"application/json",)
MERGE_PATCH = (b"application/merge-patch+json", b"application/json")
FORM = (b"application/x-www-form-urlencoded",)
CONTENT = (b"content-type", b"application/json")
# A cache may store the response, but must revalidate it before each use.
REVALIDATE = (b"cache-control", b"private, no-cache")
NO_STORE = (b"cache-control", b"no-store")
IMAGE = (b"image/png", b"image/jpeg", b"image/webp")
MAX_IMAGE = 2 * 1024 * 1024
"""The size limit of an uploaded image, in bytes."""


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
        self.body_name, self.body_type = _only(given.body_params)
        self.needs_body = any(field.field_info.is_required() for field in given.body_params)
        self.query_name, self.query_type = _only(given.query_params)
        self.accepts = self._accepted()
        self.body_limit = self._body_limit()
        self.path_entities = [
            (field.name, names)
            for field in given.path_params
            for names in field.field_info.metadata
            if isinstance(names, PathEntity)
        ]
        self.dependencies_called = [(need.name or "", need.call) for need in given.dependencies]
        self.conditional = any(call is if_match for _, call in self.dependencies_called)
        self.paged = bool(self.query_name) and hasattr(self.query_type, "to_response")
        nested = any(need.dependencies for need in given.dependencies)
        if given.header_params or given.cookie_params or given.request_param_name or nested:
            raise TypeError(f"{self.name}: dependencies are functions of the request alone")
        self.cached = "GET" in (self.methods or ())
        self.tagged = bool(self.response_model) and (self.cached or _has_version(self))
        # An operation without a body accepts an empty object, and validates any other body.
        self.reads_body = "GET" not in (self.methods or ())
        self._read_body = TypeAdapter(self.body_type or EmptyBody)
        self._read_query = TypeAdapter(self.query_type) if self.query_name else None
        self._write = TypeAdapter(self.response_model).serializer if self.response_model else None
        shown = getattr(self.response_model, "__dataclass_fields__", {})
        self._shown_members = frozenset(shown)
        self._cached_queries = lru_cache(maxsize=64)(lambda query, _: self._parse_query(query))
        self._last_page: tuple[Any, bytes, EncodedPage] = None, b"", (b"", "", b"")
        self.app = self.serve

    def _accepted(self) -> tuple[bytes, ...]:
        if self.body_type is bytes:
            return IMAGE
        if any(isinstance(field.field_info, params.Form) for field in self.dependant.body_params):
            return FORM
        return MERGE_PATCH if "PATCH" in (self.methods or ()) else JSON

    def _body_limit(self) -> int:
        if self.max_body_size is not None:
            return self.max_body_size
        return MAX_IMAGE if self.accepts is IMAGE else MAX_BODY

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request as an ASGI application."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request = Request(scope, receive)
        values: dict[str, Any] = dict(scope["path_params"])
        named = self._path_resource(values)
        await authorize(self.who, request, named)
        if self.who.by_device_key and named is not None and announces_body(headers):
            # Check the key before reading a body. Without a body, the use case checks it alone.
            await require_key(request, named.id)
        try:
            result = await self._result(scope, headers, request, values)
        except (ApiProblem, DomainError) as error:
            if self.who.by_device_key and named is not None:
                await require_key(request, named.id)
            if isinstance(error, VersionMismatch) and has_weak_tag(
                header_list(scope["headers"], b"if-match")
            ):
                raise ApiProblem("precondition-failed", WEAK) from None
            raise
        status, response_headers, body = self._build_response(scope, headers, result)
        await send({"type": "http.response.start", "status": status, "headers": response_headers})
        await send({"type": "http.response.body", "body": body})

    async def _result(
        self, scope: Scope, headers: dict[bytes, bytes], request: Request, values: dict[str, Any]
    ) -> Any:
        """Read the request, call the endpoint and return its result."""
        body = b""
        if self.reads_body:
            if self.needs_body or announces_body(headers):
                require_media_type(headers, self.accepts)
            body = await read(headers, request.receive, self.body_limit)
        try:
            for name, call in self.dependencies_called:
                values[name] = await call(request)  # type: ignore[misc]
            if self.conditional:
                self._require_precondition(request, headers)
            if self.needs_body or body:
                values |= self._read_value(body)
            if self._read_query is not None or scope["query_string"]:
                self._take_query(scope, values)
            return await self.dependant.call(**values)  # type: ignore[misc]
        except ApiProblem:
            await self._raise_object_errors_first(request, values)
            raise

    def _path_resource(self, values: dict[str, Any]) -> PathResource | None:
        """Return the first object named by the path."""
        for name, names in self.path_entities:
            return PathResource(values[name], names.look)
        return None

    def _read_value(self, body: bytes) -> dict[str, Any]:
        """Return the validated body as a keyword argument of the endpoint."""
        if self.accepts is IMAGE:
            # The image decoder validates the bytes later.
            return {self.body_name: body}
        said = parse_form(body) if self.accepts is FORM else parse(body)
        value = validated(self._read_body, said, pointer_in_body, self._about_member)
        return {self.body_name: value} if self.body_name else {}

    def _about_member(self, name: str) -> str:
        """Return the detail of the error for a member that the body does not accept."""
        if name not in self._shown_members:
            return NO_MEMBER
        return COMMANDS.get(name, "This is read-only.")

    def _require_precondition(self, request: Request, headers: dict[bytes, bytes]) -> None:
        if b"if-match" not in headers and request.app.state.require_if_match:
            raise ApiProblem("precondition-required", "Send the ETag of the object in If-Match.")

    def _take_query(self, scope: Scope, values: dict[str, Any]) -> None:
        query = scope["query_string"]
        if self._read_query is None:
            for name in query_parameters(query):
                raise unknown_field(name)
        elif self.paged and len(query) <= MAX_CACHED_QUERY:
            # The currency is part of the key: applications in one process may differ in it.
            values[self.query_name] = self._cached_queries(query, CURRENCY.get())
        else:
            values[self.query_name] = self._parse_query(query)

    def _parse_query(self, query: bytes) -> Any:
        """Return the validated parameters of a query."""
        assert self._read_query is not None
        parameters = query_parameters(query)
        try:
            return validated(
                self._read_query, parameters, pointer_in_query, lambda name: NO_PARAMETER
            )
        except ApiProblem:
            if self.paged and "cursor" in parameters:
                decode(parameters["cursor"])  # a malformed cursor (400) takes precedence
            raise

    async def _raise_object_errors_first(self, request: Request, values: dict[str, Any]) -> None:
        """Raise the errors that take precedence over 400 and 422.

        Raises:
            NotFound: when an object in the path does not exist.
            VersionMismatch: when If-Match does not match its version.
        """
        for name, names in self.path_entities:
            view = await names.look(request, values[name])
            if view is None:
                raise NotFound(names.entity_name, values[name])
            expected: Expected = await if_match(request) if self.conditional else None
            if expected is not None and view.version not in expected:
                raise VersionMismatch(names.entity_name, view.version)

    def _encode(self, seen: Any, version: int | None) -> tuple[bytes, str]:
        """Return the JSON body of a result, and its entity tag."""
        assert self._write is not None
        body = self._write.to_json(seen)
        return body, etag(body, version)

    def _encode_page(self, scope: Scope, listing: Any) -> EncodedPage:
        """Return an encoded page. Reuse the last one for the same list of items and query.

        Request coalescing gives concurrent equal reads the same list.
        """
        items, query, written = self._last_page
        if items is not listing["items"] or query != scope["query_string"]:
            items, query = listing["items"], scope["query_string"]
            body, tag = self._encode(listing, None)
            link = listing["next"] and next_link(
                scope["path"], query_parameters(query), listing["next"]
            )
            written = body, tag, (link or "").encode()
            self._last_page = items, query, written
        return written

    def _build_response(
        self, scope: Scope, headers: dict[bytes, bytes], result: Any
    ) -> tuple[int, Headers, bytes]:
        """Return status, headers and body of the response for a result."""
        status = self.status_code or 200
        sent: Headers = []
        body = b""
        if self._write is not None:
            seen = result.body if isinstance(result, VersionedResponse) else result
            version = result.version if isinstance(result, View | VersionedResponse) else None
            link = b""
            if self.paged:
                body, tag, link = self._encode_page(scope, seen)
            else:
                body, tag = self._encode(seen, version)
            sent = [CONTENT]
            if version is not None or self.cached:
                sent.append((b"etag", tag.encode()))
            if status == 201:
                location = f"/api/v1/{result.path}"
                sent.append((b"location", location.encode()))
            if link:
                sent.append((b"link", link))
            if scope["method"] == "GET":
                sent.append(REVALIDATE)
                if b"if-none-match" in headers:
                    known = header_list(scope["headers"], b"if-none-match")
                    if if_none_match_holds(known, tag):
                        status, body = 304, b""
            else:
                sent.append(NO_STORE)
        if status not in (204, 304):
            sent.append((b"content-length", b"%d" % len(body)))
        return status, sent, body


def _has_version(operation: ApiRoute) -> bool:
    answer = operation.response_model
    return isinstance(answer, type) and issubclass(answer, View)


def _only(fields: list[Any]) -> tuple[str, Any]:
    """Return the name and the type of the only field; an empty name without one."""
    if not fields:
        return "", None
    (field,) = fields
    annotation = field.field_info.annotation
    return field.name, annotation


def announces_body(headers: dict[bytes, bytes]) -> bool:
    """Whether the headers of a request announce a body (RFC 9112, 6)."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def problems_of(operation: ApiRoute) -> set[str]:
    """Return the codes of the problems that an operation can respond with."""
    codes = {"invalid", "internal-error", "database-unavailable"}
    # The server may respond with these before the application receives the request.
    codes |= {"request-timeout", "headers-too-large", "overloaded"}
    if operation.path_entities:
        codes.add("not-found")
    if not operation.who.is_public:
        codes.add("unauthenticated")
    if operation.who.role is not None:
        codes.add("forbidden")
    if operation.reads_body:
        codes |= {"too-large", "unsupported-media-type", "conflict"}
        if operation.accepts in (JSON, MERGE_PATCH):
            codes.add("malformed-json")
    if operation.paged:
        codes.add("malformed-cursor")
    if operation.conditional:
        codes |= {"precondition-failed", "precondition-required", "malformed-precondition"}
    return codes | set((operation.openapi_extra or {}).get("x-problems", ()))
