"""Support for prepared statements: SQL conversion for libpq, and checks of its results."""

import re
from functools import lru_cache

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat
from psycopg.errors import error_from_result

MAX_PREPARED = 200
"""Maximum number of prepared statements per connection."""


LOST = "the connection is lost"


@lru_cache(maxsize=1024)
def to_positional(sql: str) -> tuple[bytes, tuple[str, ...], list[PyFormat]]:
    """Replace named by numbered parameters; return the SQL, the names in order and their formats.

    `%(…)b` parameters are sent in binary, all others in the format that psycopg prefers.
    """
    names: dict[str, int] = {}
    formats: list[PyFormat] = []

    def number(sign: re.Match[str]) -> str:
        name = sign[1]
        if name is None:
            return "%"
        if name not in names:
            names[name] = len(names) + 1
            formats.append(PyFormat.BINARY if sign[2] == "b" else PyFormat.AUTO)
        return f"${names[name]}"

    query = re.sub(r"%(?:%|\((\w+)\)([sb]))", number, sql)
    return query.encode(), tuple(names), formats


def check_result(libpq: pq.abc.PGconn, result: pq.abc.PGresult) -> pq.abc.PGresult:
    """Return a successful result.

    Raises:
        psycopg.Error: the server's error, or `OperationalError` if the connection is lost.
    """
    if libpq.status != pq.ConnStatus.OK:
        raise psycopg.OperationalError(LOST)
    if result.status == pq.ExecStatus.FATAL_ERROR:
        raise error_from_result(result)
    return result
