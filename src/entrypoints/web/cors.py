"""CORS: which pages of other origins may use the API from a browser. None may unless configured."""

from collections.abc import Sequence
from functools import partial

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from entrypoints.web.origins import Origin
from entrypoints.web.problems import ApiProblem

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Request-ID",
)
EXPOSED_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)


def cors(origins: Sequence[str]) -> list[Middleware]:
    """Return what lets pages of these origins in, to stand right behind the front door.

    Credentials are not allowed: who asks shows a token, which no browser sends by itself.
    """
    if not origins:
        return []
    # They are compared with what browsers send, which is spelled in one way alone (RFC 6454, 6.2).
    spelled = [str(Origin.parse(origin.removesuffix("/"))) for origin in origins]
    return [
        Middleware(
            _Cors,
            allow_origins=spelled,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
        )
    ]


class _Cors(CORSMiddleware):
    """Starlette's, but for refusals in plain text and for problems that the front door answers."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code >= 400:
            detail = (
                "Browsers may ask from the origins that this service is configured for, with the"
                " methods and headers that this answer names."
            )
            # What belongs to its text stays behind.
            headers = {n: v for n, v in response.headers.items() if not n.startswith("content-")}
            raise ApiProblem("forbidden", detail, headers=headers)
        return response

    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        # The front door answers a defect itself; by this way a page can read that answer, too.
        scope["answer"] = partial(self.send, send=send, request_headers=request_headers)
        await self.app(scope, receive, scope["answer"])
