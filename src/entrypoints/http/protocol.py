"""Below the application: what cannot even be read as HTTP is answered with a problem, too."""

import logging
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from entrypoints.http.errors import MEDIA_TYPE, Refused
from entrypoints.http.frontdoor import CONTENT_POLICY, SECURITY_HEADERS

log = logging.getLogger("atelier.http")

_SECURITY = b"".join(b"%b: %b\r\n" % header for header in (CONTENT_POLICY, *SECURITY_HEADERS))


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, but for its plain text answer to a malformed request."""

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
