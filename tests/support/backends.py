"""The adapters, each put together as the application would."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from dependency_injector import providers
from fastapi import FastAPI
from sqlalchemy import URL
from starlette.testclient import TestClient

from adapters.memory.queries import MemoryDatabase, MemoryTaskQueries
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.sql.database import SqlDatabase
from adapters.sql.postgres import PostgresDatabase
from adapters.sql.queries import SqlTaskQueries
from adapters.sql.sqlite import SqliteDatabase
from adapters.sql.unit_of_work import SqlUnitOfWork
from bootstrap import Container
from entrypoints.http.app import make_app
from service_layer.queries import TaskQueries
from service_layer.reactions import REACTIONS, Reactions
from service_layer.runner import Runner
from service_layer.unit_of_work import UnitOfWork

T = TypeVar("T")

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@dataclass
class Backend:
    """One adapter: its units of work, its reads, and a loop to await them in."""

    open: Callable[[], UnitOfWork]
    tasks: TaskQueries
    loop: asyncio.AbstractEventLoop

    def ask(self, question: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(question)

    def runner(self, reactions: Reactions = REACTIONS) -> Runner:
        return Runner(self.open, reactions)


@contextmanager
def memory_backend() -> Iterator[Backend]:
    store = MemoryStore()
    loop = asyncio.new_event_loop()
    yield Backend(lambda: MemoryUnitOfWork(store), MemoryTaskQueries(store), loop)
    loop.close()


@contextmanager
def sql_backend(database: SqlDatabase) -> Iterator[Backend]:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(database.open())
    yield Backend(lambda: SqlUnitOfWork(database), SqlTaskQueries(database), loop)
    loop.run_until_complete(database.close())
    loop.close()


def database_at(place: Path | URL) -> SqlDatabase:
    return SqliteDatabase(place) if isinstance(place, Path) else PostgresDatabase(place)


def memory_app(clock: Callable[[], datetime], *, require_if_match: bool = False) -> FastAPI:
    """Return the whole application on memory."""
    store = MemoryStore()
    container = Container()
    container.clock.override(providers.Object(clock))
    container.database.override(providers.Singleton(MemoryDatabase))
    container.unit_of_work.override(providers.Factory(MemoryUnitOfWork, store))
    container.task_queries.override(providers.Singleton(MemoryTaskQueries, store))
    return make_app(container, require_if_match=require_if_match)


def sql_app(
    place: Path | URL, clock: Callable[[], datetime], *, require_if_match: bool = False
) -> FastAPI:
    """Return the whole application on a database."""
    container = Container()
    container.clock.override(providers.Object(clock))
    container.database.override(providers.Singleton(database_at, place))
    return make_app(container, require_if_match=require_if_match)


@contextmanager
def client_of(app: FastAPI) -> Iterator[TestClient]:
    """Return a client that talks to the application in this process."""
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
