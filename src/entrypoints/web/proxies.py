"""Trusted proxies: what they say of the client's address and of the origin it asked."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.web.origins import PORTS, Origin

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """ASGI middleware that takes `X-Forwarded-For`, `-Proto` and `-Host` from trusted proxies.

    It replaces uvicorn's, which takes any text for an address and knows no `X-Forwarded-Host`.
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
            told = (b"host", host.encode("latin-1"))
            # Each is replaced, so that a request with two of them is still refused for it.
            headers = [told if header[0] == b"host" else header for header in scope["headers"]]
            scope["headers"] = headers if told in headers else [told, *headers]

    def _client(self, forwarded: Sequence[str], peer: Address) -> Address:
        """Return the last address that no trusted proxy has, the peer's if a text is no address.

        Each proxy appends the address of its peer, so a client can only make up what comes first.
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
    """Return the members of a list that may be spread over several headers (RFC 9110, 5.3)."""
    joined = ",".join(value.decode("latin-1") for value in values)
    return [member for text in joined.split(",") if (member := text.strip())]


def parse_address(text: str) -> Address | None:
    """Return the IP address in a text, which may have a port; `None` if there is none.

    An IPv4 address that is written as IPv6 is returned as IPv4.
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
