"""Fixtures for unit tests."""

import pytest

from entrypoints.server.protocol import FastProtocol
from entrypoints.web.protocol import Protocol


@pytest.fixture(params=[Protocol, FastProtocol], ids=["plain", "fast"])
def protocol(request: pytest.FixtureRequest) -> type[Protocol]:
    """Each HTTP protocol."""
    made: type[Protocol] = request.param
    return made
