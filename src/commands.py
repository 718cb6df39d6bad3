"""Backend of the command line: each command's work, on the configured database."""

import asyncio
import fcntl
import logging
import os
import resource
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import uvicorn
from sqlalchemy import URL
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

import settings as configuration
from adapters import clock, logs, private_files
from adapters.passwords import Argon2PasswordHasher
from adapters.sql.database import AHEAD, HEAD, SqlDatabase
from adapters.sql.unit_of_work import SqlUnitOfWork
from domain.base import Context
from domain.catalogue import PricesTooFine
from domain.currencies import Currency
from domain.errors import DomainError, InvalidField, InvalidValue
from domain.users import UserDetails, check_profile
from entrypoints import cli
from entrypoints.cli import Failed, Migration
from entrypoints.web.middleware import REQUEST_ID
from entrypoints.web.protocol import Protocol
from service_layer import access, accounts, catalogue, users
from service_layer.errors import DatabaseUnavailable, MigrationFailed
from service_layer.ports import Schema
from service_layer.runner import Runner
from service_layer.unit_of_work import UnitOfWork
from settings import UnusableSettings

log = logging.getLogger("atelier")

T = TypeVar("T")

SHUTDOWN_SECONDS = 20
"""Seconds for requests in flight to drain on graceful shutdown."""

WORKER_SECONDS = 30
"""Seconds after which a worker that does not answer its parent is replaced.

A busy machine delays a worker's start, and starting another one delays it further. While the parent
waits for an answer, it does nothing else and cannot even stop.
"""

RESERVED_DESCRIPTORS = 150
"""File descriptors that a process needs in addition to its connections."""

MAX_DESCRIPTORS = 65_536
"""The soft limit on open files where the system has no hard limit."""


def database_at(place: Path | URL) -> SqlDatabase:
    """Return the database in a file (SQLite) or on a server (PostgreSQL)."""
    # Imported here, because each driver and its SQLAlchemy dialect take memory.
    if isinstance(place, Path):
        from adapters.sql.sqlite.database import SqliteDatabase

        return SqliteDatabase(place)
    from adapters.sql.postgres.database import PostgresDatabase

    return PostgresDatabase(place)


