"""Problem details (RFC 9457): the table that maps errors to problems."""

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
"""The code of the problem for unhandled exceptions."""

NO_ROUTE = "There is nothing at this address."
"""The detail of a 404 for a path without a route."""

RETRY_AFTER = "2"
"""Seconds until a client may retry when the database or the storage is unavailable."""

MAX_ERRORS = 20
"""Maximum number of errors listed in a problem; the others are only counted."""


class ApiProblem(Exception):
    """An error that becomes a problem response, with `members` as extension members."""

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
        """Return the problem document as JSON."""
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
    """Return a 422 problem. Each error has a `pointer` or a `parameter`, and a `detail`."""
    return ApiProblem("invalid", " ".join(map(_sentence, errors[:3])), errors=errors)


def _sentence(error: Mapping[str, str]) -> str:
    """Return the detail of an error, preceded by the name of the member or parameter."""
    name = error.get("parameter") or unquote(error.get("pointer", "")[2:])
    return f"{name}: {error['detail']}" if name else error["detail"]


def pointer(*path: str | int) -> str:
    """Return a JSON pointer (RFC 6901) as a URI fragment."""
    return "#" + "".join(
        "/" + quote(str(part).replace("~", "~0").replace("/", "~1"), safe="~") for part in path
    )


def unauthenticated(detail: str, error: str = "") -> ApiProblem:
    """Return a 401 problem with the Bearer challenge (RFC 6750, 3) and its error code, if any."""
    challenge = 'Bearer realm="atelier"' + (f', error="{error}"' if error else "")
    return ApiProblem("unauthenticated", detail, headers={"WWW-Authenticate": challenge})


def _placed(error: InvalidField | NotUnique) -> Mapping[str, str]:
    """Return the error with the pointer of its field, or of the whole body without one."""
    path = [error.field] if error.field else []
    return {"pointer": pointer(*path), "detail": str(error)}


# Errors that are not in this table are internal errors.
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
    """Return the problem for an error; `internal-error` if the table has no entry for it."""
    if isinstance(error, ApiProblem):
        return error
    for type_ in type(error).__mro__:
        if type_ in _TABLE:
            return _TABLE[type_](error)
    return ApiProblem(
        INTERNAL_ERROR, "The service failed to handle the request. The error has been logged."
    )


def routing_error(request: Request, error: HTTPException) -> ApiProblem:
    """Return the problem for an error of the router, such as 404 or 405."""
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
    """Return the detail of a 405, which suggests a method of the path."""
    if "PATCH" in allowed and method in ("PUT", "POST"):
        return "Use PATCH to change members of this object: absent members keep their values."
    if "PUT" in allowed and method in ("PATCH", "POST"):
        return "Use PUT to replace this resource."
    if allowed == ["POST"]:
        return "This is a command: use POST."
    return f"Use one of these methods: {', '.join(allowed)}."


def allowed_methods(request: Request) -> list[str]:
    """Return the methods of all routes that match the path of the request."""
    methods: set[str] = set()
    for route in request.app.routes:
        _, scope = route.matches(request.scope)
        if scope:
            methods |= getattr(route, "methods", None) or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)


def problem_response(problem: ApiProblem, request_id: str) -> Response:
    """Return the response for a problem, with `Cache-Control: no-store`."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(problem.body(request_id), problem.status, headers, MEDIA_TYPE)
