"""Trusted proxies: the client address and the origin from their forwarding headers."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.web.origins import PORTS, Origin

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """ASGI middleware that applies `X-Forwarded-For`, `-Proto` and `-Host` of trusted proxies.

    It replaces the middleware of uvicorn, which accepts any text as an address and ignores
    `X-Forwarded-Host`.
    """

    def __init__(self, app: ASGIApp, proxies: Sequence[str]) -> None:
        self._app = app
        self._networks = [ip_network(proxy, strict=False) for proxy in proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("client"):
            peer = parse_address(scope["client"][0])
            if peer is not None and self._trusts(peer):
                self._take_over(scope, peer)
        await self._app(scope, receive, send)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _take_over(self, scope: Scope, peer: Address) -> None:
        said: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            if name.startswith(b"x-forwarded-"):
                said.setdefault(name, []).append(value)
        forwarded = _members(said.get(b"x-forwarded-for", ()))
        if forwarded:
            scope["client"] = (str(self._client(forwarded, peer)), 0)
        scheme = next(iter(_members(said.get(b"x-forwarded-proto", ()))), "").lower()
        if scheme in PORTS:
            scope["scheme"] = scheme
        host = next(iter(_members(said.get(b"x-forwarded-host", ()))), "")
        if Origin.parse(f"{scope['scheme']}://{host}"):
            new_host = (b"host", host.encode("latin-1"))
            # Replace every Host header, so that a request with two is still rejected.
            headers = [new_host if header[0] == b"host" else header for header in scope["headers"]]
            scope["headers"] = headers if new_host in headers else [new_host, *headers]

    def _client(self, forwarded: Sequence[str], peer: Address) -> Address:
        """Return the last untrusted address, or the first one if all are trusted.

        Each proxy appends the address of its peer, so a client can only forge the first entries.
        With an invalid entry after the client's address, return the peer's address.
        """
        client = peer
        for text in reversed(forwarded):
            address = parse_address(text)
            if address is None:
                return peer
            client = address
            if not self._trusts(client):
                break
        return client


def _members(values: Iterable[bytes]) -> list[str]:
    """Return the members of a list header that may be repeated (RFC 9110, 5.3)."""
    joined = ",".join(value.decode("latin-1") for value in values)
    return [member for text in joined.split(",") if (member := text.strip())]


def parse_address(text: str) -> Address | None:
    """Parse an IP address with an optional port; return `None` if it is invalid.

    Convert IPv4-mapped IPv6 addresses to IPv4.
    """
    host, port = text, ""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return None
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit() and int(port[:6]) < 65536):
        return None
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address
