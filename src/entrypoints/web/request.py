"""Requests of the API: the body and the query become arguments of the endpoint."""

from collections.abc import Awaitable
from functools import lru_cache
from typing import Any

from fastapi import Request, params
from fastapi.routing import APIRoute
from pydantic import ConfigDict, TypeAdapter
from starlette.types import Receive, Scope
from typing_extensions import TypedDict

from entrypoints.web.body import (
    FORM,
    IMAGE,
    JSON,
    MAX_BODY,
    MAX_IMAGE,
    MERGE_PATCH,
    announces_body,
    parse,
    parse_form,
    read,
    require_media_type,
)
from entrypoints.web.dependencies import if_match
from entrypoints.web.pagination import decode
from entrypoints.web.prices import CURRENCY
from entrypoints.web.problems import ApiProblem
from entrypoints.web.validation import (
    NO_MEMBER,
    NO_PARAMETER,
    pointer_in_body,
    pointer_in_query,
    query_parameters,
    unknown_field,
    validated,
)

MAX_CACHED_QUERY = 500
"""Maximum length in bytes of a list query whose parsed parameters are cached."""

COMMANDS = {
    "completed": "POST to …/complete or …/reopen sets this.",
    "published": "POST to …/publish or …/unpublish sets this.",
    "product_id": "The service sets this when it creates a reorder task.",
    "archived": "POST to …/archive or …/restore sets this.",
}
"""The details for read-only members that a command or the service sets."""


class EmptyBody(TypedDict):
    """An object without members."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]


class RequestReader:
    """Reads and validates the requests of one operation.

    It uses FastAPI's analysis of the endpoint's signature. FastAPI's own parsing echoes invalid
    input, and ignores unknown names.

    Raises:
        ValueError: when the endpoint has more than one body or query parameter.
    """

    def __init__(self, route: APIRoute) -> None:
        given = route.dependant
        self.body_name, body_type = _only(given.body_params)
        self.needs_body = any(field.field_info.is_required() for field in given.body_params)
        # An operation without a body accepts an empty object, and validates any other body.
        self.reads_body = "GET" not in (route.methods or ())
        self.accepts = _accepted(route, body_type)
        default_limit = MAX_IMAGE if self.accepts is IMAGE else MAX_BODY
        self.body_limit = default_limit if route.max_body_size is None else route.max_body_size
        self._body = TypeAdapter(body_type or EmptyBody)
        # A member of the response that the body does not accept is read-only.
        self._shown_members = frozenset(getattr(route.response_model, "__dataclass_fields__", {}))
        self.query_name, self.query_type = _only(given.query_params)
        self.paged = bool(self.query_name) and hasattr(self.query_type, "to_response")
        self._query = TypeAdapter(self.query_type) if self.query_name else None
        self._cached_queries = lru_cache(maxsize=64)(lambda query, _: self._parse_query(query))
        self.conditional = any(need.call is if_match for need in given.dependencies)

    def body(self, headers: dict[bytes, bytes], receive: Receive) -> Awaitable[bytes]:
        """Return the body, which is empty if it is optional and absent.

        Raises:
            ApiProblem: 415 for another media type, 413 for a larger body.
        """
        if self.needs_body or announces_body(headers):
            require_media_type(headers, self.accepts)
        return read(headers, receive, self.body_limit)

    def require_precondition(self, request: Request, headers: dict[bytes, bytes]) -> None:
        """Require If-Match, if the operation supports it and the settings demand it.

        Raises:
            ApiProblem: 428 without the header.
        """
        if self.conditional and b"if-match" not in headers and request.app.state.require_if_match:
            raise ApiProblem("precondition-required", "Send the ETag of the object in If-Match.")

    def parse(self, body: bytes, scope: Scope, arguments: dict[str, Any]) -> None:
        """Add the validated body and query to the arguments of the endpoint.

        Raises:
            ApiProblem: 400 for malformed JSON or a malformed cursor, 422 for invalid values.
        """
        if self.needs_body or body:
            value = self._parse_body(body)
            if self.body_name:
                arguments[self.body_name] = value
        query = scope["query_string"]
        if self._query is None:
            for name in query_parameters(query):
                raise unknown_field(name)
        elif self.paged and len(query) <= MAX_CACHED_QUERY:
            # The currency is part of the key: applications in one process may differ in it.
            arguments[self.query_name] = self._cached_queries(query, CURRENCY.get())
        else:
            arguments[self.query_name] = self._parse_query(query)

    def _parse_body(self, body: bytes) -> Any:
        if self.accepts is IMAGE:
            return body  # the image decoder validates it later
        value = parse_form(body) if self.accepts is FORM else parse(body)
        return validated(self._body, value, pointer_in_body, self._about_member)

    def _about_member(self, name: str) -> str:
        """Return the detail of the error for a member that the body does not accept."""
        if name not in self._shown_members:
            return NO_MEMBER
        return COMMANDS.get(name, "This is read-only.")

    def _parse_query(self, query: bytes) -> Any:
        """Return the validated parameters of a query."""
        assert self._query is not None
        parameters = query_parameters(query)
        try:
            return validated(self._query, parameters, pointer_in_query, lambda name: NO_PARAMETER)
        except ApiProblem:
            if self.paged and "cursor" in parameters:
                decode(parameters["cursor"])  # a malformed cursor (400) takes precedence
            raise


def _accepted(route: APIRoute, body_type: Any) -> tuple[bytes, ...]:
    """Return the media types of the body."""
    if body_type is bytes:
        return IMAGE
    if any(isinstance(field.field_info, params.Form) for field in route.dependant.body_params):
        return FORM
    return MERGE_PATCH if "PATCH" in (route.methods or ()) else JSON


def _only(fields: list[Any]) -> tuple[str, Any]:
    """Return the name and the type of the only field; an empty name without one."""
    if not fields:
        return "", None
    (field,) = fields
    return field.name, field.field_info.annotation
