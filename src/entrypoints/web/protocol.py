"""HTTP/1.1 protocol: limits of time and number for connections, lingering, and shutdown.

It relies on the attributes of uvicorn's `HttpToolsProtocol`, and on `_start_asgi_task` and
`_unset_keepalive_if_required`, as of uvicorn 0.54.
"""

import asyncio
import random
from weakref import ref

from entrypoints.web.connection_limits import (
    BODY_RATE,
    BODY_SECONDS,
    HEAD_SECONDS,
    IDLE_SECONDS,
    LINGER_SECONDS,
    LINGER_SILENCE,
    REJECTION_SECONDS,
    SEND_SECONDS,
    SPREAD_SECONDS,
    ConnectionTable,
    overloaded,
    request_timeout,
)
from entrypoints.web.malformed_requests import StrictProtocol


class Protocol(StrictProtocol):
    """uvicorn's HTTP/1.1 protocol with limits that protect the process.

    It limits the number of connections, the size of a request head, and the time for heads, bodies
    and the reading of responses. Malformed requests get a problem. Each connection has one timer.
    It checks what the connection waits for, and is set again for the next deadline.
    """

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
        self._table = ConnectionTable.of(self.server_state)
        # Replace uvicorn's limit, which would reject requests of admitted connections.
        limit, self.limit_concurrency = self.limit_concurrency, None
        if limit is None or self._table.admits(len(self.connections), limit):
            self._set_timer(HEAD_SECONDS + random.random() * SPREAD_SECONDS)
        else:
            # Answer 503 as soon as the connection has sent something.
            self._rejected = True
            self._table.reject(self, limit, self._since)
            self._set_timer(REJECTION_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from all records."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._table.remove(self)

    def data_received(self, data: bytes) -> None:
        """Parse input; discard it after the last response."""
        if self._problem or self._lingering:
            self._received += len(data)
            return
        if self._rejected:
            self.send_rejection()
            return
        if self._idle_since is not None:
            self._idle_since = None
            self._table.remove_idle(self)
            self._since = self.loop.time()
        super().data_received(data)

    def send_rejection(self) -> None:
        """Answer 503, unless this has been done."""
        if not self._lingering:
            self.end_with(overloaded())

    def on_headers_complete(self) -> None:
        """Start the request and the time limit of its body."""
        self._received = 0
        self._since = self.loop.time()
        super().on_headers_complete()

    def start_request(self) -> None:
        """Create the cycle of the request, with a transport that lingers before it closes."""
        super().start_request()
        self.cycle.transport = ResponseTransport(self)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Count and forward a part of a body."""
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the connection is idle if the response came before."""
        if not self.parser.should_upgrade() and self.cycle.response_complete:
            self._since = self.loop.time()
            self._become_idle()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the next pipelined request, or wait for a request or for the rest of this one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._lingering:
            return
        self.flow.resume_reading()
        if self.timeout_keep_alive_task is None:
            self._set_timer(IDLE_SECONDS)
        self._since = self.loop.time()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._received_before = -1
        if not self._head_bytes:
            self._become_idle()

    def _become_idle(self) -> None:
        self._idle_since = self._since
        self._table.add_idle(self)

    def _set_timer(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

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
            self._set_timer(LINGER_SILENCE)
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
                self._set_timer(LINGER_SILENCE)
        elif not self._between_requests:
            if self.flow.read_paused:
                self._since = now  # the service itself has paused reading
            self._require(self._since + BODY_SECONDS + self._received / BODY_RATE - now)
        elif not is_answered or self.pipeline:
            return  # the end of the response sets the timer again
        elif self._idle_since is None:
            self._require(self._since + HEAD_SECONDS - now)
        elif (left := self._idle_since + IDLE_SECONDS - now) > 0:
            self._set_timer(left)
        else:
            self.transport.close()

    def _require(self, seconds_left: float) -> None:
        """Wait for the seconds left, or answer 408 if there are none."""
        if seconds_left > 0:
            self._set_timer(seconds_left)
        else:
            self.end_with(request_timeout())

    def pause_writing(self) -> None:
        """Set the timer for a response that the client does not read."""
        super().pause_writing()
        if self.timeout_keep_alive_task is None:
            self._set_timer(LINGER_SILENCE)

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
            self.linger()

    def linger(self) -> None:
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
        self._set_timer(LINGER_SILENCE)


class ResponseTransport:
    """The transport of a response: it leaves closing to the protocol, which may linger.

    The reference to the protocol is weak, because the protocol refers to the response's cycle.
    """

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = ref(protocol)
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        """Close the connection, unless it is lost."""
        protocol = self._protocol()
        if protocol is not None:
            protocol.close()
