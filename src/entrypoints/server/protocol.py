"""Below the application: limits on connections, short answers in one write, malformed requests."""

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
    """Return headers as they go over the wire."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


_USUAL = list(SECURITY_HEADERS)
_SECURITY = _lines(SECURITY_HEADERS)

# What an answer may say that needs nothing else done about it.
_PLAIN = frozenset(
    (
        *(b"date", b"content-type", b"etag", b"location", b"link", b"cache-control", b"vary"),
        *(b"x-request-id", b"allow", b"retry-after", b"www-authenticate"),
        *(name for name, _ in (*SECURITY_HEADERS, STRICT_TRANSPORT)),
        *(b"access-control-allow-origin", b"access-control-expose-headers"),
    )
)

MAX_HEAD = 64 * 1024
"""How many bytes a head may have, and so may trailers and the line before a chunk."""

PIECE = 16 * 1024
"""How many bytes are parsed at once where more have come than a head may have."""

HEAD_SECONDS = 10.0
"""How long a head may take, from its first byte or from when the connection is made."""

BODY_SECONDS = 30.0
"""How long a body may take, and `BODY_RATE` bytes of it give it another second."""

BODY_RATE = 16 * 1024

IDLE_SECONDS = 75.0
"""How long a connection may idle after an answer.

Proxies and load balancers keep theirs for 60 seconds, and most clients for fewer. If the service
closed one first, it could do so just as a request comes, which the client must not send again.
"""

SEND_SECONDS = 30.0
"""How long a client may read nothing of an answer that waits to be sent."""

LINGER_SECONDS = 30.0
"""How long what still arrives after an early answer is read and discarded, so that it is seen.

