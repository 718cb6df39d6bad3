"""Errors as pages, wherever it is not a program that asks."""

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from entrypoints.http.errors import Refused, problem_response, refusal, routing_error
from entrypoints.pages.rendering import HEADERS, render

# Where only programs ask.
_FOR_PROGRAMS = ("/api/", "/health/", "/media/")


def wants_page(scope: Scope) -> bool:
    """Whether an error is to be shown as a page: where people are, unless JSON is asked for."""
    path = scope["path"]
    if path.startswith(_FOR_PROGRAMS) or path in ("/api", "/openapi.json", "/metrics"):
        return False
    accepted = dict(scope["headers"]).get(b"accept", b"").lower()
    return b"text/html" in accepted or b"json" not in accepted


def error_page(request: Request, error: Exception) -> Response:
    """Return the page that tells of an error."""
    refused = refusal(error)
    # A browser has nothing to do with the challenge of the API.
    headers = {n: v for n, v in refused.headers.items() if n.lower() != "www-authenticate"}
    body = render(
        "error.html",
        path=request.url.path,
        refused=refused,
        request_id=request.scope["request_id"],
    )
    return HTMLResponse(body, refused.status, {"Cache-Control": "no-store", **HEADERS, **headers})


def answer(scope: Scope, refused: Refused) -> Response:
    """Return what tells of an error: a page to people, a problem to programs."""
    if wants_page(scope):
        return error_page(Request(scope), refused)
    return problem_response(refused, scope["request_id"])


async def answer_refused(request: Request, error: Exception) -> Response:
    """Answer an error that the table knows."""
    return answer(request.scope, refusal(error))


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router raises."""
    assert isinstance(error, HTTPException)
    return answer(request.scope, routing_error(request, error))
