"""Backend of the command line: each command's work, on the configured database."""

import asyncio
import fcntl
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL

import serving
import settings as configuration
from adapters import clock, logs, private_files
from adapters.passwords import Argon2PasswordHasher
from adapters.sql.database import AHEAD, HEAD, SqlDatabase
from adapters.sql.unit_of_work import SqlUnitOfWork
from domain.base import Context
from domain.catalogue import PricesTooFine
from domain.currencies import Currency
from domain.errors import DomainError, InvalidField, InvalidValue
from domain.profile import UserDetails, check_profile
from entrypoints import cli
from entrypoints.cli import Failed, Migration
from entrypoints.web.middleware import REQUEST_ID
from service_layer import access, accounts, catalogue, users
from service_layer.errors import DatabaseUnavailable, MigrationFailed
from service_layer.ports import Schema
from service_layer.runner import Runner
from service_layer.unit_of_work import UnitOfWork

log = logging.getLogger("atelier")

T = TypeVar("T")


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
        except configuration.UnusableSettings as error:
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
        listener = serving.listen(self.settings.host, self.settings.port)
        self._require_folder(self.settings.media)
        with _exclusive_use_of(self.settings.sqlite_path):
            if migrate_first or self.settings.sqlite_path:
                self._migrate_if_need_be()
            self._require_current_schema()
            self._require_prices_fit()
            self._warn_of_exposed_files()
            self._print_setup_address()
            serving.run(self.settings, listener)

    def check_admin(self, *, username: str, email: str, name: str) -> None:
        profile = UserDetails(username=username, email=email, name=name)
        with _checked():
            check_profile(**profile)
            self._require_tables()
            self._perform(users.check_new_user, ctx=_context(), **profile)

    def create_admin(self, *, username: str, email: str, name: str, password: str) -> None:
        profile = UserDetails(username=username, email=email, name=name)
        with _checked():
            password_hash = asyncio.run(
                accounts.hash_admin_password(
                    Argon2PasswordHasher(), password, username=username, email=email
                )
            )
            self._perform(
                users.create_admin, ctx=_context(), password_hash=password_hash, **profile
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
