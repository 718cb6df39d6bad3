"""Backends for tests: each adapter composed as in the application, and populated."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from dependency_injector import providers
from fastapi import FastAPI
from sqlalchemy import URL

import bootstrap
import commands
from adapters.markdown import WorkerMarkdown
from adapters.memory.database import MemoryDatabase
from adapters.memory.images import MemoryImageStore
from adapters.memory.queries.access import MemoryAccessQueries, MemoryTokenQueries
from adapters.memory.queries.catalogue import MemoryCategoryQueries, MemoryProductQueries
from adapters.memory.queries.devices import MemoryDeviceQueries
from adapters.memory.queries.posts import MemoryPostQueries
from adapters.memory.queries.stock import MemoryMovementQueries
from adapters.memory.queries.tasks import MemoryTaskQueries
from adapters.memory.queries.users import MemoryUserQueries
from adapters.memory.store import MemoryStore
from adapters.memory.unit_of_work import MemoryUnitOfWork
from adapters.passwords import Argon2PasswordHasher
from adapters.sql.database import SqlDatabase
from adapters.sql.queries.access import SqlAccessQueries, SqlTokenQueries
from adapters.sql.queries.catalogue import SqlCategoryQueries, SqlProductQueries
from adapters.sql.queries.devices import SqlDeviceQueries
from adapters.sql.queries.posts import SqlPostQueries
from adapters.sql.queries.stock import SqlMovementQueries
from adapters.sql.queries.tasks import SqlTaskQueries
from adapters.sql.queries.users import SqlUserQueries
from adapters.sql.unit_of_work import SqlUnitOfWork
from bootstrap import Container
from entrypoints.app import make_app
from service_layer.queries.access import AccessQueries, TokenQueries
from service_layer.queries.catalogue import CategoryQueries, ProductQueries
from service_layer.queries.devices import DeviceQueries
from service_layer.queries.posts import PostQueries
from service_layer.queries.stock import MovementQueries
from service_layer.queries.tasks import TaskQueries
from service_layer.queries.users import UserQueries
from service_layer.reactions import REACTIONS, Reactions
from service_layer.runner import Runner
from service_layer.unit_of_work import UnitOfWorkFactory
from support.clients import AppClient, Client
from support.people import NOON, populate

try:
    from support import group_commit
except ImportError:  # without the fast lane
    group_commit = None  # type: ignore[assignment]

T = TypeVar("T")

__all__ = ["NOON"]


FAST = hasattr(bootstrap, "use_fast_lane") and os.environ.get("TEST_LANE") != "plain"
"""Whether tests use the fast lane unless they say otherwise."""

ROUTE_TABLE = bootstrap.fast_route_table() if hasattr(bootstrap, "fast_route_table") else None
"""The route table of the fast lane, if there is one."""

# All applications of a test run share one worker process for rendering.
MARKDOWN = WorkerMarkdown()


class Clock:
    """A clock that changes only when it is set or advanced."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@dataclass
