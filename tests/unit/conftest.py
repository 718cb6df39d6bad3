"""Fixtures for unit tests: the application in memory, a client and a browser."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from bootstrap import http_protocol_class
from entrypoints.web.protocol import Protocol
from support.backends import Clock, client_of, memory_app
from support.clients import Client
from support.pages import Browser
from support.people import MEMBER


@pytest.fixture
def app(clock: Clock) -> FastAPI:
    """The application in memory; modules override it for other settings."""
    return memory_app(clock)


@pytest.fixture
def client(app: FastAPI) -> Iterator[Client]:
    with client_of(app) as made:
        yield made


@pytest.fixture
def browser(client: Client) -> Browser:
    """A browser of a member; modules override it for other users."""
    return Browser(client).sign_in(MEMBER)


@pytest.fixture(params=[Protocol, http_protocol_class()], ids=["plain", "fast"])
def protocol(request: pytest.FixtureRequest) -> type[Protocol]:
    """Each HTTP protocol."""
    made: type[Protocol] = request.param
    return made
