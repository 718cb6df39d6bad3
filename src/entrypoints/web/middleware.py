"""Request middleware: request ids, HEAD, security headers, request log, unhandled exceptions."""

import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.web.problems import INTERNAL_ERROR, NO_ROUTE, ApiProblem, to_problem

log = logging.getLogger("atelier.http")

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the current request."""

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # It applies to embedded resources; browsers do not check it for CORS requests (Fetch, 3.7).
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Default headers of every response. A response that sets one of them keeps its own value."""

STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
"""HSTS for one year (RFC 6797). Browsers ignore it on plain connections."""

_OWN_HEADERS = frozenset(name for name, _ in SECURITY_HEADERS)

# A client's request id goes into the log, so accept it only if it cannot forge a log entry.
_SAFE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RequestMiddleware:
    """ASGI middleware around the whole application.

    It stores the request id in the scope, and converts exceptions to responses.
    """

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
            # Route HEAD as GET, and drop the body.
            scope = {**scope, "method": "GET"}
        status = 0

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message.get("headers", ()))
                more: Iterable[tuple[bytes, bytes]] = SECURITY_HEADERS
                if not _OWN_HEADERS.isdisjoint(said := dict(headers)):
                    more = [header for header in SECURITY_HEADERS if header[0] not in said]
                headers.append((b"x-request-id", request_id.encode()))
                headers.extend(self._more)
                headers.extend(more)
            elif method == "HEAD":
                message["body"] = b""
            return send(message)

        async def respond(refused: ApiProblem) -> None:
            # The CORS middleware adds its headers in its own `send`, which it leaves in the scope.
            sender = scope.get("answer", send_with_headers)
            await self._answer(scope, refused)(scope, receive, sender)

        try:
            if hosts != 1 and scope["http_version"] == "1.1":
                raise ApiProblem("bad-request", "Send one Host header (RFC 9112, 3.2).")
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = 499  # the client closed the connection before the end of the request
        except Exception as error:
            self._on_error(error)
            refused = to_problem(error)
            if refused.code == INTERNAL_ERROR:
                log.exception("unhandled exception", extra={"path": _printable(scope["path"])})
            if status:
                raise  # the response has started: the server can only close the connection
            await respond(refused)
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


class RejectNewlines:
    """ASGI middleware that answers 404 for a path with a newline.

    The patterns of Starlette's routes ignore a newline at the end of a path.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and "\n" in scope["path"]:
            raise ApiProblem("not-found", NO_ROUTE)
        return self.app(scope, receive, send)


def _printable(path: str) -> str:
    """Return a path for the log, truncated, with `?` for each non-printable character."""
    path = path[:200]
    return path if path.isprintable() else "".join(c if c.isprintable() else "?" for c in path)


def _inspect_headers(scope: Scope) -> tuple[str, int]:
    """Return the request id, the client's or a new one, and the number of Host headers."""
    request_id, hosts = "", 0
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == b"x-request-id" and _SAFE_ID.fullmatch(value):
            request_id = value.decode()
    return request_id or new_id(), hosts


def new_id() -> str:
    """Return a new request id. It must be unique, not secret, so a fast generator is enough."""
    return random.randbytes(16).hex()
