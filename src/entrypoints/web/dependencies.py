"""FastAPI dependencies: small functions that inject the application's ports by type."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request

from domain.actors import Actor
from domain.base import Context, Expected
from domain.currencies import Currency
from entrypoints.web.etags import expected_versions, header_list
from entrypoints.web.prices import priced
from service_layer.accounts import AccountService
from service_layer.authentication import Authenticator
from service_layer.database_monitor import DatabaseMonitor
from service_layer.ports import Clock, Database, ImageStore, MarkdownRenderer
from service_layer.queries.access import AccessQueries, Grant, TokenQueries
from service_layer.queries.catalogue import CategoryQueries, ProductQueries
from service_layer.queries.devices import DeviceQueries
from service_layer.queries.posts import PostQueries
from service_layer.queries.stock import MovementQueries
from service_layer.queries.tasks import TaskQueries
from service_layer.queries.users import PublicUser, UserQueries
from service_layer.runner import Runner


@dataclass(frozen=True)
class Ports:
    """The ports that the composition root provides."""

    clock: Clock
    database: Database
    database_monitor: DatabaseMonitor
    runner: Runner
    authenticator: Authenticator
    accounts: AccountService
    images: ImageStore
    markdown: MarkdownRenderer
    task_queries: TaskQueries
    post_queries: PostQueries
    user_queries: UserQueries
    category_queries: CategoryQueries
    product_queries: ProductQueries
    movement_queries: MovementQueries
    device_queries: DeviceQueries
    token_queries: TokenQueries
    access_queries: AccessQueries


def ports(request: Request) -> Ports:
    """Return the ports of the application that handles the request."""
    made: Ports = request.scope["ports"]
    return made


def _port(name: str) -> Any:
    """Return a dependency that provides a port."""

    async def provide(request: Request) -> Any:
        return getattr(ports(request), name)

    return Depends(provide)


async def _now(request: Request) -> datetime:
    return ports(request).clock()


async def _products(request: Request) -> ProductQueries:
    return priced(ports(request).product_queries, request.app.state.currency)


async def _currency(request: Request) -> Currency:
    currency: Currency = request.app.state.currency
    return currency


async def _key_digest(request: Request) -> str:
    digest: str = request.scope["key_digest"]
    return digest


async def _grant(request: Request) -> Grant:
    grant: Grant = request.scope["grant"]
    return grant


async def _actor(request: Request) -> Actor:
    grant: Grant = request.scope["grant"]
    return grant.actor


async def _context(request: Request) -> Context:
    """Return the context of the operation; its actor is `None` without an authenticated caller."""
    grant: Grant | None = request.scope.get("grant")
    return Context(grant.actor if grant else None, ports(request).clock())


class ReferencedUsers:
    """Lookup of the public views of users that the response to a change refers to.

    The actor's own view comes with the grant, so only other users need a query.
    """

    def __init__(self, users: UserQueries, asking: PublicUser) -> None:
        self._users = users
        self._asking = asking

    async def __call__(self, *ids: UUID | None) -> Mapping[UUID, PublicUser]:
        """Return the public views by user id. The actor is always included."""
        others = {id for id in ids if id is not None and id != self._asking.id}
        return {**await self._users.public(others), self._asking.id: self._asking}


async def _people(request: Request) -> ReferencedUsers:
    grant: Grant = request.scope["grant"]
    return ReferencedUsers(ports(request).user_queries, grant.public)


async def _address(request: Request) -> str:
    return client_network(request.client.host) if request.client else ""


def client_network(host: str) -> str:
    """Return the rate limit key of a client address.

    For IPv6 it is the /64 network: one customer has at least that (RFC 6177), and can choose the
    other bits freely.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        network = ip_network(f"{address}/64", strict=False)
        return str(address.ipv4_mapped or network)
    return str(address)


async def if_match(request: Request) -> Expected:
    """Return the versions that If-Match accepts, `None` for any.

    Raises:
        ApiProblem: 400 when the header is not a list of entity tags.
    """
    return expected_versions(header_list(request.scope["headers"], b"if-match"))


UseCases = Annotated[Runner, _port("runner")]
Now = Annotated[datetime, Depends(_now)]
DatabasePort = Annotated[Database, _port("database")]
Tasks = Annotated[TaskQueries, _port("task_queries")]
Users = Annotated[UserQueries, _port("user_queries")]
UsersByReference = Annotated[ReferencedUsers, Depends(_people)]
Posts = Annotated[PostQueries, _port("post_queries")]
Categories = Annotated[CategoryQueries, _port("category_queries")]
Products = Annotated[ProductQueries, Depends(_products)]
InCurrency = Annotated[Currency, Depends(_currency)]
Movements = Annotated[MovementQueries, _port("movement_queries")]
Devices = Annotated[DeviceQueries, _port("device_queries")]
KeyDigest = Annotated[str, Depends(_key_digest)]
Tokens = Annotated[TokenQueries, _port("token_queries")]
AuthenticatorPort = Annotated[Authenticator, _port("authenticator")]
Accounts = Annotated[AccountService, _port("accounts")]
Markdown = Annotated[MarkdownRenderer, _port("markdown")]
CurrentGrant = Annotated[Grant, Depends(_grant)]
CurrentActor = Annotated[Actor, Depends(_actor)]
CurrentContext = Annotated[Context, Depends(_context)]
ClientAddress = Annotated[str, Depends(_address)]
IfMatch = Annotated[Expected, Depends(if_match)]
