"""The composition root: the settings, the container, the application. Nobody imports it."""

import asyncio
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import uvicorn
from dependency_injector import containers, providers
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

import settings as configuration
from adapters import clock, logs
from adapters.sql import postgres, sqlite
from adapters.sql.database import SqlDatabase
from adapters.sql.migrations import AHEAD, migrate
from adapters.sql.queries import SqlTaskQueries
from adapters.sql.sqlite_driver import sqlite3
from adapters.sql.troubles import translated
from adapters.sql.unit_of_work import SqlUnitOfWork
from entrypoints import cli
from entrypoints.cli import Failed
from entrypoints.http.app import make_app
from entrypoints.http.frontdoor import REQUEST_ID
from entrypoints.http.protocol import Protocol
from service_layer.errors import DatabaseUnavailable, MigrationFailed
from service_layer.ports import Schema
from service_layer.runner import Runner
from settings import Settings, UnusableSettings

log = logging.getLogger("atelier")

SHUTDOWN_SECONDS = 20
"""How long requests in flight may take to be answered once the service is told to stop."""


def make_database(settings: Settings) -> SqlDatabase:
    """Return the database that the settings name."""
    path = settings.sqlite_path
    return postgres.PostgresDatabase(settings.url) if path is None else sqlite.SqliteDatabase(path)


class Container(containers.DeclarativeContainer):
    """Every port and what stands behind it. A test overrides the providers of the adapters."""

    settings = providers.Singleton(configuration.load)
    clock = providers.Object(clock.utc_now)
    database = providers.Singleton(make_database, settings)
    unit_of_work = providers.Factory(SqlUnitOfWork, database)
    runner = providers.Singleton(Runner, unit_of_work.provider)
    task_queries = providers.Singleton(SqlTaskQueries, database)


def application(container: Container | None = None) -> FastAPI:
    """Return the ASGI application; each worker process makes one."""
    container = container or Container()
    settings = container.settings()
    logs.configure(settings.log, settings.log_level, REQUEST_ID.get)
    return make_app(container, require_if_match=settings.require_if_match)


class Office(cli.Office):
    """What the command line can have done."""

    def __init__(self) -> None:
        try:
            self.settings = configuration.load()
        except UnusableSettings as error:
            raise Failed(str(error)) from None
        logs.configure(self.settings.log, self.settings.log_level, REQUEST_ID.get)

    def tell_settings(self) -> Iterator[tuple[str, str, str]]:
        for told in configuration.tell(self.settings):
            yield told.name, told.value, told.source

    def migrate(self) -> None:
        path = self.settings.sqlite_path
        if path is not None and not path.parent.is_dir():
            raise Failed(f"The folder {path.parent} does not exist.")
        engine = (
            postgres.make_engine(self.settings.url)
            if path is None
            else sqlite.make_engine(path, "rwc")
        )
        with _plainly():
            migrate(engine)
            engine.dispose()

    def serve(self, *, migrate_first: bool) -> None:
        listener = _listen(self.settings.host, self.settings.port)
        with _alone(self.settings.sqlite_path):
            if migrate_first or self.settings.sqlite_path:
                self.migrate()
            self._require_current_schema()
            self._run(listener)

    def _schema(self) -> Schema:
        async def ask() -> Schema:
            database = make_database(self.settings)
            try:
                return await database.schema()
            finally:
                await database.close()

        with _plainly():
            return asyncio.run(ask())

    def _require_current_schema(self) -> None:
        schema = self._schema()
        if schema is Schema.AHEAD:
            raise Failed(AHEAD)
        if schema is not Schema.CURRENT:
            raise Failed(f"The database's schema is {schema}: run `atelier migrate` first.")

    def _run(self, listener: socket.socket) -> None:
        config = uvicorn.Config(
            "bootstrap:application",
            factory=True,
            workers=self.settings.workers,
            log_config=None,
            access_log=False,
            server_header=False,
            # Who may say in a header where a request came from would have to be set first.
            proxy_headers=False,
            http=Protocol,
            ws="none",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        address = f"http://{self.settings.host}:{self.settings.port}"
        log.info(
            "serving",
            extra={"address": address, "database": configuration.shown(self.settings.url)},
        )
        # The server stops gracefully on these and then raises them again, for whoever started it;
        # here that is the end of the work, and a good one.
        for wanted in (signal.SIGINT, signal.SIGTERM):
            signal.signal(wanted, lambda *_: None)
        if self.settings.workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            server = uvicorn.Server(config)
            server.run(sockets=[listener])
            if not server.started:
                raise Failed("The service could not start; the log says why.")


def _listen(host: str, port: int) -> socket.socket:
    """Take the address before anything else is done, so that a mistake in it costs nothing."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listener = socket.create_server((host, port), family=found[0][0], backlog=2048)
    except OSError as error:
        # A name that cannot be looked up has a negative number.
        known = (error.errno or -1) > 0
        reason = os.strerror(error.errno or 0) if known else "there is no such address"
        raise Failed(f"Cannot listen on {host}:{port}: {reason.lower()}.") from None
    listener.set_inheritable(True)
    return listener


@contextmanager
def _alone(path: Path | None) -> Iterator[None]:
    """Let one `serve` alone have an embedded database.

    The lock is on a file beside the database, since closing any descriptor of the database itself
    would drop the locks that SQLite holds on it. The system lets go of it when the process ends.
    """
    if path is None:
        yield
        return
    try:
        lock = os.open(f"{path.resolve()}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise Failed(f"Cannot use {path}: {(error.strerror or 'no access').lower()}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Failed(f"Another `atelier serve` is using {path} already.") from None
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def _plainly() -> Iterator[None]:
    """Tell trouble with the database in one line."""
    try:
        yield
    except MigrationFailed as error:
        raise Failed(str(error)) from None
    except Exception as error:
        trouble = translated(error, may_be_committed=False) or error
        cause = trouble.__cause__ or error
        cause = getattr(cause, "orig", None) or cause
        if not isinstance(cause, psycopg.Error | sqlite3.Error | DatabaseUnavailable):
            raise
        told = trouble if isinstance(trouble, DatabaseUnavailable) else "The database refused."
        said = str(cause).strip().partition("\n")[0]
        raise Failed(f"{told} ({said})" if said and said != str(told) else str(told)) from None


def main() -> None:
    """Run the command line."""
    cli.run(Office)


if __name__ == "__main__":
    main()
