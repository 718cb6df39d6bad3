"""PostgreSQL through psycopg 3: connection pools and timeouts."""

import asyncio
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, column, create_engine, select, table

from adapters.sql.database import READERS, STATEMENT_TIMEOUT, SqlDatabase, schema_of
from adapters.sql.postgres.errors import NO_TABLES, translate_error
from adapters.sql.postgres.gin_cleaner import GinCleaner
from adapters.sql.statement_log import log_statements_of
from service_layer.errors import DatabaseUnavailable
from service_layer.ports import Schema

_CONNECT: dict[str, Any] = {
    "connect_timeout": 3,
    # Keepalives detect a vanished peer within seconds instead of minutes.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": int(STATEMENT_TIMEOUT * 1000),
    "application_name": "atelier",
}
_OPTIONS = (
    f"-c TimeZone=UTC -c statement_timeout={int(STATEMENT_TIMEOUT)}s"
    f" -c lock_timeout={int(STATEMENT_TIMEOUT)}s"
    f" -c idle_in_transaction_session_timeout={int(STATEMENT_TIMEOUT) * 3}s"
)


def arguments(url: URL) -> dict[str, Any]:
    """Return psycopg's connection arguments; options of the service follow those of the URL."""
    said = {**url.translate_connect_args(username="user", database="dbname"), **url.query}
    return {**_CONNECT, **said, "options": f"{said.get('options', '')} {_OPTIONS}"}


# A read selects few rows and their related rows, for which nested loops over indexes are best.
# Without these options PostgreSQL plans for as many rows as the page limit, and plans longer.
READING = "-c enable_hashjoin=off -c enable_mergejoin=off"


def make_engine(
    url: URL,
    *,
    connection: type[psycopg.Connection[Any]] = psycopg.Connection,
    connections: int = 4,
    options: str = "",
    **engine_options: Any,
) -> Engine:
    """Create an engine, with server options in addition to those of all connections.

    The psycopg connections do not prepare statements. A prepared statement may get a generic plan,
    which treats frequent and rare search words alike.
    """
    said = arguments(url)
    said["options"] += f" {options}"
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connection.connect(**said, prepare_threshold=None),
        pool_size=connections,
        max_overflow=connections,
        pool_timeout=STATEMENT_TIMEOUT,
        # Errors are logged, and parameter values must not be.
        hide_parameters=True,
        **engine_options,
    )
    log_statements_of(engine)
    return engine


class PostgresDatabase(SqlDatabase):
    """A pool of transactions for writes, and of autocommit connections for reads.

    Transactions run at PostgreSQL's default isolation level, READ COMMITTED. Versions, constraints
    and row locks prevent lost updates.
    """

    driver_error = psycopg.Error

    def __init__(self, url: URL) -> None:
        super().__init__()
        self._url = url
        self.engine = make_engine(url)
        self.read_engine = make_engine(
            url, connections=READERS, options=READING, isolation_level="AUTOCOMMIT"
        )
        self._gin_cleaner = GinCleaner(self.engine)
        self._revisions = self.statement(
            select(column("version_num")).select_from(table("alembic_version"))
        )

    async def connect(self) -> None:
        # Connections are opened on first use.
        self._gin_cleaner.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._gin_cleaner.close)
        await super().close()

    def migration_engine(self) -> Engine:
        return make_engine(self._url)

    def translate_error(self, error: BaseException, *, may_be_committed: bool) -> Exception | None:
        return translate_error(error, may_be_committed=may_be_committed)

    def begin(self) -> None:
        """Do nothing: the pool opens connections as needed."""

    def check(self) -> None:
        """Do nothing: PostgreSQL's commit is already durable."""

    def end(self) -> None:
        self._gin_cleaner.notify()

    async def schema(self) -> Schema:
        try:
            rows = await self.fetch(self._revisions, {}, short=True)
        except DatabaseUnavailable as error:
            if str(error) != NO_TABLES:
                raise
            return Schema.EMPTY
        return schema_of([row[0] for row in rows])
