"""The adapters on which the contract is tested, and a backend and clients on each of them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import URL

import bootstrap
from support.backends import (
    Backend,
    Clock,
    client_of,
    database_at,
    memory_app,
    memory_backend,
    sql_app,
    sql_backend,
)
from support.clients import Client
from support.databases import Refilled, new_postgres

HAS_FAST_LANE = hasattr(bootstrap, "use_fast_lane")

ADAPTERS = (
    "memory",
    *(("sqlite", "postgres") if HAS_FAST_LANE else ()),
    "sqlite-plain",
    "postgres-plain",
)
"""The in-memory adapter, and each database in the fast lane and in the plain one."""

BATCH_ADAPTERS = ("memory", "sqlite", "postgres")
"""The adapters with a unit of work for batches."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on all adapters, except those with the markers in `pyproject.toml`."""
    if "adapter" not in metafunc.fixturenames:
        return
    adapters: tuple[str, ...] = ADAPTERS
    if metafunc.definition.get_closest_marker("request_only"):
        adapters = ("memory",)
    elif metafunc.definition.get_closest_marker("group_commit"):
        adapters = BATCH_ADAPTERS
    metafunc.parametrize("adapter", adapters, indirect=True)


@pytest.fixture
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fast(adapter: str) -> bool:
    return not adapter.endswith("-plain")


@pytest.fixture(scope="session")
def refilled(postgres: URL, postgres_template: str) -> Refilled:
    return Refilled(new_postgres(postgres, template=postgres_template))


@pytest.fixture
def place(adapter: str, request: pytest.FixtureRequest) -> Path | URL | None:
    """A new populated database of the adapter; None for memory."""
    if adapter == "memory":
        return None
    if adapter.startswith("sqlite"):
        path: Path = request.getfixturevalue("sqlite_place")
        return path
    refilled: Refilled = request.getfixturevalue("refilled")
    return refilled.refill()


@pytest.fixture
def backend(place: Path | URL | None, fast: bool) -> Iterator[Backend]:
    with sql_backend(database_at(place, fast=fast)) if place else memory_backend() as made:
        yield made


class ClientFactory(Protocol):
    """Makes a client of a new application with the given options."""

    def __call__(self, **options: Any) -> AbstractContextManager[Client]: ...


@pytest.fixture
def client_with(place: Path | URL | None, clock: Clock, fast: bool) -> ClientFactory:
    def make(**options: Any) -> AbstractContextManager[Client]:
        if place is None:
            return client_of(memory_app(clock, **options))
        return client_of(sql_app(place, clock, fast=fast, **options))

    return make


@pytest.fixture
def client(client_with: ClientFactory) -> Iterator[Client]:
    with client_with() as made:
        yield made


@pytest.fixture
def strict_client(client_with: ClientFactory) -> Iterator[Client]:
    """A client of an application that requires If-Match."""
    with client_with(require_if_match=True) as made:
        yield made


@pytest.fixture
def open_client(client_with: ClientFactory) -> Iterator[Client]:
    """A client of an application with open registration."""
    with client_with(registration_open=True) as made:
        yield made
