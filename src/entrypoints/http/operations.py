"""The route class: how every operation reads its request, and writes its answer.

FastAPI by itself parses a body before anything else is looked at, echoes what it does not like, and
ignores what it does not know. This class takes the endpoint's signature as FastAPI has read it and
judges in the order that the contract gives: 413 and 415, then 404 of the object, 412 and 428, 400,
422. Dependencies are `async def` functions of the request, and nothing more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import ConfigDict, TypeAdapter, ValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import Receive, Scope, Send
from typing_extensions import TypedDict

from domain.base import Expected
from domain.errors import NotFound, Stale
from entrypoints.http.bodies import parse, read, require_json
from entrypoints.http.conditional import is_known, tag_of
from entrypoints.http.errors import Refused, invalid, pointer
from entrypoints.http.fields import ID
from entrypoints.http.pages import next_link
from entrypoints.http.ports import if_match
from service_layer.queries import View


class IdConvertor(Convertor[UUID]):
    """An id in a path; what is not written like one leads nowhere (404)."""

    regex = ID.pattern

    def convert(self, value: str) -> UUID:
        return UUID(value)

    def to_string(self, value: UUID) -> str:
        return str(value)


register_url_convertor("id", IdConvertor())


@dataclass(frozen=True)
class Names:
    """Tells of an id in a path which thing it names, and how to look at it."""

    kind: str
    look: Callable[[Request, UUID], Awaitable[View | None]]


class Nothing(TypedDict):
    """An object without members."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]


JSON = (b"application/json",)
MERGE_PATCH = (b"application/merge-patch+json", b"application/json")


