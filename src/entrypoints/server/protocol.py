"""HTTP/1.1 protocol: connection limits, single-write responses, and malformed requests."""

import asyncio
import logging
import random
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import unquote
from uuid import uuid4
from weakref import WeakKeyDictionary

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from entrypoints.web.middleware import SECURITY_HEADERS, STRICT_TRANSPORT
from entrypoints.web.problems import MEDIA_TYPE, RETRY_AFTER, ApiProblem

log = logging.getLogger("atelier.http")


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers in their wire format."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


_USUAL = list(SECURITY_HEADERS)
_SECURITY = _lines(SECURITY_HEADERS)

# Headers of a response that need no special handling by uvicorn.
_PLAIN = frozenset(
    (
        *(b"date", b"content-type", b"etag", b"location", b"link", b"cache-control", b"vary"),
        *(b"x-request-id", b"allow", b"retry-after", b"www-authenticate"),
        *(name for name, _ in (*SECURITY_HEADERS, STRICT_TRANSPORT)),
        *(b"access-control-allow-origin", b"access-control-expose-headers"),
    )
)

MAX_HEAD = 64 * 1024
"""Maximum size in bytes of a request head, of trailers, and of a chunk's first line."""

PIECE = 16 * 1024
"""Number of bytes parsed at once when more have arrived than a head may have."""

HEAD_SECONDS = 10.0
"""Seconds for a request head, from its first byte or from the start of the connection."""

BODY_SECONDS = 30.0
"""Seconds for a body; each `BODY_RATE` bytes received add one second."""

BODY_RATE = 16 * 1024

IDLE_SECONDS = 75.0
"""Seconds that a connection may be idle after a response.

Proxies and load balancers keep idle connections for 60 seconds, and most clients for less. If the
service closed one first, a request could arrive just then, which the client must not resend.
"""

SEND_SECONDS = 30.0
"""Seconds for which a client may read nothing of a pending response."""

LINGER_SECONDS = 30.0
"""Linger: seconds for which input is discarded after an early response, so that it can be read.

Closing a connection with unread data resets it, and the response is lost (RFC 9112, 9.6).
"""

LINGER_SILENCE = 5.0
"""Seconds without input after which lingering ends."""

SPREAD_SECONDS = 0.5
"""Maximum random extension of the first timeout, so that simultaneous connections end apart."""

MAX_REJECTED = 32
"""Maximum number of connections beyond the limit that wait for a rejection."""

REJECTION_SECONDS = 1.0
"""Seconds that each of them may wait for its request."""

OVERLOAD_LOG_SECONDS = 10.0
"""Minimum seconds between two log events for too many connections."""

_DETAILS = {
    "bad-request": "This is not a request in HTTP/1.1 (RFC 9112).",
    "headers-too-large": f"Send a request line and headers of at most {MAX_HEAD:,} bytes together.",
    "request-timeout": (
        f"Send the headers within {HEAD_SECONDS:.0f} seconds, and the body within"
        f" {BODY_SECONDS:.0f} seconds and one more for each {BODY_RATE:,} bytes."
    ),
    "overloaded": "There are too many connections at the moment. Nothing was done.",
}


class _Cycle(RequestResponseCycle):
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
        """Hold back the head, and send it with the body."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = message
            self.response_started = True
            self.waiting_for_100_continue = False
            return
        head, self._head = self._head, None
        if head is not None:
            answer = self._single_write(head, message)
            if answer is not None:
                self.transport.write(answer)
                self.response_complete = True
                self.message_event.set()
                self.on_response()
                return
            self.response_started = False
            on_response: Any = self.on_response
            wire: Any = _Wire(on_response.__self__)
            self.transport = wire
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
        """Return uvicorn's default headers (server and date), which it renews once a second."""
        said, lines = _Cycle._cached_defaults
        if said is not self.default_headers:
            said, lines = self.default_headers, _lines(self.default_headers)
            _Cycle._cached_defaults = said, lines
        return lines


