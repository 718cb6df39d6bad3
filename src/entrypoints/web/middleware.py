"""The outermost layer: request ids, HEAD, security headers, a log line, and unforeseen errors."""

import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.web.problems import INTERNAL_ERROR, ApiProblem, to_problem

log = logging.getLogger("atelier.http")

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered."""

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # This is about what a page embeds; a request under CORS is not judged by it (Fetch, 3.7).
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""What answers tell browsers, unless they say something else of it themselves."""

STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
"""Tells browsers to use TLS for a year (RFC 6797); without TLS they ignore it."""

_OWN_HEADERS = frozenset(name for name, _ in SECURITY_HEADERS)

# An id from outside ends up in logs, so it is taken over only if it cannot forge anything there.
_SAFE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RequestMiddleware:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        answer: Callable[[Scope, ApiProblem], ASGIApp],
        *,
        on_error: Callable[[Exception], None] = lambda error: None,
        always_tls: bool = False,
    ) -> None:
        self._app = app
        self._on_error = on_error
        self._answer = answer
        self._more = (STRICT_TRANSPORT,) if always_tls else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        method = scope["method"]
        request_id, hosts = _inspect_headers(scope)
        token = REQUEST_ID.set(request_id)
        scope["request_id"] = request_id
        if method == "HEAD":
            # Whatever answers GET answers HEAD, without the body.
            scope = {**scope, "method": "GET"}
        status = 0

        def answer(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message.get("headers", ()))
                more: Iterable[tuple[bytes, bytes]] = SECURITY_HEADERS
                if not _OWN_HEADERS.isdisjoint(said := dict(headers)):
                    # An answer that knows better says so itself.
                    more = [header for header in SECURITY_HEADERS if header[0] not in said]
                headers.append((b"x-request-id", request_id.encode()))
                headers.extend(self._more)
                headers.extend(more)
            elif method == "HEAD":
                message["body"] = b""
            return send(message)

        async def tell(refused: ApiProblem) -> None:
            # CORS, where it is on, has left the way on which a browser lets the page read this.
            way = scope.get("answer", answer)
            await self._answer(scope, refused)(scope, receive, way)

        try:
            if hosts != 1 and scope["http_version"] == "1.1":
                raise ApiProblem("bad-request", "Send one Host header (RFC 9112, 3.2).")
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            status = 499  # the client went away before it had said everything
        except Exception as error:
            self._on_error(error)
            refused = to_problem(error)
            if refused.code == INTERNAL_ERROR:
                log.exception("unhandled exception", extra={"path": _printable(scope["path"])})
            if status:
                raise  # half an answer is out; only breaking the connection can tell
            await tell(refused)
        finally:
            if log.isEnabledFor(logging.INFO):
                fields = {
                    "method": method,
                    "path": _printable(scope["path"]),
                    "status": status,
                    "ms": round((time.perf_counter() - started) * 1000, 1),
                    "client": (scope.get("client") or ("",))[0],
                }
                if user_id := scope.get("user_id"):
                    fields["user_id"] = str(user_id)
                log.info("request", extra=fields)
            REQUEST_ID.reset(token)


def _printable(path: str) -> str:
    """Return a path as it may stand in a line: what would end the line is not shown."""
    path = path[:200]
    return path if path.isprintable() else "".join(c if c.isprintable() else "?" for c in path)


def _inspect_headers(scope: Scope) -> tuple[str, int]:
    """Return the request id, the client's or a new one, and how many Host headers there are."""
    request_id, hosts = "", 0
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == b"x-request-id" and _SAFE_ID.fullmatch(value):
            request_id = value.decode()
    return request_id or new_id(), hosts


def new_id() -> str:
    """Return a request id. It is to be unique, not secret; so it need not come from the system."""
    return random.randbytes(16).hex()
