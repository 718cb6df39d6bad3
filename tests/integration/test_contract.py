"""What every adapter promises, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from contract.adapters import *  # noqa: F403
from support.backends import Backend, database_at, sql_backend


@pytest.fixture
def backend(place: Path | URL) -> Iterator[Backend]:
    with sql_backend(database_at(place)) as made:
        yield made
