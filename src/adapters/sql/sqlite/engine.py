"""Connections and engines of SQLite: one for writes, several for reads."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from adapters import private_files
from adapters.sql.database import READERS, STATEMENT_TIMEOUT
from adapters.sql.sqlite.driver import sqlite3
from adapters.sql.statement_log import log_statements_of

PRAGMAS = (
    # Readers and the writer do not block each other.
    "PRAGMA journal_mode = WAL",
    # A commit is on disk before it is acknowledged, even if the power fails next.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # Deleted content is overwritten with zeros, in free pages as well.
    "PRAGMA secure_delete = ON",
    f"PRAGMA busy_timeout = {int(STATEMENT_TIMEOUT * 1000)}",
)


def connect(path: Path, mode: str) -> Any:
    """Open the file in one of SQLite's modes: `ro`, `rw`, or `rwc` to create it."""
    if mode == "rwc":
        # SQLite would create it with the umask's mode. Its companion files get the same mode.
        _create(path)
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    return connection


def _create(path: Path) -> None:
    # SQLite reports the same failure when it opens the file.
    with suppress(OSError):
        private_files.create_file(path)


def make_engine(path: Path, mode: str) -> Engine:
    """Create an engine whose transactions take the write lock at once.

    A transaction that reads first and writes later fails if another one has written in between. The
    busy timeout does not help then. `BEGIN IMMEDIATE` waits for the lock instead.
    """
    engine = _create_engine(lambda: connect(path, mode), connections=1)

    @event.listens_for(engine, "begin")
    def begin_immediate(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def leave_no_transaction_open(raw: Any, record: Any) -> None:
        # A failed commit leaves SQLite's transaction open, but SQLAlchemy considers it closed.
        if raw is not None and raw.in_transaction:
            raw.rollback()

    return engine


def make_read_engine(connect_reader: Callable[[], Any]) -> Engine:
    """Create an engine for reads, each of which ends at the statement timeout."""
    engine = _create_engine(connect_reader, connections=READERS, isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def interrupt_at_deadline(raw: Any, record: Any) -> None:
        record.info["end"] = math.inf
        raw.set_progress_handler(lambda: time.monotonic() > record.info["end"], 1_000)

    @event.listens_for(engine, "checkout")
    def set_deadline(raw: Any, record: Any, proxy: Any) -> None:
        record.info["end"] = time.monotonic() + STATEMENT_TIMEOUT

    return engine


def _create_engine(creator: Callable[[], Any], *, connections: int, **options: Any) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=creator,
        module=sqlite3,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=STATEMENT_TIMEOUT,
        # Errors are logged, and parameter values must not be.
        hide_parameters=True,
        **options,
    )
    log_statements_of(engine)
    return engine
