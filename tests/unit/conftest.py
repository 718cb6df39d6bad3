"""Fixtures for unit tests."""

import pytest

from bootstrap import http_protocol_class
from entrypoints.web.protocol import Protocol


@pytest.fixture(params=[Protocol, http_protocol_class()], ids=["plain", "fast"])
def protocol(request: pytest.FixtureRequest) -> type[Protocol]:
    """Each HTTP protocol."""
    made: type[Protocol] = request.param
    return made