class Backend:
    """One adapter: its units of work, its query ports, and an event loop to await them in."""

    open: UnitOfWorkFactory
    tasks: TaskQueries
    users: UserQueries
    tokens: TokenQueries
    access: AccessQueries
    posts: PostQueries
    categories: CategoryQueries
    products: ProductQueries
    movements: MovementQueries
    devices: DeviceQueries
    loop: asyncio.AbstractEventLoop
    open_batch: Any = None
    """Opens a batch of group commit, where the adapter has one."""
    group_commit: bool = False
    """Whether the runner uses group commit."""

    def ask(self, question: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(question)

    def runner(self, reactions: Reactions = REACTIONS) -> Runner:
        if not self.group_commit:
            return Runner(self.open, reactions)
        return group_commit.runner(self.open, self.open_batch, reactions)

    @cached_property
    def default_runner(self) -> Runner:
        """A runner that is shared by the tests of one backend."""
        return self.runner()


@contextmanager
def memory_backend() -> Iterator[Backend]:
    store = MemoryStore()
    populate(partial(MemoryUnitOfWork, store))
    loop = asyncio.new_event_loop()
    yield Backend(
        partial(MemoryUnitOfWork, store),
        MemoryTaskQueries(store),
        MemoryUserQueries(store),
        MemoryTokenQueries(store),
        MemoryAccessQueries(store),
        MemoryPostQueries(store),
        MemoryCategoryQueries(store),
        MemoryProductQueries(store),
        MemoryMovementQueries(store),
        MemoryDeviceQueries(store),
        loop,
        group_commit.memory_batches(store) if group_commit else None,
    )
    loop.close()


@contextmanager
def sql_backend(database: SqlDatabase) -> Iterator[Backend]:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(database.connect())
    open_batch = group_commit.batches_of(database) if group_commit else None
    yield Backend(
        partial(SqlUnitOfWork, database),
        SqlTaskQueries(database),
        SqlUserQueries(database),
        SqlTokenQueries(database),
        SqlAccessQueries(database),
        SqlPostQueries(database),
        SqlCategoryQueries(database),
        SqlProductQueries(database),
        SqlMovementQueries(database),
        SqlDeviceQueries(database),
        loop,
        open_batch,
        group_commit=open_batch is not None,
    )
    loop.run_until_complete(database.close())
    loop.close()


def database_at(place: Path | URL, *, fast: bool = FAST) -> SqlDatabase:
    return bootstrap.fast_database_at(place) if fast else commands.database_at(place)


def memory_app(
    clock: Callable[[], datetime], store: MemoryStore | None = None, **options: Any
) -> FastAPI:
    """Return the application on the in-memory adapter, populated with test users."""
    store = store or MemoryStore()
    populate(partial(MemoryUnitOfWork, store))
    container = Container()
    container.database.override(providers.Singleton(MemoryDatabase))
    container.unit_of_work.override(providers.Factory(MemoryUnitOfWork, store))
    container.task_queries.override(providers.Singleton(MemoryTaskQueries, store))
    container.post_queries.override(providers.Singleton(MemoryPostQueries, store))
    container.user_queries.override(providers.Singleton(MemoryUserQueries, store))
    container.category_queries.override(providers.Singleton(MemoryCategoryQueries, store))
    container.product_queries.override(providers.Singleton(MemoryProductQueries, store))
    container.movement_queries.override(providers.Singleton(MemoryMovementQueries, store))
    container.token_queries.override(providers.Singleton(MemoryTokenQueries, store))
    container.access_queries.override(providers.Singleton(MemoryAccessQueries, store))
    container.device_queries.override(providers.Singleton(MemoryDeviceQueries, store))
    container.route_table.override(providers.Object(ROUTE_TABLE))
    return _app(container, clock, options)


def sql_app(
    place: Path | URL, clock: Callable[[], datetime], *, fast: bool = FAST, **options: Any
) -> FastAPI:
    """Return the application on a SQLite file or a PostgreSQL database."""
    container = Container()
    if fast:
        bootstrap.use_fast_lane(container)
    container.database.override(providers.Singleton(database_at, place, fast=fast))
    return _app(container, clock, options)


def _app(container: Container, clock: Callable[[], datetime], options: Any) -> FastAPI:
    container.clock.override(providers.Object(clock))
    # The production hash with minimal cost parameters.
    container.passwords.override(providers.Singleton(Argon2PasswordHasher, memory_kib=8, passes=1))
    container.images.override(providers.Singleton(MemoryImageStore))
    container.markdown.override(providers.Object(MARKDOWN))
    ports = bootstrap.make_ports(container)
    app = make_app(ports, **{"route_table": container.route_table(), **options})
    app.state.container = container
    return app


@contextmanager
def client_of(app: FastAPI) -> Iterator[Client]:
    """Yield a client of an application in this process."""
    with AppClient(app) as http:
        yield Client(http)
