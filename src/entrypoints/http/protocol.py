"""Below the application: what cannot even be read as HTTP is answered with a problem, too."""

import logging
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from entrypoints.http.errors import MEDIA_TYPE, Refused
from entrypoints.http.frontdoor import SECURITY_HEADERS

log = logging.getLogger("atelier.http")

_SECURITY = b"".join(b"%b: %b\r\n" % header for header in SECURITY_HEADERS)


MAX_HEAD = 64 * 1024
"""How many bytes of a head are waited for before the request is refused."""


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, but for endless heads and plain text answers to malformed requests."""

    _of_head = 0
    _in_head = True
    _ended = False

    def data_received(self, data: bytes) -> None:
        """Take what has come, unless it is still a head after more than heads are long."""
        self._ended = False
        super().data_received(data)
        # What came with the end of a message was most likely that message's.
        waiting = self._in_head and not self._ended
        self._of_head = self._of_head + len(data) if waiting else 0
        if self._of_head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("the head is too long")

    def on_headers_complete(self) -> None:
        """Take note that the head is over."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take note that a head comes next."""
        self._in_head = self._ended = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
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
        self.transport.write(head.encode() + _SECURITY + b"\r\n" + body)
        self.transport.close()
        log.info("malformed request", extra={"request_id": request_id, "status": 400})
