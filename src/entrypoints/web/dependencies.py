"""FastAPI dependencies: small functions that inject the application's ports by type."""

from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, Request

from domain.actors import Actor
from domain.base import Context, Expected
from domain.currencies import Currency
from entrypoints.web.etags import expected_versions, header_list
from entrypoints.web.prices import priced
from service_layer.authentication import Authenticator
from service_layer.database_monitor import DatabaseMonitor
from service_layer.password_hashing import PasswordHashing
from service_layer.ports import Clock, Database, ImageStore, MarkdownRenderer
from service_layer.queries.access import AccessQueries, Grant, TokenQueries
from service_layer.queries.catalogue import CategoryQueries, ProductQueries
from service_layer.queries.devices import DeviceQueries
from service_layer.queries.posts import PostQueries
from service_layer.queries.stock import MovementQueries
from service_layer.queries.tasks import TaskQueries
from service_layer.queries.users import PublicUser, UserQueries
from service_layer.runner import Runner


class Ports(Protocol):
    """The ports that the composition root provides, each as a factory."""

    @property
    def clock(self) -> Callable[[], Clock]: ...
    @property
    def database(self) -> Callable[[], Database]: ...
    @property
    def database_monitor(self) -> Callable[[], DatabaseMonitor]: ...
    @property
    def runner(self) -> Callable[[], Runner]: ...
    @property
    def authenticator(self) -> Callable[[], Authenticator]: ...
    @property
    def password_hashing(self) -> Callable[[], PasswordHashing]: ...
    @property
    def pictures(self) -> Callable[[], ImageStore]: ...
    @property
    def markdown(self) -> Callable[[], MarkdownRenderer]: ...
    @property
    def task_queries(self) -> Callable[[], TaskQueries]: ...
    @property
    def post_queries(self) -> Callable[[], PostQueries]: ...
    @property
    def user_queries(self) -> Callable[[], UserQueries]: ...
    @property
    def category_queries(self) -> Callable[[], CategoryQueries]: ...
    @property
    def product_queries(self) -> Callable[[], ProductQueries]: ...
    @property
    def movement_queries(self) -> Callable[[], MovementQueries]: ...
    @property
    def device_queries(self) -> Callable[[], DeviceQueries]: ...
    @property
    def token_queries(self) -> Callable[[], TokenQueries]: ...
    @property
    def access_queries(self) -> Callable[[], AccessQueries]: ...


def ports(request: Request) -> Ports:
    """Return the ports of the application that handles the request."""
    made: Ports = request.scope["ports"]
    return made


async def _runner(request: Request) -> Runner:
    return ports(request).runner()


async def _now(request: Request) -> datetime:
    return ports(request).clock()()


async def _database(request: Request) -> Database:
    return ports(request).database()


async def _tasks(request: Request) -> TaskQueries:
    return ports(request).task_queries()


async def _users(request: Request) -> UserQueries:
    return ports(request).user_queries()


async def _posts(request: Request) -> PostQueries:
    return ports(request).post_queries()


async def _categories(request: Request) -> CategoryQueries:
    return ports(request).category_queries()


async def _products(request: Request) -> ProductQueries:
    return priced(ports(request).product_queries(), request.app.state.currency)


async def _currency(request: Request) -> Currency:
    currency: Currency = request.app.state.currency
    return currency


async def _movements(request: Request) -> MovementQueries:
    return ports(request).movement_queries()


async def _devices(request: Request) -> DeviceQueries:
    return ports(request).device_queries()


async def _key_digest(request: Request) -> str:
    digest: str = request.scope["key_digest"]
    return digest


async def _tokens(request: Request) -> TokenQueries:
    return ports(request).token_queries()


async def _authenticator(request: Request) -> Authenticator:
    return ports(request).authenticator()


async def _password_hashing(request: Request) -> PasswordHashing:
    return ports(request).password_hashing()


async def _pictures(request: Request) -> ImageStore:
    return ports(request).pictures()


async def _markdown(request: Request) -> MarkdownRenderer:
    return ports(request).markdown()


async def _grant(request: Request) -> Grant:
    grant: Grant = request.scope["grant"]
    return grant


async def _actor(request: Request) -> Actor:
    grant: Grant = request.scope["grant"]
    return grant.actor


async def _context(request: Request) -> Context:
    """Return the context of the operation; its actor is `None` without an authenticated caller."""
    grant: Grant | None = request.scope.get("grant")
    return Context(grant.actor if grant else None, ports(request).clock()())


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
    return ReferencedUsers(ports(request).user_queries(), grant.public)


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


UseCases = Annotated[Runner, Depends(_runner)]
Now = Annotated[datetime, Depends(_now)]
DatabasePort = Annotated[Database, Depends(_database)]
Tasks = Annotated[TaskQueries, Depends(_tasks)]
Users = Annotated[UserQueries, Depends(_users)]
UsersByReference = Annotated[ReferencedUsers, Depends(_people)]
Posts = Annotated[PostQueries, Depends(_posts)]
Categories = Annotated[CategoryQueries, Depends(_categories)]
Products = Annotated[ProductQueries, Depends(_products)]
InCurrency = Annotated[Currency, Depends(_currency)]
Movements = Annotated[MovementQueries, Depends(_movements)]
Devices = Annotated[DeviceQueries, Depends(_devices)]
KeyDigest = Annotated[str, Depends(_key_digest)]
Tokens = Annotated[TokenQueries, Depends(_tokens)]
AuthenticatorPort = Annotated[Authenticator, Depends(_authenticator)]
Hashing = Annotated[PasswordHashing, Depends(_password_hashing)]
Images = Annotated[ImageStore, Depends(_pictures)]
Markdown = Annotated[MarkdownRenderer, Depends(_markdown)]
CurrentGrant = Annotated[Grant, Depends(_grant)]
CurrentActor = Annotated[Actor, Depends(_actor)]
CurrentContext = Annotated[Context, Depends(_context)]
ClientAddress = Annotated[str, Depends(_address)]
IfMatch = Annotated[Expected, Depends(if_match)]