class Commands(cli.CommandBackend):
    """The commands on the configured database."""

    def __init__(self) -> None:
        try:
            self.settings = configuration.load()
        except UnusableSettings as error:
            raise Failed(str(error)) from None
        logs.configure(self.settings.log, self.settings.log_level, REQUEST_ID.get)

    def shown_settings(self) -> Iterator[tuple[str, str, str]]:
        for setting in configuration.shown_settings(self.settings):
            yield setting.name, setting.value, setting.source

    def migrate(self, to: str = "head", *, may_lose: bool = False) -> Migration:
        # Imported here, because Alembic is a tenth of a serving process's memory.
        from adapters.sql.schema.migrations import migrate

        path = self.settings.sqlite_path
        if path is not None and not path.parent.is_dir():
            raise Failed(f"The folder {path.parent} does not exist.")
        database = database_at(self.settings.database_place)
        engine = database.migration_engine()
        # A running service would continue with tables that no longer exist.
        with (
            _database_errors_as_failures(database),
            _exclusive_use_of(path if to != "head" else None),
        ):
            try:
                before, after = migrate(engine, to, may_lose=may_lose)
            finally:
                engine.dispose()
        return Migration(before, after, HEAD, undone_by_serving=path is not None)

    def serve(self, *, migrate_first: bool) -> None:
        listener = _listen(self.settings.host, self.settings.port)
        self._require_folder(self.settings.media)
        with _exclusive_use_of(self.settings.sqlite_path):
            if migrate_first or self.settings.sqlite_path:
                self._migrate_if_need_be()
            self._require_current_schema()
            self._require_prices_fit()
            self._warn_of_exposed_files()
            self._print_setup_address()
            self._run(listener)

    def check_admin(self, *, username: str, email: str, name: str) -> None:
        profile = UserDetails(username=username, email=email, name=name)
        with _checked():
            check_profile(**profile)
            self._require_tables()
            self._perform(users.check_new_user, ctx=_context(), **profile)

    def create_admin(self, *, username: str, email: str, name: str, password: str) -> None:
        with _checked():
            password_hash = asyncio.run(
                accounts.hash_admin_password(
                    Argon2PasswordHasher(), password, username=username, email=email
                )
            )
            self._perform(
                users.create_admin,
                ctx=_context(),
                username=username,
                email=email,
                name=name,
                password_hash=password_hash,
            )

    def demo(self, progress: Callable[[float], None]) -> tuple[str, str] | None:
        self._require_tables()
        from entrypoints.demo import workshop

        # The other users share the hash of a random password that is discarded. An admin can set a
        # new password for each.
        password, unknown = secrets.token_urlsafe(12), secrets.token_urlsafe(32)
        passwords = Argon2PasswordHasher()

        def tell(uow: UnitOfWork, step: Callable[[], None]) -> str | None:
            def report(share: float) -> None:
                step()
                progress(share)

            hashes = {"password_hash": password_hash, "unknown_hash": unknown_hash}
            return workshop.tell(
                uow, report, now=clock.utc_now(), currency=self._currency, **hashes
            )

        with _checked(), self._runner() as runner:
            password_hash, unknown_hash = (
                asyncio.run(passwords.hash_password(one)) for one in (password, unknown)
            )
            username = runner.perform_in_steps(tell)
        return None if username is None else (username, password)

    def _migrate_if_need_be(self) -> None:
        if self._schema() is not Schema.CURRENT:
            self.migrate()

    def _print_setup_address(self) -> None:
        """Print the URL for creating the first admin, if there is none."""
        secret = self._perform(access.prepare_setup, ctx=_context())
        if secret is not None:
            address = f"{self.settings.address}/setup"
            print(
                "There is no admin yet. Make the first one with `atelier create-admin`, or open"
                f" this address in a browser; it works once:\n  {address}?secret={secret}",
                flush=True,
            )

    def _require_prices_fit(self) -> None:
        try:
            self._perform(catalogue.require_prices_fit, currency=self._currency)
        except PricesTooFine as error:
            raise Failed(f"ATELIER_CURRENCY: {error}") from None

    @property
    def _currency(self) -> Currency:
        return Currency.of(self.settings.currency)

    def _perform(self, use_case: Callable[..., T], **arguments: Any) -> T:
        """Run a use case in its own transaction."""
        with self._runner() as runner:
            return runner.perform(use_case, **arguments)

    @contextmanager
    def _runner(self) -> Iterator[Runner]:
        """Open the database for the duration of the block."""
        database = database_at(self.settings.database_place)
        with _database_errors_as_failures(database):
            asyncio.run(database.connect())
            runner = Runner(partial(SqlUnitOfWork, database))
            try:
                yield runner
            finally:
                runner.close()
                asyncio.run(database.close())

    def _require_folder(self, folder: Path) -> None:
        """Check at startup that uploads can be stored."""
        try:
            private_files.create_folder(folder)
        except OSError as error:
            raise Failed(f"ATELIER_MEDIA: {(error.strerror or 'no access').lower()}.") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise Failed("ATELIER_MEDIA: permission denied.")

    def _warn_of_exposed_files(self) -> None:
        """Log which files and folders of the service other accounts of the machine may open.

        Their modes are not changed, because an operator may have set them on purpose.
        """
        path = self.settings.sqlite_path
        paths = [self.settings.media]
        if path is not None:
            # SQLite puts its files beside the target of a symbolic link.
            paths += (Path(f"{path.resolve()}{end}") for end in ("", "-wal", "-shm", ".lock"))
        if exposed := private_files.exposed(paths):
            log.warning("files open to other accounts", extra={"paths": [*map(str, exposed)]})

    def _schema(self) -> Schema:
        database = database_at(self.settings.database_place)

        async def ask() -> Schema:
            try:
                return await database.schema()
            finally:
                await database.close()

        with _database_errors_as_failures(database):
            return asyncio.run(ask())

    def _require_tables(self) -> None:
        """Create the tables of an empty SQLite database; require those of a PostgreSQL one."""
        if self.settings.sqlite_path is not None and self._schema() is Schema.EMPTY:
            self.migrate()
        self._require_current_schema()

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
            # The application has its own middleware for proxy headers.
            proxy_headers=False,
            # With several workers, one that accepts all pending connections would get all the work.
            loop="entrypoints.web.event_loop:EventLoop" if self.settings.workers == 1 else "uvloop",
            http="bootstrap:HttpProtocol" if self.settings.fast else Protocol,
            ws="none",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            timeout_worker_healthcheck=WORKER_SECONDS,
            limit_concurrency=self._connection_limit(),
        )
        address = self.settings.local_address
        log.info(
            "serving",
            extra={
                "version": cli.version(),
                "address": address,
                "database": configuration.shown(self.settings.url),
            },
        )
        if self.settings.workers > 1:
            workers = _Workers(config, sockets=[listener])
            workers.run()
            started = all(each.exitcode != STARTUP_FAILURE for each in workers.processes)
        else:
            server = _Server(config)
            for wanted in (signal.SIGINT, signal.SIGTERM):
                signal.signal(wanted, server.end_start)
            server.run(sockets=[listener])
            started = server.started
        if not started:
            raise Failed("The service could not start; the log says why.")
        log.info("stopped")

    def _connection_limit(self) -> int:
        """Return the connection limit of a process: as set, or lower if the descriptor limit is."""
        wanted = self.settings.connections
        descriptors = _raise_descriptor_limit()
        available = max(descriptors - RESERVED_DESCRIPTORS, descriptors // 2)
        if available < wanted:
            log.warning("fewer connections than set", extra={"set": wanted, "possible": available})
        return min(wanted, available)


def _raise_descriptor_limit() -> int:
    """Raise the soft limit on open files to the hard limit, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft  # the system may have a lower limit of its own
    return wanted


class _Server(uvicorn.Server):
    """A server that shuts down gracefully, or exits at once while it is still starting."""

    served = False

    async def main_loop(self) -> None:
        self.served = True
        await super().main_loop()

    def end_start(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal that uvicorn does not handle yet, or that it raises again."""
        if self.served:
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)


