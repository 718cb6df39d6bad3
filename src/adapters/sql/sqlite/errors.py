"""Translation of the SQLite module's errors into the service layer's."""

from adapters.sql.errors import BUSY, FULL, READ_ONLY, SLOW, UNUSABLE, unavailable
from adapters.sql.sqlite.driver import sqlite3
from service_layer.errors import ConcurrencyConflict

# Each of these is a concurrency conflict; see `SqlDatabase.translate_error`.
_COLLISIONS = {
    787,  # SQLITE_CONSTRAINT_FOREIGNKEY; a commit reports the primary code 19 only
    1555,  # SQLITE_CONSTRAINT_PRIMARYKEY
    2067,  # SQLITE_CONSTRAINT_UNIQUE
}

# Primary result codes (sqlite.org/rescode.html).
_CODES = {
    5: BUSY,  # SQLITE_BUSY
    6: BUSY,  # SQLITE_LOCKED
    8: READ_ONLY,  # SQLITE_READONLY
    9: SLOW,  # SQLITE_INTERRUPT
    10: UNUSABLE,  # SQLITE_IOERR
    11: "The database file is damaged.",  # SQLITE_CORRUPT
    13: FULL,  # SQLITE_FULL
    14: "The database file cannot be opened.",  # SQLITE_CANTOPEN
    26: "The database file is not a database.",  # SQLITE_NOTADB
}


def translate_error(error: BaseException) -> Exception | None:
    """Return the error to raise in place of the module's, or `None` to keep it."""
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", None)
    if code in _COLLISIONS or (code == 19 and "FOREIGN KEY" in str(error)):
        return ConcurrencyConflict()
    if code is not None and (detail := _CODES.get(code & 0xFF)):
        return unavailable(detail)
    return None
