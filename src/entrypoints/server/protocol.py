"""The fast HTTP/1.1 protocol: responses with a single write, and less work per request.

It relies on these parts of `uvicorn.protocols.http.httptools_impl` of uvicorn 0.54:

- `RequestResponseCycle`: its attributes and their initial values, which are set here;
- `HttpToolsProtocol.on_headers_complete`: its effects on `scope`, `cycle`, `pipeline` and `flow`;
- `HttpToolsProtocol._start_asgi_task`, and the attributes that a cycle takes from the protocol;
- `STATUS_LINE`.

The tests compare scope, cycle and output with those of uvicorn.
"""

import asyncio
from typing import Any, ClassVar
from urllib.parse import unquote

from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from entrypoints.web.malformed_requests import header_lines
from entrypoints.web.middleware import SECURITY_HEADERS, STRICT_TRANSPORT
from entrypoints.web.protocol import Protocol, ResponseTransport

_USUAL = list(SECURITY_HEADERS)
_SECURITY = header_lines(SECURITY_HEADERS)

# Headers of a response that need no special handling by uvicorn.
_PLAIN = frozenset(
    (
        *(b"date", b"content-type", b"etag", b"location", b"link", b"cache-control", b"vary"),
        *(b"x-request-id", b"allow", b"retry-after", b"www-authenticate"),
        *(name for name, _ in (*SECURITY_HEADERS, STRICT_TRANSPORT)),
        *(b"access-control-allow-origin", b"access-control-expose-headers"),
    )
)


class FastProtocol(Protocol):
    """The HTTP/1.1 protocol with its own request-response cycle, created in fewer steps."""

    def start_request(self) -> None:
        """Do what uvicorn's `on_headers_complete` does, without root paths and upgrades."""
        parser = self.parser
        url = parse_url(self.url)
        path = url.path.decode("ascii")
        version = parser.get_http_version()
        scope: Any = self.scope
        scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before = self.cycle
        keep_alive = version != "1.0" and parser.should_keep_alive()
        self.cycle = SingleWriteCycle(self, keep_alive=keep_alive)
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))


class SingleWriteCycle(RequestResponseCycle):
    """A request-response cycle of uvicorn that sends a short response with one write.

    A system call is the most expensive part of a short response. uvicorn makes one for the head and
    one for the body. Other responses, such as streams, are left to uvicorn.
    """

    # uvicorn's initial state of a cycle.
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    _head: Any = None
    _cached_defaults: ClassVar[tuple[list[tuple[bytes, bytes]], bytes]] = ([], b"")

    def __init__(self, protocol: FastProtocol, *, keep_alive: bool) -> None:
        self.scope = protocol.scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.access_logger = protocol.access_logger
        self.access_log = protocol.access_log
        self.default_headers = protocol.server_state.default_headers
        self.message_event = asyncio.Event()
        self.on_response = protocol.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        self.body = bytearray()

    async def send(self, message: Any) -> None:
        """Hold back the head, and send it with the body."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = message
            self.response_started = True
            self.waiting_for_100_continue = False
            return
        head, self._head = self._head, None
        if head is not None:
            response = self._single_write(head, message)
            if response is not None:
                self.transport.write(response)
                self.response_complete = True
                self.message_event.set()
                self.on_response()
                return
            self.response_started = False
            on_response: Any = self.on_response
            transport: Any = ResponseTransport(on_response.__self__)
            self.transport = transport
            await super().send(head)
        await super().send(message)

    def _single_write(self, head: Any, message: Any) -> bytes | None:
        """Return the bytes of a complete response, or `None` to leave it to uvicorn."""
        if message.get("more_body") or not self.keep_alive or self.scope["method"] == "HEAD":
            return None
        if self.disconnected or self.flow.write_paused:
            return None
        body: bytes = message.get("body", b"")
        headers: list[tuple[bytes, bytes]] = head["headers"]
        end = b"\r\n"
        if headers[-len(_USUAL) :] == _USUAL:
            headers, end = headers[: -len(_USUAL)], _SECURITY + end
        parts = [STATUS_LINE[head["status"]], self._default_lines()]
        length = -1
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name not in _PLAIN or not value.decode("latin-1").isprintable():
                return None
            parts.append(name + b": " + value + b"\r\n")
        # Without a length, these have no body (RFC 9110, 15.3.5 and 15.4.5).
        expected = 0 if length < 0 and head["status"] in (204, 304) else length
        if expected != len(body):
            return None
        parts += (end, body)
        return b"".join(parts)

    def _default_lines(self) -> bytes:
        """Return uvicorn's default headers (server and date), which it renews once a second."""
        headers, lines = SingleWriteCycle._cached_defaults
        if headers is not self.default_headers:
            headers, lines = self.default_headers, header_lines(self.default_headers)
            SingleWriteCycle._cached_defaults = headers, lines
        return lines