class _Workers(Multiprocess):
    """Worker processes, each replaced when it exits."""

    def init_processes(self) -> None:
        with _interrupts_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        # The parent must close its copies of the workers' pipe ends to notice their exit.
        for worker in self.processes:
            worker.child_conn.close()
        with _interrupts_blocked():
            super().keep_subprocess_alive()

    def restart_all(self) -> None:
        with _interrupts_blocked():
            super().restart_all()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C for processes started in the block, because a terminal sends it to all of them.

    A process inherits the signal mask. The parent handles the interrupt as soon as it is unblocked,
    and stops its workers with another signal.
    """
    # Python starts this with the first process, and unblocks the signal then.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(host: str, port: int) -> socket.socket:
    """Bind the address first, so that an invalid one is reported before any other work."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listener = socket.create_server((host, port), family=found[0][0], backlog=2048)
    except OSError as error:
        # Address lookup errors have negative numbers.
        known = (error.errno or -1) > 0
        reason = os.strerror(error.errno or 0) if known else "there is no such address"
        place = configuration.host_and_port(host, port)
        raise Failed(f"Cannot listen on {place}: {reason.lower()}.") from None
    listener.set_inheritable(True)
    return listener


@contextmanager
def _exclusive_use_of(path: Path | None) -> Iterator[None]:
    """Lock an embedded database for one `serve` process.

    The lock is on a file beside the database: closing any descriptor of the database itself would
    drop SQLite's own locks on it. The system releases the lock when the process ends.

    Raises:
        Failed: when another process has the lock, or the file cannot be opened.
    """
    if path is None:
        yield
        return
    try:
        lock = private_files.opener(f"{path.resolve()}.lock", os.O_RDWR | os.O_CREAT)
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


def _context() -> Context:
    """Return the context of a command: the service itself acts, at the current time."""
    return Context(None, clock.utc_now())


@contextmanager
def _checked() -> Iterator[None]:
    """Translate errors of the domain into one-line failures."""
    try:
        yield
    except InvalidField as error:
        raise Failed(f"{error.field}: {error}") from None
    except InvalidValue as error:
        raise Failed(f"password: {error}") from None
    except DomainError as error:
        raise Failed(str(error)) from None


@contextmanager
def _database_errors_as_failures(database: SqlDatabase) -> Iterator[None]:
    """Translate database errors into one-line failures."""
    try:
        yield
    except MigrationFailed as error:
        raise Failed(str(error)) from None
    except Exception as error:
        trouble = database.to_service_error(error, may_be_committed=False) or error
        cause = trouble.__cause__ or error
        cause = getattr(cause, "orig", None) or cause
        if not isinstance(cause, database.driver_error | DatabaseUnavailable):
            raise
        reason = trouble if isinstance(trouble, DatabaseUnavailable) else "The database refused."
        said = str(cause).strip().partition("\n")[0]
        raise Failed(
            f"{reason} ({said})" if said and said != str(reason) else str(reason)
        ) from None
