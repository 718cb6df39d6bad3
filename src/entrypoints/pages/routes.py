"""The route class of pages: access rules, origin check, form parsing, and error pages."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from domain.actors import Role
from domain.errors import DomainError, PermissionDenied
from entrypoints.pages.errors import error_page
from entrypoints.pages.forms import SECRETS, Form
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.sessions import known, require_same_origin
from entrypoints.web.body import (
    FORM,
    MAX_BODY,
    announces_body,
    parse_form,
    read,
    require_media_type,
)
from entrypoints.web.dependencies import ports
from entrypoints.web.policy import PAGES
from entrypoints.web.problems import ApiProblem
from entrypoints.web.validation import pointer_in_query, validated
from service_layer.errors import DatabaseUnavailable, StorageUnavailable
from service_layer.queries.access import Grant

M = TypeVar("M", bound=BaseModel)

PAGE_ERRORS = (ApiProblem, DomainError, DatabaseUnavailable, StorageUnavailable)
"""The errors that become an error page unless the endpoint handles them."""


class PageRoute(APIRoute):
    """A route of a page or form; its endpoint returns the response.

    Raises:
        TypeError: when the access policy lacks the endpoint, or the endpoint declares a body,
            query or header parameter.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        if self.name not in PAGES:
            raise TypeError(f"{self.name}: policy.py does not say who may use it")
        self.who = PAGES[self.name]
        given = self.dependant
        if given.body_params or given.query_params or given.header_params:
            raise TypeError(f"{self.name}: forms and queries are read by the endpoint")
        self.needs = [(need.name or "", need.call) for need in given.dependencies]
        self.app = self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the origin and parse the form of a request other than GET, then respond."""
        request = Request(scope, receive)
        try:
            if request.method != "GET":
                require_same_origin(request)
                scope["form"] = await _read_form(request, self.max_body_size or MAX_BODY)
            response = await self.respond(request)
        except PAGE_ERRORS as error:
            response = await error_page(request, error)
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Authorize a request, resolve the endpoint's dependencies, and call it.

        Without a session return the sign-in page, or a redirect to it.

        Raises:
            PermissionDenied: when the access rule denies the signed-in user.
        """
        if not self.who.is_public and not await self._admit(request):
            return ask_to_sign_in(request)
        values: dict[str, Any] = dict(request.scope["path_params"])
        for name, call in self.needs:
            values[name] = await call(request)  # type: ignore[misc]
        response: Response = await self.dependant.call(**values)  # type: ignore[misc]
        return response

    async def _admit(self, request: Request) -> bool:
        """Authenticate and authorize a request; return whether it has a valid session.

        Raises:
            PermissionDenied: when the access rule denies the signed-in user.
        """
        scope = request.scope
        # A replayed form has the grant of the sign-in before it.
        grant: Grant | None = scope.get("grant") or await known(request)
        if grant is None:
            return False
        scope["grant"] = grant
        if self.who.role is Role.ADMIN and not grant.actor.is_admin:
            raise PermissionDenied("Only an admin may do this.")
        id = grant.actor.id
        scope["me"] = (await ports(request).user_queries.public({id})).get(id)
        return True


MULTIPART = b"multipart/form-data"


async def _read_form(request: Request, limit: int) -> Form:
    """Parse a URL-encoded form; multipart bodies are left to `uploads`."""
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    if headers.get(b"content-type", b"").startswith(MULTIPART):
        return Form()
    if announces_body(headers):
        require_media_type(headers, FORM)
    said = parse_form(await read(headers, request.receive, limit), max_members=100)
    # Browsers submit line breaks as CRLF (HTML, 4.10.22.4).
    return Form({name: text.replace("\r\n", "\n") for name, text in said.items()})


def ask_to_sign_in(request: Request) -> Response:
    """Redirect to the sign-in page, or return it with a submitted form to replay afterwards.

    Passwords in the submitted form are dropped and have to be entered again.
    """
    where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    kept: Form | None = request.scope.get("form")
    if kept is None:
        return see_other(f"/sign-in?{urlencode({'then': where})}")
    values = {name: "" if name in SECRETS else text for name, text in kept.values.items()}
    return sign_in_page(request, Form({"then": where}), values, status=403)


def sign_in_page(
    request: Request, form: Form, kept: Mapping[str, str] | None = None, *, status: int = 200
) -> Response:
    """Return the sign-in page; `kept` are the values of a submitted form to replay afterwards."""
    # A kept form would be lost by following the link to registration.
    may_register = kept is None and request.app.state.registration_open
    shown: dict[str, Any] = {"form": form, "kept": kept, "may_register": may_register}
    return page(request, "access/sign_in.html", status=status, **shown)


def parse_query(request: Request, model: type[M], **instead: str) -> M:
    """Validate the query parameters by a schema of the API.

    Blank and unknown parameters are ignored, because shared links may carry tracking parameters.
    The last value of a repeated parameter counts. `instead` overrides parameters.

    Raises:
        ApiProblem: 422 when the value of a known parameter is invalid.
    """
    query = {**dict(request.query_params.multi_items()), **instead}
    given = {
        name: value for name, value in query.items() if name in model.model_fields and value.strip()
    }
    value: M = validated(TypeAdapter(model), given, pointer_in_query)
    return value


async def _request(request: Request) -> Request:
    return request


CurrentRequest = Annotated[Request, Depends(_request)]
"""The request, as a dependency of endpoints."""
