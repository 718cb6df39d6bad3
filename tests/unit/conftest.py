"""Fixtures for unit tests."""

import pytest

from bootstrap import HttpProtocol
from entrypoints.web.protocol import Protocol


@pytest.fixture(params=[Protocol, HttpProtocol], ids=["plain", "fast"])
def protocol(request: pytest.FixtureRequest) -> type[Protocol]:
    """Each HTTP protocol."""
    made: type[Protocol] = request.param
    return made
