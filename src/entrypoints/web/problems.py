"""Problems (RFC 9457): the one table from what went wrong to what a client is told."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from domain.access import AlreadySetUp, TooManyTokens
from domain.devices import DeviceRetired
from domain.errors import (
    AuthenticationFailed,
    Conflict,
    InvalidField,
    NotFound,
    NotUnique,
    PermissionDenied,
    StillReferenced,
    TooManyAttempts,
    VersionMismatch,
)
from domain.stock import InsufficientStock
from domain.tasks import ReorderOpen
from domain.users import LastAdmin
from entrypoints.web.problem_types import PROBLEM_TYPES
from service_layer.errors import DatabaseUnavailable, StorageUnavailable

MEDIA_TYPE = "application/problem+json"


INTERNAL_ERROR = "internal-error"
"""The code of what nobody foresaw."""

NO_ROUTE = "There is nothing at this address."
"""What is told of a path that leads to no route."""

RETRY_AFTER = "2"
"""Seconds after which a client may try again when the database was away."""

MAX_ERRORS = 20
"""How many errors a problem lists; the others are counted."""


class ApiProblem(Exception):
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
        self.status = PROBLEM_TYPES[code].status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members
        if errors:
            self.members["errors"] = list(errors[:MAX_ERRORS])
        if len(errors) > MAX_ERRORS:
            self.members["errors_omitted"] = len(errors) - MAX_ERRORS

    def body(self, request_id: str) -> bytes:
        """Return the problem document."""
        document = {
            "type": f"/problems/{self.code}",
            "title": PROBLEM_TYPES[self.code].title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "instance": request_id,
            **self.members,
        }
        return json.dumps(document, ensure_ascii=False).encode()


def invalid(*errors: Mapping[str, str]) -> ApiProblem:
    """Return the refusal of values, each with its place and what would be acceptable."""
    return ApiProblem("invalid", " ".join(map(_sentence, errors[:3])), errors=errors)


def _sentence(error: Mapping[str, str]) -> str:
    """Return what is wrong with a value, preceded by the name of the member or parameter."""
    name = error.get("parameter") or unquote(error.get("pointer", "")[2:])
    return f"{name}: {error['detail']}" if name else error["detail"]


def pointer(*path: str | int) -> str:
    """Return a JSON pointer (RFC 6901) as a URI fragment."""
    return "#" + "".join(
        "/" + quote(str(part).replace("~", "~0").replace("/", "~1"), safe="~") for part in path
    )


def unauthenticated(detail: str, error: str = "") -> ApiProblem:
    """Return the refusal of a stranger, with what would make them known (RFC 6750, 3)."""
    challenge = 'Bearer realm="atelier"' + (f', error="{error}"' if error else "")
    return ApiProblem("unauthenticated", detail, headers={"WWW-Authenticate": challenge})


def _placed(error: InvalidField | NotUnique) -> Mapping[str, str]:
    """Return where in the body the fault is; without a field it is the whole of it."""
    path = [error.field] if error.field else []
    return {"pointer": pointer(*path), "detail": str(error)}


# The table. What is not in it is a defect.
_TABLE: Mapping[type[Exception], Callable[[Any], ApiProblem]] = {
    NotFound: lambda error: ApiProblem("not-found", str(error)),
    VersionMismatch: lambda error: ApiProblem("precondition-failed", str(error)),
    AuthenticationFailed: lambda error: unauthenticated(str(error)),
    PermissionDenied: lambda error: ApiProblem("forbidden", str(error)),
    AlreadySetUp: lambda error: ApiProblem("not-found", str(error)),
    NotUnique: lambda error: ApiProblem("already-taken", str(error), errors=[_placed(error)]),
    DeviceRetired: lambda error: ApiProblem("gone", str(error)),
    StillReferenced: lambda error: ApiProblem("in-use", str(error)),
    InsufficientStock: lambda error: ApiProblem(
        "insufficient-stock", str(error), available=error.available
    ),
    LastAdmin: lambda error: ApiProblem("last-admin", str(error)),
    TooManyTokens: lambda error: ApiProblem("too-many-tokens", str(error)),
    TooManyAttempts: lambda error: ApiProblem(
        "too-many-requests", str(error), headers={"Retry-After": str(error.seconds)}
    ),
    Conflict: lambda error: ApiProblem("conflict", str(error), headers={"Retry-After": "1"}),
    ReorderOpen: lambda error: ApiProblem("conflict", str(error)),
    InvalidField: lambda error: invalid(_placed(error)),
    DatabaseUnavailable: lambda error: ApiProblem(
        "database-unavailable", str(error), headers={"Retry-After": RETRY_AFTER}
    ),
    StorageUnavailable: lambda error: ApiProblem(
        "storage-unavailable", str(error), headers={"Retry-After": RETRY_AFTER}
    ),
}

_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def to_problem(error: Exception) -> ApiProblem:
    """Return how an error is answered."""
    if isinstance(error, ApiProblem):
        return error
    for type_ in type(error).__mro__:
        if type_ in _TABLE:
            return _TABLE[type_](error)
    return ApiProblem(INTERNAL_ERROR, "Something went wrong on our side; it has been logged.")


def routing_error(request: Request, error: HTTPException) -> ApiProblem:
    """Return how it is answered what the router raises: no such route, or no such method on it."""
    code = _BY_STATUS.get(error.status_code, "bad-request")
    headers = {}
    detail = PROBLEM_TYPES[code].description
    if code == "method-not-allowed":
        allowed = allowed_methods(request)
        headers["Allow"] = ", ".join(allowed)
        detail = _use_instead(request.method, allowed)
    elif code == "not-found":
        detail = NO_ROUTE
    return ApiProblem(code, detail, headers=headers)


def _use_instead(method: str, allowed: Sequence[str]) -> str:
    """Return the detail of a 405: the method that does what the client probably wants."""
    if "PATCH" in allowed and method in ("PUT", "POST"):
        return "Use PATCH to change members of this: those that are left out keep their values."
    if "PUT" in allowed and method in ("PATCH", "POST"):
        return "Use PUT to replace this."
    if allowed == ["POST"]:
        return "This is a command: use POST."
    return f"This address takes {', '.join(allowed)}."


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


def problem_response(problem: ApiProblem, request_id: str) -> Response:
    """Return a problem as a response."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(problem.body(request_id), problem.status, headers, MEDIA_TYPE)