class Operation(APIRoute):
    """One operation of the API."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        given = self.dependant
        self.body_name, self.body_type = _only(given.body_params)
        self.query_name, self.query_type = _only(given.query_params)
        self.accepts = MERGE_PATCH if "PATCH" in (self.methods or ()) else JSON
        self.named = [
            (field.name, names)
            for field in given.path_params
            for names in field.field_info.metadata
            if isinstance(names, Names)
        ]
        self.needs = [(need.name or "", need.call) for need in given.dependencies]
        self.conditional = any(call is if_match for _, call in self.needs)
        self.paged = bool(self.query_name) and hasattr(self.query_type, "listing")
        nested = any(need.dependencies for need in given.dependencies)
        if given.header_params or given.cookie_params or given.request_param_name or nested:
            raise TypeError(f"{self.name}: dependencies are functions of the request alone")
        # An operation that takes no body accepts an empty object, and judges whatever else comes.
        self.reads_body = "GET" not in (self.methods or ())
        self._read_body = TypeAdapter(self.body_type or Nothing)
        self._read_query = TypeAdapter(self.query_type) if self.query_name else None
        self._write = TypeAdapter(self.response_model) if self.response_model else None
        self.app = self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request = Request(scope, receive)
        values: dict[str, Any] = dict(scope["path_params"])
        body = b""
        if self.reads_body:
            if self.body_name or _announces_body(headers):
                require_json(headers, self.accepts)
            body = await read(headers, receive)
        for name, call in self.needs:
            values[name] = await call(request)  # type: ignore[misc]
        try:
            if self.conditional:
                self._require_precondition(request, headers)
            if self.body_name:
                values[self.body_name] = _checked(self._read_body, parse(body), _place_in_body)
            elif body:
                _checked(self._read_body, parse(body), _place_in_body)
            if self._read_query is not None or scope["query_string"]:
                self._take_query(scope, values)
        except Refused:
            await self._judge_object_first(request, values)
            raise
        result = await self.dependant.call(**values)  # type: ignore[misc]
        await self._answer(scope, headers, result, send)

    def _require_precondition(self, request: Request, headers: dict[bytes, bytes]) -> None:
        if b"if-match" not in headers and request.app.state.require_if_match:
            raise Refused(
                "precondition-required", "Send the ETag of what you have seen in If-Match."
            )

    def _take_query(self, scope: Scope, values: dict[str, Any]) -> None:
        parameters = query_parameters(scope["query_string"])
        if self._read_query is None:
            if parameters:
                raise invalid({"parameter": _name(next(iter(parameters))), "detail": UNKNOWN})
            return
        values[self.query_name] = _checked(self._read_query, parameters, _place_in_query)

    async def _judge_object_first(self, request: Request, values: dict[str, Any]) -> None:
        """Raise what comes before a fault in the request: no such thing, or a newer one."""
        for name, names in self.named:
            view = await names.look(request, values[name])
            if view is None:
                raise NotFound(names.kind, values[name])
            expected: Expected = await if_match(request) if self.conditional else None
            if expected is not None and view.version not in expected:
                raise Stale(names.kind, view.version)

    async def _answer(
        self, scope: Scope, headers: dict[bytes, bytes], result: Any, send: Send
    ) -> None:
        status = self.status_code or 200
        sent: list[tuple[bytes, bytes]] = []
        body = b""
        if self._write is not None:
            body = self._write.dump_json(result)
            tag = tag_of(body, result.version if isinstance(result, View) else None)
            sent = [(b"content-type", b"application/json"), (b"etag", tag.encode())]
            if status == 201:
                sent.append((b"location", f"{scope['path']}/{result.id}".encode()))
            if self.paged and result["next"] is not None:
                asked = query_parameters(scope["query_string"])
                link = next_link(scope["path"], asked, result["next"])
                sent.append((b"link", link.encode()))
            if scope["method"] == "GET":
                # A cache may keep it, but asks each time whether it still holds.
                sent.append((b"cache-control", b"private, no-cache"))
                known = headers.get(b"if-none-match")
                if known is not None and is_known(known.decode("latin-1"), tag):
                    status, body = 304, b""
        if status not in (204, 304):
            sent.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": body})


UNKNOWN = "There is no such parameter here."


def _only(fields: list[Any]) -> tuple[str, Any]:
    """Return the name and the type of the one field there may be."""
    if not fields:
        return "", None
    (field,) = fields
    annotation = field.field_info.annotation
    return field.name, annotation


def query_parameters(query: bytes) -> dict[str, str]:
    """Return the parameters of a query.

    Raises:
        Refused: 422 when one is given twice, or is no text in UTF-8.
    """
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50
        )
    except ValueError:
        raise invalid({"parameter": "", "detail": "The query is not text in UTF-8."}) from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid({"parameter": _name(twice), "detail": "Give this parameter once."})
    return parameters


def _checked(adapter: TypeAdapter[Any], value: Any, place: Callable[..., dict[str, str]]) -> Any:
    """Return what the adapter makes of a value.

    Raises:
        Refused: 422 with every error, its place, and none of the input.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    raise invalid(*({**place(*e["loc"]), "detail": _detail(e["type"], e["msg"])} for e in found))


_DETAILS = {
    "extra_forbidden": "This is unknown here, or cannot be set.",
    "missing": "This is required.",
    "string_type": "Give a text.",
    "dict_type": "Give an object.",
    "model_type": "Give an object.",
    "literal_error": "Give one of the values that are possible here.",
}


def _detail(type: str, message: str) -> str:
    return _DETAILS.get(type) or f"{message.removesuffix('.')}."


def _announces_body(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _place_in_body(*path: str | int) -> dict[str, str]:
    return {"pointer": pointer(*(part if isinstance(part, int) else _name(part) for part in path))}


def _place_in_query(*path: str | int) -> dict[str, str]:
    return {"parameter": _name(str(path[0]))}


def _name(name: str) -> str:
    """Return a name that a client made up, if it is short enough to be one."""
    return name if len(name) <= 100 else "?"


def problems_of(operation: Operation) -> set[str]:
    """Return the codes of the problems that an operation can answer with."""
    codes = {"invalid", "internal-error", "database-unavailable"}
    if operation.named:
        codes.add("not-found")
    if operation.reads_body:
        codes |= {"malformed-json", "too-large", "unsupported-media-type"}
    if operation.paged:
        codes.add("malformed-cursor")
    if operation.conditional:
        codes |= {"precondition-failed", "precondition-required", "conflict"}
    return codes