class _Wire:
    """A transport that delegates closing to the protocol, which may linger.

    It exists only for responses that uvicorn writes. A reference from every cycle to its protocol
    would be a reference cycle, which only the garbage collector frees.
    """

    def __init__(self, protocol: "Protocol") -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.close()


class _Overload:
    """A server's rejected, idle and evicted connections, and the time of the last log event."""

    def __init__(self) -> None:
        # in order of arrival
        self.rejected: dict[Protocol, None] = {}
        # in the order in which they became idle
        self.idle: dict[Protocol, None] = {}
        # idle connections that are being closed to make room
        self.evicted: set[Protocol] = set()
        self.logged_at = float("-inf")

    def number(self) -> int:
        return len(self.rejected) + len(self.evicted)


_overloads: WeakKeyDictionary[ServerState, _Overload] = WeakKeyDictionary()


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with its own request cycles and limits per connection.

    It limits the number of connections, the size of a request head, and the time for heads, bodies
    and the reading of responses. It handles upgrades and malformed requests differently, and does
    less work per request. Each connection has one timer. It checks what the connection waits for,
    and is set again for the next deadline.
    """

    # Lower and upper bound of the bytes since a head, trailers or a chunk's first line began.
    _head_bytes = 0
    _max_head_bytes = 0
    _progressed = True
    # Whether the last request is complete; the head of the next one may have begun.
    _between_requests = True
    # The problem that ends the connection; later input is discarded.
    _problem = ""
    _lingering = False
    _stopping = False
    _rejected = False
    # Start of the current wait; `_idle_since` is set too if the wait is for a request.
    _since = 0.0
    _idle_since: float | None = None
    # Bytes received of a body, or discarded; and their number at the timer's last check.
    _received = 0
    _received_before = -1
    _unsent = 0
    _unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set the timer, and evict or reject a connection if there are too many."""
        super().connection_made(transport)
        self._since = self.loop.time()
        overload = _overloads.get(self.server_state)
        if overload is None:
            overload = _overloads[self.server_state] = _Overload()
        self._overload = overload
        limit = self.limit_concurrency
        number = len(self.connections) - overload.number()
        if limit is not None and number > limit and not self._evict(overload):
            self._reject(overload, limit)
            return
        self._wait(HEAD_SECONDS + random.random() * SPREAD_SECONDS)

    def _evict(self, overload: _Overload) -> bool:
        """Close the connection that has been idle for longest; return whether there was one."""
        while overload.idle:
            longest = next(iter(overload.idle))
            del overload.idle[longest]
            if not longest.transport.is_closing():
                overload.evicted.add(longest)
                longest.transport.close()
                return True
        return False

    def _reject(self, overload: _Overload, limit: int) -> None:
        """Answer 503 as soon as the connection has sent something."""
        if self._since - overload.logged_at >= OVERLOAD_LOG_SECONDS:
            overload.logged_at = self._since
            client = self.client[0] if self.client else ""
            log.warning("too many connections", extra={"limit": limit, "client": client})
        if len(overload.rejected) >= MAX_REJECTED:
            # By now, a client with a request has most likely sent it.
            longest = next(iter(overload.rejected))
            del overload.rejected[longest]
            if not longest._lingering:
                longest._end_with("overloaded")
            longest.transport.close()
        self._rejected = True
        overload.rejected[self] = None
        self._wait(REJECTION_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from all records."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._overload.rejected.pop(self, None)
        self._overload.idle.pop(self, None)
        self._overload.evicted.discard(self)

    def data_received(self, data: bytes) -> None:
        """Parse input, in pieces that reveal a head of more than the maximum size."""
        if self._problem or self._lingering:
            self._received += len(data)
            return
        if self._rejected:
            self._end_with("overloaded")
            return
        if self._idle_since is not None:
            self._idle_since = None
            self._overload.idle.pop(self, None)
            self._since = self.loop.time()
        rest: bytes | memoryview = data
        while len(rest) > (room := MAX_HEAD + 1 - self._head_bytes):
            rest, size = memoryview(rest), min(room, PIECE)
            self._take(rest[:size])
            if self._problem or self._lingering:
                return
            rest = rest[size:]
        self._take(rest)

    def _take(self, data: bytes | memoryview) -> None:
        """Parse a piece; count the bytes since a head, trailers or a chunk's first line began."""
        self._progressed = False
        self._max_head_bytes += len(data)
        try:
            self._feed(data)
        except _HeadTooLarge:
            self._end_with("headers-too-large")
            return
        except HttpParserError as error:
            too_large = isinstance(error.__context__, _HeadTooLarge)
            self._end_with("headers-too-large" if too_large else "bad-request")
            return
        if self._progressed:
            # The rest of a piece after a head or with a body is most likely body.
            self._head_bytes, self._max_head_bytes = 0, len(data)
        else:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            self._end_with("headers-too-large" if self._between_requests else "bad-request")

    def _feed(self, data: bytes | memoryview) -> None:
        """Parse input, and ignore an offer to upgrade the protocol (RFC 9110, 7.8).

        The parser would treat everything after the offer as the new protocol. A new parser
        therefore reads the head again without the offer, and then the rest.

        Raises:
            HttpParserError: when the input is not HTTP/1.1.
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
            # uvicorn sets this too.
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(line + kept + b"\r\n")

    def on_headers_complete(self) -> None:
        """Start the request's cycle, unless the head is read again after an upgrade offer."""
        parser = self.parser
        if self._max_head_bytes > MAX_HEAD:
            self._require_small_head()
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
        self._progressed = True
        self._between_requests = False
        self._since = self.loop.time()
        self._received = 0
        # Trailers are not part of the head (RFC 9110, 6.5.1).
        self.headers = []

    def _require_small_head(self) -> None:
        """Check the size of a head that arrived together with other data.

        Raises:
            _HeadTooLarge: when it exceeds the maximum, assuming one space before each header value.
        """
        size = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n\r\n")
        size += sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
        if size > MAX_HEAD:
            raise _HeadTooLarge

    def on_response_complete(self) -> None:
        """Start the next pipelined request, or wait for a request or for the rest of this one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._lingering:
            return
        self.flow.resume_reading()
        if self.timeout_keep_alive_task is None:
            self._wait(IDLE_SECONDS)
        self._since = self.loop.time()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._received_before = -1
        if not self._head_bytes:
            self._begin_to_idle()

    def _begin_to_idle(self) -> None:
        self._idle_since = self._since
        self._overload.idle[self] = None

    def timeout_keep_alive_handler(self) -> None:
        """Enforce the deadlines of the connection, and set the timer for the next one."""
        self.timeout_keep_alive_task = None
        if self.transport.is_closing():
            return
        now = self.loop.time()
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            # The client is still reading a response, so it need not send anything.
            if unsent != self._unsent:
                self._unsent, self._unsent_since = unsent, now
            elif now - self._unsent_since >= SEND_SECONDS:
                self.transport.abort()
                return
            self._wait(LINGER_SILENCE)
            return
        is_answered = self.cycle is None or self.cycle.response_complete
        if self._rejected and not self._lingering:
            self.transport.close()
        elif self._lingering or (is_answered and not self._between_requests):
            silent = self._received == self._received_before
            self._received_before = self._received
            if silent or now - self._since >= LINGER_SECONDS:
                self.transport.close()
            else:
                self._wait(LINGER_SILENCE)
        elif not self._between_requests:
            if self.flow.read_paused:
                self._since = now  # the service itself has paused reading
            self._time_out(self._since + BODY_SECONDS + self._received / BODY_RATE - now)
        elif not is_answered or self.pipeline:
            return  # the end of the response sets the timer again
        elif self._idle_since is None:
            self._time_out(self._since + HEAD_SECONDS - now)
        elif (left := self._idle_since + IDLE_SECONDS - now) > 0:
            self._wait(left)
        else:
            self.transport.close()

    def _time_out(self, left: float) -> None:
        """Wait for the seconds left, or answer 408 if there are none."""
        if left > 0:
            self._wait(left)
        else:
            self._end_with("request-timeout")

    def _wait(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def pause_writing(self) -> None:
        """Set the timer for a response that the client does not read."""
        super().pause_writing()
        if self.timeout_keep_alive_task is None:
            self._wait(LINGER_SILENCE)

    def shutdown(self) -> None:
        """Shut down gracefully: close at once unless a request is in progress."""
        self._stopping = True
        if self._lingering:
            self.transport.close()
        else:
            super().shutdown()

    def close(self) -> None:
        """Close the connection after its last response; linger if a request is still arriving."""
        if self._between_requests or self._stopping:
            self.transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Send no more, and discard input until the client closes or a limit is reached."""
        if self.transport.is_closing():
            return
        if self._stopping:
            self.transport.close()
            return
        self._lingering = True
        self._since = self.loop.time()
        self._received_before = self._received
        self.flow.resume_reading()
        self.transport.write_eof()
        self._unset_keepalive_if_required()
        self._wait(LINGER_SILENCE)

    def on_body(self, body: bytes) -> None:
        """Count and forward a part of a body."""
        self._progressed = True
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, unless the head is read again after an upgrade offer."""
        if self.parser.should_upgrade():
            return
        self._progressed = self._between_requests = True
        if self.cycle.response_complete:
            # The response came before the end of the request, so the connection is idle only now.
            self._since = self.loop.time()
            self._begin_to_idle()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer 400; uvicorn calls this."""
        self._end_with("bad-request")

    def _end_with(self, problem: str) -> None:
        """Answer with a problem after all earlier responses, and accept no more input."""
        self._problem = problem
        # In the pipeline of requests, `run_asgi` sends it.
        in_line: Any = (self, self.app)
        if self._between_requests and self.cycle and not self.cycle.response_complete:
            self.pipeline.appendleft(in_line)
        elif not self._between_requests and self.pipeline:
            self.pipeline[0] = in_line  # replaces the malformed request
        elif not self._between_requests and self.cycle.response_started:
            self._linger()  # that request has its response, or part of it
        else:
            self._refuse()

    async def run_asgi(self, app: Any) -> None:
        """Send the problem, once all earlier requests have their responses."""
        self._refuse()

    def _refuse(self) -> None:
        """Send the problem and close, because the start of the next request is unknown."""
        if self.cycle and not self.cycle.response_complete:
            # Wake an application that still waits for the rest of this request.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        request_id = uuid4().hex
        headers = {"Retry-After": RETRY_AFTER} if self._problem == "overloaded" else {}
        refused = ApiProblem(self._problem, _DETAILS[self._problem], headers=headers)
        body = refused.body(request_id)
        head = (
            STATUS_LINE[refused.status]
            + (
                f"content-type: {MEDIA_TYPE}\r\n"
                f"content-length: {len(body)}\r\n"
                "cache-control: no-store\r\n"
                f"x-request-id: {request_id}\r\n"
                "connection: close\r\n"
            ).encode()
        )
        more = _lines((name.encode(), value.encode()) for name, value in refused.headers.items())
        said = _lines(self.server_state.default_headers)
        self.transport.write(head + more + said + _SECURITY + b"\r\n" + body)
        self._linger()
        client = self.client[0] if self.client else ""
        log.info(
            "request refused",
            extra={
                "request_id": request_id,
                "status": refused.status,
                "code": refused.code,
                "client": client,
            },
        )


class _HeadTooLarge(Exception):
    """A request head exceeds the maximum size."""
