"""Translation of psycopg's errors into the service layer's."""

import psycopg

from adapters.sql.errors import AWAY, FULL, READ_ONLY, SLOW, UNUSABLE, unavailable
from service_layer.errors import (
    ConcurrencyConflict,
    ConnectionLost,
    DatabaseUnavailable,
    LockTimeout,
)

NO_TABLES = "The database has no tables; has it been migrated?"

# SQLSTATE codes or their prefixes (PostgreSQL's documentation, appendix A).
_STATES = {
    "08": AWAY,  # connection exception
    "53100": FULL,  # disk full
    "53": "The database has no resources left for this.",
    "57014": SLOW,  # query cancelled by statement_timeout
    "57P": AWAY,  # shut down, crashed, starting up, dropped
    "58": UNUSABLE,  # system error
    "25006": READ_ONLY,  # read only transaction
    "28": "The database refused to let the service in.",
    "3D": "The database does not exist.",
    "42P01": NO_TABLES,
}

# Each of these is a concurrency conflict; see `SqlDatabase.translate_error`.
_COLLISIONS = {
    "40001",  # serialization failure
    "40P01",  # deadlock detected
    "23505",  # unique violation
    "23503",  # foreign key violation
}


def translate_error(error: BaseException, *, may_be_committed: bool) -> Exception | None:
    """Return the error to raise in place of psycopg's, or `None` to keep it."""
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate
    if state in _COLLISIONS:
        return ConcurrencyConflict()
    if state == "55P03":  # lock not available
        return LockTimeout()
    if state is None:
        # An error without SQLSTATE comes from the client library: no connection, or a lost one.
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if not lost:
            return None
        return DatabaseUnavailable(AWAY) if may_be_committed else ConnectionLost(AWAY)
    detail = _STATES.get(state) or _STATES.get(state[:3]) or _STATES.get(state[:2])
    if detail is None:
        return None
    if detail == AWAY and not may_be_committed:
        return ConnectionLost(detail)
    return unavailable(detail)
