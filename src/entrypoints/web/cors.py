"""CORS: cross-origin access to the API from browsers. No origin has access by default."""

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
    """Return the CORS middleware for these origins, to be placed directly in `RequestMiddleware`.

    Credentials are not allowed: callers authenticate with a bearer token, which browsers do not
    send by themselves.
    """
    if not origins:
        return []
    # Browsers send the ASCII serialization of an origin (RFC 6454, 6.2); compare with the same.
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
    """Starlette's CORS middleware, with problem details instead of plain text.

    It adds CORS headers to the error responses of `RequestMiddleware` too.
    """

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code >= 400:
            detail = (
                "Cross-origin requests are allowed from the configured origins only, with the"
                " methods and headers named in this response."
            )
            # Drop the content headers of the plain-text body.
            headers = {n: v for n, v in response.headers.items() if not n.startswith("content-")}
            raise ApiProblem("forbidden", detail, headers=headers)
        return response

    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        # RequestMiddleware sends error responses through this, so that a page can read them too.
        scope["answer"] = partial(self.send, send=send, request_headers=request_headers)
        await self.app(scope, receive, scope["answer"])
