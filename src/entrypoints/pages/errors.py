"""Error responses: HTML pages for browsers, problem details (RFC 9457) for programs."""

import logging

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.pages.rendering import HEADERS, render
from entrypoints.pages.sessions import known, secret_of
from entrypoints.web.problems import ApiProblem, problem_response, routing_error, to_problem
from service_layer.queries.access import Grant
from service_layer.queries.users import PublicUser

log = logging.getLogger("atelier.http")

# Paths for programs only.
_FOR_PROGRAMS = ("/api/", "/health/", "/media/")


def wants_page(scope: Scope) -> bool:
    """Return whether an error response is a page.

    It is one outside the API, unless the client accepts JSON and not HTML.
    """
    path = scope["path"]
    if path.startswith(_FOR_PROGRAMS) or path in ("/api", "/openapi.json", "/metrics"):
        return False
    accepted = dict(scope["headers"]).get(b"accept", b"").lower()
    return b"text/html" in accepted or b"json" not in accepted


async def error_page(request: Request, error: Exception) -> Response:
    """Return an error page; under `/office` it has the navigation of signed-in users."""
    refused = to_problem(error)
    # The API's authentication challenge does not apply to browsers.
    headers = {n: v for n, v in refused.headers.items() if n.lower() != "www-authenticate"}
    in_office, me = await _office_user(request, refused)
    body = render(
        "error.html",
        frame="office.html" if in_office else "site.html",
        in_office=in_office,
        path=request.url.path,
        me=me,
        done=None,
        refused=refused,
        request_id=request.scope["request_id"],
    )
    return HTMLResponse(body, refused.status, {"Cache-Control": "no-store", **HEADERS, **headers})


async def _office_user(request: Request, refused: ApiProblem) -> tuple[bool, PublicUser | None]:
    """Return whether to show the navigation of `/office`, and the signed-in user if known.

    On a server error (5xx) the mere presence of a session cookie decides. It is not verified,
    because the database may be unavailable and the navigation is not confidential.
    """
    scope, path = request.scope, request.url.path
    if path != "/office" and not path.startswith("/office/"):
        return False, None
    grant: Grant | None = scope.get("grant")
    if grant is None and refused.status < 500:
        try:
            grant = await known(request)
        except Exception:
            # The page must still report the original error.
            log.warning("error page without user", exc_info=True)
        else:
            return grant is not None, grant.public if grant is not None else None
    if grant is not None:
        return True, grant.public
    return secret_of(request) is not None, None


def answer(scope: Scope, refused: ApiProblem) -> ASGIApp:
    """Return the error response as an ASGI application, for use outside a route."""
    if not wants_page(scope):
        return problem_response(refused, scope["request_id"])

    async def show(scope: Scope, receive: Receive, send: Send) -> None:
        page = await error_page(Request(scope), refused)
        await page(scope, receive, send)

    return show


async def answer_refused(request: Request, error: Exception) -> Response:
    """Handle an error that maps to a problem type."""
    return await _answer(request, to_problem(error))


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Handle an error of the router, such as 404 or 405."""
    assert isinstance(error, HTTPException)
    return await _answer(request, routing_error(request, error))


async def _answer(request: Request, refused: ApiProblem) -> Response:
    if wants_page(request.scope):
        return await error_page(request, refused)
    return problem_response(refused, request.scope["request_id"])
