"""The route class of pages: who may come in, forms, and errors that are pages, too."""

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
from entrypoints.web.body import MAX_BODY, parse_form, read, require_media_type
from entrypoints.web.dependencies import ports
from entrypoints.web.policy import PAGES
from entrypoints.web.problems import ApiProblem
from entrypoints.web.route import FORM, announces_body
from entrypoints.web.validation import pointer_in_query, validated
from service_layer.errors import DatabaseUnavailable, StorageUnavailable
from service_layer.queries.access import Grant

M = TypeVar("M", bound=BaseModel)

PAGE_ERRORS = (ApiProblem, DomainError, DatabaseUnavailable, StorageUnavailable)
"""What ends as a page that tells of an error, if nobody has a better one."""


class PageRoute(APIRoute):
    """A page, or a form that is sent to us; its endpoint returns the response."""

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
        """Answer one request."""
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
        """Return the answer to a request whose form has been read.

        Raises:
            PermissionDenied: when somebody is known, and may not come in here.
        """
        if not self.who.is_public and not await self._admit(request):
            return ask_to_sign_in(request)
        values: dict[str, Any] = dict(request.scope["path_params"])
        for name, call in self.needs:
            values[name] = await call(request)  # type: ignore[misc]
        response: Response = await self.dependant.call(**values)  # type: ignore[misc]
        return response

    async def _admit(self, request: Request) -> bool:
        """Whether it is known who asks.

        Raises:
            PermissionDenied: when they may not come in here.
        """
        scope = request.scope
        # Whoever has just signed in is known already.
        grant: Grant | None = scope.get("grant") or await known(request)
        if grant is None:
            return False
        scope["grant"] = grant
        if self.who.role is Role.ADMIN and not grant.actor.is_admin:
            raise PermissionDenied("Only an admin may do this.")
        id = grant.actor.id
        scope["me"] = (await ports(request).user_queries().public({id})).get(id)
        return True


MULTIPART = b"multipart/form-data"


async def _read_form(request: Request, limit: int) -> Form:
    """Return the form that was sent; a picture is read by the page that takes one."""
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    if headers.get(b"content-type", b"").startswith(MULTIPART):
        return Form()
    if announces_body(headers):
        require_media_type(headers, FORM)
    said = parse_form(await read(headers, request.receive, limit), max_members=100)
    # Browsers end the lines of a text with CRLF (HTML, 4.10.22.4).
    return Form({name: text.replace("\r\n", "\n") for name, text in said.items()})


def ask_to_sign_in(request: Request) -> Response:
    """Lead to where one signs in. What was sent is kept on that page, and done after that.

    Passwords are not kept: they are typed again, by whoever knows them.
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
    """Return the page on which somebody signs in, with what they sent and is to be done then."""
    # Whoever has sent something is no newcomer, and would lose it by going elsewhere.
    may_register = kept is None and request.app.state.registration_open
    shown: dict[str, Any] = {"form": form, "kept": kept, "may_register": may_register}
    return page(request, "access/sign_in.html", status=status, **shown)


def parse_query(request: Request, model: type[M], **instead: str) -> M:
    """Return what the query asks for, by a schema of the API's.

    A blank field asks nothing. Unknown parameters are ignored: links that people share carry all
    kinds of them. Of a parameter that is given twice the last one counts. `instead` holds
    values for parameters that were read otherwise.

    Raises:
        ApiProblem: 422 when a value of a known parameter is not usable.
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
"""The request, for what an endpoint has to read of it and to render for."""
