"""Import of the newest available SQLite module.

Before 3.51.3, SQLite's write-ahead log had a bug that could lose a change when several connections
wrote. Most Python builds include an older version. The package `pysqlite3` is the standard
library's module with a current SQLite, on the platforms that it supports.
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
