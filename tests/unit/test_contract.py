"""What every adapter promises, and what the API promises, on memory."""

from collections.abc import Iterator

import pytest

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
from support.backends import Backend, Clock, client_of, memory_app, memory_backend
from support.clients import Client


@pytest.fixture
def backend() -> Iterator[Backend]:
    with memory_backend() as made:
        yield made


@pytest.fixture
def client(clock: Clock) -> Iterator[Client]:
    with client_of(memory_app(clock)) as made:
        yield made


@pytest.fixture
def strict_client(clock: Clock) -> Iterator[Client]:
    with client_of(memory_app(clock, require_if_match=True)) as made:
        yield made


@pytest.fixture
def open_client(clock: Clock) -> Iterator[Client]:
    with client_of(memory_app(clock, registration_open=True)) as made:
        yield made
