"""Log of SQL statements, at the level `debug` and without values.

SQLAlchemy's own log would show the values of the rows that it fetches, and it knows nothing of the
statements that do not pass through it.
"""

import logging
from typing import Any

from sqlalchemy import Engine, event

log = logging.getLogger("atelier.sql")


def log_statement(sql: str) -> None:
    """Log a statement, whose values are parameters; without `debug` it only looks at the level."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug("statement", extra={"sql": sql})


def log_statements_of(engine: Engine) -> None:
    """Log the statements of an engine; without `debug` SQLAlchemy is not even asked to call us."""
    if log.isEnabledFor(logging.DEBUG):

        @event.listens_for(engine, "before_cursor_execute")
        def before_cursor_execute(
            connection: Any, cursor: Any, sql: str, values: Any, context: Any, many: bool
        ) -> None:
            log_statement(sql)
