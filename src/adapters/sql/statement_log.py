"""Debug log of SQL statements, without parameter values.

SQLAlchemy's own log would show the values of fetched rows, and it misses the statements that bypass
it.
"""

import logging
from typing import Any

from sqlalchemy import Engine, event

log = logging.getLogger("atelier.sql")


def log_statement(sql: str) -> None:
    """Log a statement; without `debug`, this only checks the log level."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug("statement", extra={"sql": sql})


def log_statements_of(engine: Engine) -> None:
    """Log an engine's statements; without `debug`, no listener is registered."""
    if log.isEnabledFor(logging.DEBUG):

        @event.listens_for(engine, "before_cursor_execute")
        def before_cursor_execute(
            connection: Any, cursor: Any, sql: str, values: Any, context: Any, many: bool
        ) -> None:
            log_statement(sql)
