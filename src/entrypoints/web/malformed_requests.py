"""Malformed requests: a size limit for request heads, problem responses, and no upgrades."""

import logging
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from entrypoints.web.middleware import SECURITY_HEADERS
from entrypoints.web.problems import MEDIA_TYPE, ApiProblem

log = logging.getLogger("atelier.http")

Headers = Iterable[tuple[bytes, bytes]]

MAX_HEAD = 64 * 1024
"""Maximum size in bytes of a request head, of trailers, and of a chunk's first line."""

PIECE = 16 * 1024
"""Number of bytes parsed at once when more have arrived than a head may have."""


def header_lines(headers: Headers) -> bytes:
    """Return headers in their wire format."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


def bad_request() -> ApiProblem:
    """Return the problem for input that is not HTTP/1.1."""
    return ApiProblem("bad-request", "This is not a request in HTTP/1.1 (RFC 9112).")


def headers_too_large() -> ApiProblem:
    """Return the problem for a request head of more than the maximum size."""
    detail = f"Send a request line and headers of at most {MAX_HEAD:,} bytes together."
    return ApiProblem("headers-too-large", detail)


class StrictProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with a limit on heads and problems for malformed requests.

    It ignores offers to upgrade the protocol.
    """

    # Lower and upper bound of the bytes since a head, trailers or a chunk's first line began.
    _head_bytes = 0
    _max_head_bytes = 0
    _progressed = True
    # Whether the last request is complete; the head of the next one may have begun.
    _between_requests = True
    # The problem that ends the connection; later input is discarded.
    _problem: ApiProblem | None = None
    # Whether the response that ends the connection has been sent.
    _lingering = False

    def data_received(self, data: bytes) -> None:
        """Parse input, in pieces that reveal a head of more than the maximum size."""
        rest: bytes | memoryview = data
        while len(rest) > (room := MAX_HEAD + 1 - self._head_bytes):
            rest, size = memoryview(rest), min(room, PIECE)
            self._parse(rest[:size])
            if self._problem or self._lingering:
                return
            rest = rest[size:]
        self._parse(rest)

    def _parse(self, data: bytes | memoryview) -> None:
        """Parse a piece; count the bytes since a head, trailers or a chunk's first line began."""
        self._progressed = False
        self._max_head_bytes += len(data)
        try:
            self._feed_parser(data)
        except _HeadTooLarge:
            self.end_with(headers_too_large())
            return
        except HttpParserError as error:
            too_large = isinstance(error.__context__, _HeadTooLarge)
            self.end_with(headers_too_large() if too_large else bad_request())
            return
        if self._progressed:
            # The rest of a piece after a head or with a body is most likely body.
            self._head_bytes, self._max_head_bytes = 0, len(data)
        else:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            self.end_with(headers_too_large() if self._between_requests else bad_request())

    def _feed_parser(self, data: bytes | memoryview) -> None:
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
            kept = header_lines(header for header in self.headers if header[0] != b"upgrade")
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
        """Start the request, unless the head is read again after an upgrade offer."""
        if self._max_head_bytes > MAX_HEAD:
            self._require_small_head()
        if self.parser.should_upgrade():
            return
        self.start_request()
        self._progressed = True
        self._between_requests = False
        # Trailers are not part of the head (RFC 9110, 6.5.1).
        self.headers = []

    def start_request(self) -> None:
        """Create the cycle of the request whose head is complete, and start or queue it."""
        super().on_headers_complete()

    def _require_small_head(self) -> None:
        """Check the size of a head that arrived together with other data.

        Raises:
            _HeadTooLarge: when it exceeds the maximum, assuming one space before each header value.
        """
        size = len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n\r\n")
        size += sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
        if size > MAX_HEAD:
            raise _HeadTooLarge

    def on_body(self, body: bytes) -> None:
        """Forward a part of a body."""
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, unless the head is read again after an upgrade offer."""
        if self.parser.should_upgrade():
            return
        self._progressed = self._between_requests = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer 400; uvicorn calls this."""
        self.end_with(bad_request())

    def end_with(self, problem: ApiProblem) -> None:
        """Answer with a problem after all earlier responses, and accept no more input."""
        self._problem = problem
        # In the pipeline of requests, `run_asgi` sends it.
        in_line: Any = (self, self.app)
        if self._between_requests and self.cycle and not self.cycle.response_complete:
            self.pipeline.appendleft(in_line)
        elif not self._between_requests and self.pipeline:
            self.pipeline[0] = in_line  # replaces the malformed request
        elif not self._between_requests and self.cycle.response_started:
            self.linger()  # that request has its response, or part of it
        else:
            self._send_problem(problem)

    async def run_asgi(self, app: Any) -> None:
        """Send the problem, once all earlier requests have their responses."""
        assert self._problem is not None
        self._send_problem(self._problem)

    def _send_problem(self, problem: ApiProblem) -> None:
        """Send the problem and close, because the start of the next request is unknown."""
        if self.cycle and not self.cycle.response_complete:
            # Wake an application that still waits for the rest of this request.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        request_id = uuid4().hex
        self.transport.write(
            problem_response(problem, request_id, self.server_state.default_headers)
        )
        self.linger()
        log.info(
            "request refused",
            extra={
                "request_id": request_id,
                "status": problem.status,
                "code": problem.code,
                "client": self.client[0] if self.client else "",
            },
        )

    def linger(self) -> None:
        """Close the connection after its last response, as soon as the client can have read it."""
        self.transport.close()


def problem_response(problem: ApiProblem, request_id: str, default_headers: Headers) -> bytes:
    """Return the bytes of the response for a problem that ends a connection."""
    body = problem.body(request_id)
    head = (
        f"content-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\n"
        "cache-control: no-store\r\n"
        f"x-request-id: {request_id}\r\n"
        "connection: close\r\n"
    ).encode()
    own = header_lines((name.encode(), value.encode()) for name, value in problem.headers.items())
    more = own + header_lines(default_headers) + header_lines(SECURITY_HEADERS)
    return STATUS_LINE[problem.status] + head + more + b"\r\n" + body


class _HeadTooLarge(Exception):
    """A request head exceeds the maximum size."""
