"""Origins (RFC 6454): the public origin of this service, and the origins of requests."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Self

from starlette.requests import HTTPConnection

PORTS = {"http": 80, "https": 443}

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]\\]+)(?::(?P<port>[0-9]*))?",
    re.IGNORECASE,
)
_HOST_NAME = re.compile(r"[a-z0-9._~!$&'()+,;=%-]+")


@dataclass(frozen=True)
class Origin:
    """A scheme, a host and a port; `str()` is the serialization that browsers send."""

    scheme: str
    host: str
    port: int

    @classmethod
    @lru_cache(maxsize=256)
    def parse(cls, text: str) -> Self | None:
        """Parse an origin; return `None` unless it is a valid http or https origin."""
        match = _ORIGIN.fullmatch(text)
        host = _normalized(match["host"]) if match else None
        if match is None or host is None:
            return None
        scheme = match["scheme"].lower()
        port = int(match["port"][:6]) if match["port"] else PORTS[scheme]
        return cls(scheme, host, port) if 0 < port < 65536 else None

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    @property
    def has_default_port(self) -> bool:
        return self.port == PORTS[self.scheme]

    def __str__(self) -> str:
        port = "" if self.has_default_port else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


def _normalized(host: str) -> str | None:
    """Return a host in lower case, non-ASCII names in IDNA encoding; `None` if it is invalid."""
    if host.startswith("["):
        try:
            return f"[{IPv6Address(host[1:-1])}]"
        except AddressValueError:
            return None
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return None
    host = host.lower()
    return host if _HOST_NAME.fullmatch(host) else None


def public_origin(request: HTTPConnection) -> Origin:
    """Return the public origin of this service: the configured one, else that of the request."""
    configured: Origin | None = request.app.state.origin
    return configured or origin_of_host(request, request.scope["scheme"])


def origin_of_host(request: HTTPConnection, scheme: str) -> Origin:
    """Return the origin in the Host header of a request, `localhost` if it is invalid."""
    found = Origin.parse(f"{scheme}://{request.headers.get('host', '')}")
    return found or Origin(scheme, "localhost", PORTS[scheme])


def cookie_name(request: HTTPConnection, name: str, *, whole_site: bool = True) -> str:
    """Return the name of a cookie at the public origin.

    Cookies are not isolated by port (RFC 6265, 8.5): without the port in the name, two services on
    one host would overwrite each other's cookies. With TLS, a prefix makes the browser reject the
    cookie from plain connections, and `__Host-` also from other hosts (RFC 6265bis, 4.1.3).

    Args:
        request: the request that carries the cookie, or whose response sets it.
        name: the name without prefix and port.
        whole_site: whether the path of the cookie is `/`, which `__Host-` requires.
    """
    origin = public_origin(request)
    prefix = ("__Host-" if whole_site else "__Secure-") if origin.is_secure else ""
    return f"{prefix}{name}" if origin.has_default_port else f"{prefix}{name}-{origin.port}"