A connection that is closed with unread data in it is reset, which takes the answer with it
(RFC 9112, 9.6).
"""

LINGER_SILENCE = 5.0
"""How long nothing may arrive meanwhile."""

SPREAD_SECONDS = 0.5
"""How much longer silence lasts at most, so that connections made at once do not end at once."""

MAX_REJECTED = 32
"""How many connections beyond the limit may wait at once to be told so."""

REJECTION_SECONDS = 1.0
"""How long each of them may wait for its request."""

OVERLOAD_LOG_SECONDS = 10.0
"""How often the log says at most that there are too many connections."""

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
        """Take the head, and send it with what comes next."""
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
        said, lines = _Cycle._cached_defaults
        if said is not self.default_headers:
            said, lines = self.default_headers, _lines(self.default_headers)
            _Cycle._cached_defaults = said, lines
        return lines


class _Wire:
    """A transport whose closing is left to the protocol, which may linger.

    It is made for the answers that uvicorn writes. If each cycle referred to its protocol, only the
    garbage collector would free them.
    """

    def __init__(self, protocol: "Protocol") -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.close()


class _Overload:
    """The connections of one server that take no room or idle, and when the log said so last."""

    def __init__(self) -> None:
        # In the order in which they came.
        self.rejected: dict[Protocol, None] = {}
        # In the order in which they began to idle.
        self.idle: dict[Protocol, None] = {}
        # They idled, and are being closed to make room for others.
        self.evicted: set[Protocol] = set()
        self.logged_at = float("-inf")

    def number(self) -> int:
        return len(self.rejected) + len(self.evicted)


_overloads: WeakKeyDictionary[ServerState, _Overload] = WeakKeyDictionary()


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with cycles of our own and limits for each connection.

    It limits the number of connections, the size of a head, and the time that heads, bodies and the
    reading of answers take. It differs in what is done about upgrades and malformed requests, and
    does less for each request. Each connection has one timer, which looks at what the connection
    waits for and how long it has done so, and is set again for when that would be too long.
    """

    # Bytes since a head, trailers or a chunk's first line began: at least, and at most.
    _head_bytes = 0
    _max_head_bytes = 0
    _progressed = True
    # Whether the request that came last is complete; the next one's head may have begun.
    _between_requests = True
    # The problem that ends the connection; what still arrives is discarded.
    _problem = ""
    _lingering = False
    _stopping = False
    _rejected = False
    # Since when what the connection waits for is waited for; `_idle_since` if that is a request.
    _since = 0.0
    _idle_since: float | None = None
    # Bytes of the body, or discarded ones; and what they were when the timer looked last.
    _received = 0
    _received_before = -1
    _unsent = 0
    _unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set the timer, and see whether there are too many connections."""
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
        """Close the connection that has idled for longest; return whether there was one."""
        while overload.idle:
            longest = next(iter(overload.idle))
            del overload.idle[longest]
            if not longest.transport.is_closing():
                overload.evicted.add(longest)
                longest.transport.close()
                return True
        return False

    def _reject(self, overload: _Overload, limit: int) -> None:
        """Have the connection told that there are too many, once it has sent something."""
        if self._since - overload.logged_at >= OVERLOAD_LOG_SECONDS:
            overload.logged_at = self._since
            client = self.client[0] if self.client else ""
            log.warning("too many connections", extra={"limit": limit, "client": client})
        if len(overload.rejected) >= MAX_REJECTED:
            # A client with a request has most likely sent it by now.
            longest = next(iter(overload.rejected))
            del overload.rejected[longest]
            if not longest._lingering:
                longest._end_with("overloaded")
            longest.transport.close()
        self._rejected = True
        overload.rejected[self] = None
        self._wait(REJECTION_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._overload.rejected.pop(self, None)
        self._overload.idle.pop(self, None)
        self._overload.evicted.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, in pieces that show when a head is longer than it may be."""
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
            # What came with the end of a head, or with a body, was most likely that.
            self._head_bytes, self._max_head_bytes = 0, len(data)
        else:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            self._end_with("headers-too-large" if self._between_requests else "bad-request")

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
        # Trailers are no part of the head (RFC 9110, 6.5.1).
        self.headers = []

    def _require_small_head(self) -> None:
        """Measure a head that came with something else, and may be larger than allowed.

        Raises:
            _HeadTooLarge: when it is, in the usual form: with one space before each value.
        """
        size = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n\r\n")
        size += sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
        if size > MAX_HEAD:
            raise _HeadTooLarge

    def on_response_complete(self) -> None:
        """Begin the next answer, or wait for a request or for the rest of this one."""
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
        """Look whether something takes too long, or else when it will have."""
        self.timeout_keep_alive_task = None
        if self.transport.is_closing():
            return
        now = self.loop.time()
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            # The client is reading an answer; until it has, it need not send anything.
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
                self._since = now  # the service itself has not read on
            self._time_out(self._since + BODY_SECONDS + self._received / BODY_RATE - now)
        elif not is_answered or self.pipeline:
            return  # the timer is set again with the end of the answer
        elif self._idle_since is None:
            self._time_out(self._since + HEAD_SECONDS - now)
        elif (left := self._idle_since + IDLE_SECONDS - now) > 0:
            self._wait(left)
        else:
            self.transport.close()

    def _time_out(self, left: float) -> None:
        """Wait for as many seconds as are left, or answer 408 if there are none."""
        if left > 0:
            self._wait(left)
        else:
            self._end_with("request-timeout")

    def _wait(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def pause_writing(self) -> None:
        """Have the timer look after an answer that the client does not read."""
        super().pause_writing()
        if self.timeout_keep_alive_task is None:
            self._wait(LINGER_SILENCE)

    def shutdown(self) -> None:
        """Stop: a connection on which nothing is being answered is closed at once."""
        self._stopping = True
        if self._lingering:
            self.transport.close()
        else:
            super().shutdown()

    def close(self) -> None:
        """Close the connection after its last answer, and linger if a request is still arriving."""
        if self._between_requests or self._stopping:
            self.transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Send no more, and discard what still arrives until the client closes, within limits."""
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
        """Take a part of a body."""
        self._progressed = True
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request, if this is no head that is read again."""
        if self.parser.should_upgrade():
            return
        self._progressed = self._between_requests = True
        if self.cycle.response_complete:
            # It was answered before all of it had come; only now the connection is idle.
            self._since = self.loop.time()
            self._begin_to_idle()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer 400; uvicorn calls this."""
        self._end_with("bad-request")

    def _end_with(self, problem: str) -> None:
        """Answer with a problem once all is answered that came before, and take nothing more."""
        self._problem = problem
        # In line with requests, it is answered by `run_asgi`.
        in_line: Any = (self, self.app)
        if self._between_requests and self.cycle and not self.cycle.response_complete:
            self.pipeline.appendleft(in_line)
        elif not self._between_requests and self.pipeline:
            self.pipeline[0] = in_line  # in place of the request that goes on like this
        elif not self._between_requests and self.cycle.response_started:
            self._linger()  # that request has its answer, or half of it
        else:
            self._refuse()

    async def run_asgi(self, app: Any) -> None:
        """Refuse, now that there is nothing to be answered before."""
        self._refuse()

    def _refuse(self) -> None:
        """Answer with the problem, and close: nobody knows where the next request would begin."""
        if self.cycle and not self.cycle.response_complete:
            # Whoever still waits for the rest of this request is told that there is none.
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
    """A head has more bytes than it may have."""
