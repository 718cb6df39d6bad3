"""What every adapter promises, and what the API promises, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from contract.access import *  # noqa: F403
from contract.adapters import *  # noqa: F403
from contract.catalogue import *  # noqa: F403
from contract.contention import *  # noqa: F403
from contract.devices import *  # noqa: F403
from contract.fleet import *  # noqa: F403
from contract.http import *  # noqa: F403
from contract.people import *  # noqa: F403
from contract.permissions import *  # noqa: F403
from contract.posts import *  # noqa: F403
from contract.products import *  # noqa: F403
from contract.receipts import *  # noqa: F403
from contract.search import *  # noqa: F403
from contract.sharing import *  # noqa: F403
from contract.texts import *  # noqa: F403
from contract.users import *  # noqa: F403
from support.backends import Backend, Clock, client_of, database_at, sql_app, sql_backend
from support.clients import Client
from support.databases import Refilled, new_postgres

# What is judged before any adapter is asked is shown on memory.
for _name, _test in list(globals().items()):
    if any(mark.name == "request_only" for mark in getattr(_test, "pytestmark", ())):
        del globals()[_name]


@pytest.fixture(scope="module")
def refilled(postgres: URL, postgres_template: str) -> Refilled:
    return Refilled(new_postgres(postgres, template=postgres_template))


@pytest.fixture(params=["sqlite", "sqlite-plain", "postgres", "postgres-plain"])
def adapter(request: pytest.FixtureRequest) -> str:
    """The database, in the fast lane or the plain one."""
    return str(request.param)


@pytest.fixture
def fast(adapter: str) -> bool:
    return not adapter.endswith("-plain")


@pytest.fixture
def place(adapter: str, request: pytest.FixtureRequest) -> Path | URL:
    """A fresh database, on each of the two, or one that is as good."""
    if adapter.startswith("sqlite"):
        path: Path = request.getfixturevalue("sqlite_place")
        return path
    refilled: Refilled = request.getfixturevalue("refilled")
    return refilled.refill()


@pytest.fixture
def backend(place: Path | URL, fast: bool) -> Iterator[Backend]:
    with sql_backend(database_at(place, fast=fast)) as made:
        yield made


@pytest.fixture
def client(place: Path | URL, clock: Clock, fast: bool) -> Iterator[Client]:
    with client_of(sql_app(place, clock, fast=fast)) as made:
        yield made


@pytest.fixture
def strict_client(place: Path | URL, clock: Clock, fast: bool) -> Iterator[Client]:
    with client_of(sql_app(place, clock, fast=fast, require_if_match=True)) as made:
        yield made


@pytest.fixture
def open_client(place: Path | URL, clock: Clock, fast: bool) -> Iterator[Client]:
    with client_of(sql_app(place, clock, fast=fast, registration_open=True)) as made:
        yield made
