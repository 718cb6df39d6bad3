"""Problems (RFC 9457): the one table from what went wrong to what a client is told."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Conflict, Invalid, NotFound, Stale
from service_layer.errors import DatabaseUnavailable

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its status, its title, and what to do about it."""

    status: int
    title: str
    about: str


KINDS: Mapping[str, Kind] = {
    "malformed-json": Kind(
        400,
        "Malformed JSON",
        "The body is not JSON as RFC 8259 has it, in UTF-8. NaN, Infinity, a member that is given"
        " twice, a lone surrogate and the NUL character are refused as well.",
    ),
    "malformed-cursor": Kind(
        400,
        "Malformed cursor",
        "Take the cursor from `next`, or from the Link header, of the page before, unchanged.",
    ),
    "bad-request": Kind(400, "Bad request", "The request cannot be understood."),
    "not-found": Kind(404, "Not found", "There is no such thing, or not for you."),
    "method-not-allowed": Kind(
        405, "Method not allowed", "The Allow header names the methods that are possible here."
    ),
    "conflict": Kind(
        409,
        "Conflict",
        "Others changed the same thing at the same moment, several times over. Send the request"
        " again.",
    ),
    "precondition-failed": Kind(
        412,
        "Precondition failed",
        "The thing has changed since you read it. Read it again, look at what has changed, and send"
        " your change with the new ETag.",
    ),
    "too-large": Kind(413, "Too large", "The body is larger than this service takes."),
    "unsupported-media-type": Kind(
        415,
        "Unsupported media type",
        "Send JSON, in UTF-8 and not compressed, and say so in Content-Type.",
    ),
    "invalid": Kind(
        422,
        "Invalid",
        "The request is well-formed, but a value or a name in it is not acceptable; `errors` says"
        " which, and why.",
    ),
    "precondition-required": Kind(
        428,
        "Precondition required",
        "This service makes changes only to what you have seen: send the ETag in If-Match.",
    ),
    "internal-error": Kind(
        500,
        "Internal error",
        "This is a defect of the service. It has been logged under the request id, which helps who"
        " looks into it.",
    ),
    "database-unavailable": Kind(
        503,
        "Database unavailable",
        "The database cannot be used at the moment. The service goes on by itself once it can; try"
        " again after the time in Retry-After.",
    ),
    "schema-not-current": Kind(
        503,
        "Schema not current",
        "The tables of the database do not belong to this version of the service.",
    ),
}

RETRY_AFTER = "2"
"""Seconds after which a client may try again when the database was away."""


class Refused(Exception):
    """A request that is answered with a problem; `members` are added to it."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status = KINDS[code].status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members
        if errors:
            self.members["errors"] = list(errors)

    def body(self, request_id: str) -> bytes:
        """Return the problem document."""
        document = {
            "type": f"/problems/{self.code}",
            "title": KINDS[self.code].title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "instance": request_id,
            **self.members,
        }
        return json.dumps(document, ensure_ascii=False).encode()


def invalid(*errors: Mapping[str, str]) -> Refused:
    """Return the refusal of values, each with its place and what would be acceptable."""
    return Refused("invalid", " ".join(error["detail"] for error in errors[:3]), errors=errors)


def pointer(*path: str | int) -> str:
    """Return a JSON pointer (RFC 6901) as a URI fragment."""
    return "#" + "".join(
        "/" + quote(str(part).replace("~", "~0").replace("/", "~1"), safe="~") for part in path
    )


# The table. What is not in it is a defect.
_TABLE: Mapping[type[Exception], Callable[[Any], Refused]] = {
    NotFound: lambda error: Refused("not-found", str(error)),
    Stale: lambda error: Refused("precondition-failed", str(error)),
    Conflict: lambda error: Refused("conflict", str(error), headers={"Retry-After": "1"}),
    Invalid: lambda error: invalid({"pointer": pointer(error.field), "detail": str(error)}),
    DatabaseUnavailable: lambda error: Refused(
        "database-unavailable", str(error), headers={"Retry-After": RETRY_AFTER}
    ),
}

_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def refusal(error: Exception) -> Refused:
    """Return how an error is answered."""
    if isinstance(error, Refused):
        return error
    for type_ in type(error).__mro__:
        if type_ in _TABLE:
            return _TABLE[type_](error)
    return Refused("internal-error", "Something went wrong on our side; it has been logged.")


async def answer_refused(request: Request, error: Exception) -> Response:
    """Answer an error that the table knows."""
    return problem_response(refusal(error), request.scope["request_id"])


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router raises: no such route, or no such method on it."""
    assert isinstance(error, HTTPException)
    code = _BY_STATUS.get(error.status_code, "bad-request")
    headers = {}
    detail = KINDS[code].about
    if code == "method-not-allowed":
        headers["Allow"] = ", ".join(allowed_methods(request))
    elif code == "not-found":
        detail = "There is nothing at this address."
    return problem_response(Refused(code, detail, headers=headers), request.scope["request_id"])


def allowed_methods(request: Request) -> list[str]:
    """Return every method that some route answers at the path of the request."""
    methods: set[str] = set()
    for route in request.app.routes:
        _, scope = route.matches(request.scope)
        if scope:
            methods |= getattr(route, "methods", None) or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)


def problem_response(refused: Refused, request_id: str) -> Response:
    """Return a problem as a response."""
    headers = {"Cache-Control": "no-store", **refused.headers}
    return Response(refused.body(request_id), refused.status, headers, MEDIA_TYPE)
