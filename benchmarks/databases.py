"""Fresh PostgreSQL databases to measure in, with our tables and people."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import URL

from support.databases import execute, migrated_postgres, text


@contextmanager
def fresh(server: URL, name: str) -> Iterator[URL]:
    """Make a database of that name, for as long as it is needed."""
    execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    execute(server, f"CREATE DATABASE {name} TEMPLATE template0")
    url = server.set(database=name)
    migrated_postgres(url)
    yield url
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def ask(url: URL, query: str, *given: Any) -> list[tuple[Any, ...]]:
    """Return what a query finds; `%s` stands for each thing given."""
    with psycopg.connect(text(url)) as connection:
        return connection.execute(query.encode(), given or None).fetchall()
