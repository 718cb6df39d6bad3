"""What SQLAlchemy and the drivers raise, told in the service layer's words."""

import psycopg
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm.exc import StaleDataError

from adapters.sql.sqlite_driver import sqlite3
from service_layer.errors import ConcurrentChange, DatabaseUnavailable, Held, Unreachable

AWAY = "The database cannot be reached."
FULL = "The database's disk is full; nothing was written."
BUSY = "The database is busy with somebody else's change."
UNUSABLE = "The database's storage cannot be used."

# PostgreSQL's documentation, appendix A: error codes, or their classes.
_POSTGRES = {
    "08": AWAY,  # connection exception
    "53100": FULL,  # disk full
    "53": "The database has no resources left for this.",
    "57014": "The database took too long.",  # query cancelled by statement_timeout
    "57P": AWAY,  # shut down, crashed, starting up, dropped
    "58": UNUSABLE,  # system error
    "25006": "The database takes no changes at the moment.",  # read only transaction
    "28": "The database refused to let the service in.",
    "3D": "The database does not exist.",
    "42P01": "The database has no tables; has it been migrated?",
}

# A use case looks before it writes whether a value is taken and what it refers to is there. That
# the database disagrees means that somebody else was quicker: looking again tells it properly.
_COLLISIONS = {
    "40001",  # serialization failure
    "40P01",  # deadlock detected
    "23505",  # unique violation
    "23503",  # foreign key violation
}
_SQLITE_COLLISIONS = {
    787,  # SQLITE_CONSTRAINT_FOREIGNKEY; at the end of a transaction 19 is all that is told
    1555,  # SQLITE_CONSTRAINT_PRIMARYKEY
    2067,  # SQLITE_CONSTRAINT_UNIQUE
}

# sqlite.org/rescode.html: primary result codes.
_SQLITE = {
    5: BUSY,  # SQLITE_BUSY
    6: BUSY,  # SQLITE_LOCKED
    8: "The database file may not be written.",  # SQLITE_READONLY
    9: "The database took too long.",  # SQLITE_INTERRUPT
    10: UNUSABLE,  # SQLITE_IOERR
    11: "The database file is damaged.",  # SQLITE_CORRUPT
    13: FULL,  # SQLITE_FULL
    14: "The database file cannot be opened.",  # SQLITE_CANTOPEN
    26: "The database file is not a database.",  # SQLITE_NOTADB
}


def translated(error: BaseException | None, *, may_be_committed: bool) -> Exception | None:
    """Return the error to raise in place of a database library's one, or `None` to let it be.

    What nobody foresaw is a defect and stays what it is.
    """
    if isinstance(error, StaleDataError):
        return ConcurrentChange()
    if isinstance(error, TimeoutError):
        return DatabaseUnavailable(BUSY)
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.Error):
        return _postgres(cause, may_be_committed)
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        if code in _SQLITE_COLLISIONS or (code == 19 and "FOREIGN KEY" in str(cause)):
            return ConcurrentChange()
        if code is not None and (detail := _SQLITE.get(code & 0xFF)):
            return DatabaseUnavailable(detail)
    return None


def _postgres(error: psycopg.Error, may_be_committed: bool) -> Exception | None:
    state = error.sqlstate
    if state in _COLLISIONS:
        return ConcurrentChange()
    if state == "55P03":  # lock not available
        return Held()
    if state is None:
        # Raised by the client library: the connection broke or was never there.
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if not lost:
            return None
        return DatabaseUnavailable(AWAY) if may_be_committed else Unreachable(AWAY)
    detail = _POSTGRES.get(state) or _POSTGRES.get(state[:3]) or _POSTGRES.get(state[:2])
    if detail is None:
        return None
    if detail == AWAY and not may_be_committed:
        return Unreachable(detail)
    return DatabaseUnavailable(detail)
