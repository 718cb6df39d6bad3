"""Below the application: answers in one piece, and problems for what cannot be read as HTTP."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import unquote
from uuid import uuid4

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from entrypoints.http.errors import MEDIA_TYPE, Refused
from entrypoints.http.frontdoor import SECURITY_HEADERS

log = logging.getLogger("atelier.http")


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers as they go over the wire."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


_USUAL = list(SECURITY_HEADERS)
_SECURITY = _lines(SECURITY_HEADERS)

# What an answer may say that needs nothing else done about it.
_PLAIN = frozenset(
    (
        *(b"date", b"content-type", b"etag", b"location", b"link", b"cache-control", b"vary"),
        *(b"x-request-id", b"allow", b"retry-after", b"www-authenticate"),
        *(name for name, _ in SECURITY_HEADERS),
        *(b"access-control-allow-origin", b"access-control-expose-headers"),
    )
)

MAX_HEAD = 64 * 1024
"""How many bytes of a head, or of trailers, are waited for before the request is refused."""


class _Cycle(RequestResponseCycle):
    """uvicorn's way from a request to its answer, which here goes out in one piece.

    A system call is the dearest part of a short answer; uvicorn makes one for the head and one for
    the body. Whatever is not a head with its one body is left to it.
    """

    # How uvicorn has each of them begin.
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    _head: Any = None
    _said: ClassVar[tuple[list[tuple[bytes, bytes]], bytes]] = ([], b"")

    def __init__(self, protocol: "Protocol", *, keep_alive: bool) -> None:
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
        """Take the head, and send it with what comes next."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = message
            self.response_started = True
            self.waiting_for_100_continue = False
            return
        head, self._head = self._head, None
        if head is not None:
            answer = self._in_one_piece(head, message)
            if answer is not None:
                self.transport.write(answer)
                self.response_complete = True
                self.message_event.set()
                self.on_response()
                return
            self.response_started = False
            await super().send(head)
        await super().send(message)

    def _in_one_piece(self, head: Any, message: Any) -> bytes | None:
        """Return all of an answer, if there is no more to it than a head and this."""
        if message.get("more_body") or not self.keep_alive or self.scope["method"] == "HEAD":
            return None
        if self.disconnected or self.flow.write_paused:
            return None
        body: bytes = message.get("body", b"")
        headers: list[tuple[bytes, bytes]] = head["headers"]
        end = b"\r\n"
        if headers[-len(_USUAL) :] == _USUAL:
            headers, end = headers[: -len(_USUAL)], _SECURITY + end
        parts = [STATUS_LINE[head["status"]], self._of_server()]
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

    def _of_server(self) -> bytes:
        """Return what uvicorn says of itself and of the time, which it makes once a second."""
        said, lines = _Cycle._said
        if said is not self.default_headers:
            said, lines = self.default_headers, _lines(self.default_headers)
            _Cycle._said = said, lines
        return lines


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with cycles of our own.

    It differs in what is done about upgrades, heads and trailers without an end, and malformed
    requests; and it does less for each request. Where uvicorn has a timer end a connection that
    idles, one for each time that it does, here each connection has a timer that looks again.
    """

    _of_head = 0
    _understood = True
    _between = True
    _refused = False
    _idle_since: float | None = None

    def data_received(self, data: bytes) -> None:
        """Take what has come, unless lines have come without an end: of a head, of trailers."""
        if self._refused:
            return
        self._understood = False
        self._idle_since = None
        try:
            self._feed(data)
        except HttpParserError:
            self.send_400_response("this is not HTTP")
            return
        # What came with the end of a head, or with a body, was most likely that.
        self._of_head = 0 if self._understood else self._of_head + len(data)
        if self._of_head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("the head is too long")

    def _feed(self, data: bytes | memoryview) -> None:
        """Have what has come read; an offer of another protocol is passed over (RFC 9110, 7.8).

        The parser takes what follows such an offer for that protocol. So a new one reads the head
        again, without the offer, and then the rest.

        Raises:
            HttpParserError: when it is not HTTP/1.1.
        """
        while True:
            try:
                self.parser.feed_data(data)
                return
            except HttpParserUpgrade as offer:
                data = memoryview(data)[offer.args[0] :]
            method = self.parser.get_method()
            if method == b"CONNECT":
                raise HttpParserError("only a proxy takes this")
            kept = _lines(header for header in self.headers if header[0] != b"upgrade")
            line = b"%b %b HTTP/%b\r\n" % (
                method,
                self.url,
                self.parser.get_http_version().encode(),
            )
            self.parser = HttpRequestParser(self)
            # What uvicorn sets, too.
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(line + kept + b"\r\n")

    def on_headers_complete(self) -> None:
        """Begin to answer, if this is no head that is read again."""
        parser = self.parser
        if parser.should_upgrade():
            return
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
        self.cycle = _Cycle(self, keep_alive=version != "1.0" and parser.should_keep_alive())
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        self._understood = True
        self._between = False
        # Trailers are no part of the head (RFC 9110, 6.5.1).
        self.headers = []

    def on_response_complete(self) -> None:
        """Begin the next answer, or wait for a request for so long as a connection may idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it idles for long enough."""
        self.timeout_keep_alive_task = None
        if self._idle_since is not None:
            left = self._idle_since + self.timeout_keep_alive - self.loop.time()
            if left > 0:
                self._wait(left)
            else:
                super().timeout_keep_alive_handler()

    def _wait(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._understood = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request, if this is no head that is read again."""
        if self.parser.should_upgrade():
            return
        self._understood = self._between = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer 400 once all is answered that came before, and take nothing more."""
        self._refused = True
        # In line with requests, it is answered by `run_asgi`.
        in_line: Any = (self, self.app)
        if self._between and self.cycle and not self.cycle.response_complete:
            self.pipeline.appendleft(in_line)
        elif not self._between and self.pipeline:
            self.pipeline[0] = in_line  # in place of the request that goes on like this
        elif not self._between and self.cycle.response_started:
            self.transport.close()  # that request has its answer, or half of it
        else:
            self._refuse()

    async def run_asgi(self, app: Any) -> None:
        """Refuse, now that there is nothing to be answered before."""
        self._refuse()

    def _refuse(self) -> None:
        """Answer 400, and close the connection: nobody knows where the next request would begin."""
        request_id = uuid4().hex
        body = Refused("bad-request", "This is not a request in HTTP/1.1 (RFC 9112).").body(
            request_id
        )
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            f"content-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\n"
            "cache-control: no-store\r\n"
            f"x-request-id: {request_id}\r\n"
            "connection: close\r\n"
        )
        said = _lines(self.server_state.default_headers)
        self.transport.write(head.encode() + said + _SECURITY + b"\r\n" + body)
        self.transport.close()
        log.info("malformed request", extra={"request_id": request_id, "status": 400})
