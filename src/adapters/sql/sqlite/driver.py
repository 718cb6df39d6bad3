"""SQLite itself, as new as can be had.

Before 3.51.3 SQLite had a defect in its write-ahead log that could lose a change when several
connections wrote; most Pythons carry an older one. The package `pysqlite3` is the standard
library's module around a current SQLite, where it exists for the platform.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["sqlite3"]
