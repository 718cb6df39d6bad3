"""Fresh PostgreSQL databases for measurements, with the service's tables and test users."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import URL

from support.databases import execute, migrated_postgres, text


@contextmanager
def fresh(server: URL, name: str) -> Iterator[URL]:
    """Create a database for the duration of the block."""
    execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    execute(server, f"CREATE DATABASE {name} TEMPLATE template0")
    url = server.set(database=name)
    migrated_postgres(url)
    yield url
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def ask(url: URL, query: str, *given: Any) -> list[tuple[Any, ...]]:
    """Return a query's rows; `%s` are its parameters."""
    with psycopg.connect(text(url)) as connection:
        return connection.execute(query.encode(), given or None).fetchall()
