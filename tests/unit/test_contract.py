"""What every adapter promises, on memory."""

from collections.abc import Iterator

import pytest

from contract.adapters import *  # noqa: F403
from support.backends import Backend, memory_backend


@pytest.fixture
def backend() -> Iterator[Backend]:
    with memory_backend() as made:
        yield made
