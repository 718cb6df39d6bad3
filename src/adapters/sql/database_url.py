"""Parse `DATABASE_URL` as psql or SQLAlchemy would, and reject ambiguous values.

The value is a secret, so no error message contains any part of it.
"""

from collections import Counter
from pathlib import Path
from urllib.parse import parse_qsl

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SQLITE = ("sqlite", "sqlite+pysqlite", "sqlite+aiosqlite")

_NOT_AN_ADDRESS = "DATABASE_URL is not a database's address"
_SECOND_AT = "DATABASE_URL has a second @; one in a password is written %40"


def read(text: str) -> URL:
    """Parse a database URL into the form that the adapters take.

    Raises:
        ValueError: when the URL names no database that this service can use. The message is shown
            to the operator.
    """
    if text != text.strip():
        raise ValueError("DATABASE_URL begins or ends with a blank or a line end")
    scheme = text.partition(":")[0]
    backend = scheme.partition("+")[0]
    if "://" not in text:
        raise ValueError(_NOT_AN_ADDRESS)
    if backend == "sqlite":
        return _sqlite(text, scheme)
    if backend in ("postgresql", "postgres"):
        return _postgresql(text, scheme)
    raise ValueError("DATABASE_URL must begin with sqlite:/// or postgresql://")


def _sqlite(text: str, scheme: str) -> URL:
    if scheme not in SQLITE:
        raise ValueError("DATABASE_URL must begin with sqlite:/// for an embedded database")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(_NOT_AN_ADDRESS) from None
    if url.database in (None, "", ":memory:"):
        raise ValueError("DATABASE_URL must name a file, as in sqlite:///atelier.db")
    if url.host or url.port or url.username or url.password:
        raise ValueError("DATABASE_URL takes three slashes and a path, or four and a whole path")
    if "?" in text:
        raise ValueError("DATABASE_URL takes no parameters (?…) for SQLite")
    path = url.database or ""
    if path.startswith("~"):
        raise ValueError("DATABASE_URL: ~ is not expanded; write the whole path")
    if not path.isprintable() or path != path.strip():
        raise ValueError("DATABASE_URL has a blank at an end of the path, or a control character")
    if Path(path).is_dir():
        raise ValueError("DATABASE_URL must name a file, and this is a folder")
    return URL.create("sqlite", database=path)


def _postgresql(text: str, scheme: str) -> URL:
    """Parse a URL with libpq, as psql does.

    A URL that libpq rejects is parsed by SQLAlchemy, which permits `/` and `%` in a password. A URL
    with two possible readings is rejected.
    """
    import psycopg  # lazy import: SQLite does not need the memory
    from psycopg.conninfo import conninfo_to_dict

    _require_single_parameters(text)
    rest = text[len(scheme) :]
    try:
        said = {k: str(v) for k, v in conninfo_to_dict(f"postgresql{rest}").items()}
    except (psycopg.ProgrammingError, UnicodeError):
        said = None
    if said is None or not _are_ports(said.get("port", "")):
        said = _by_sqlalchemy(text)
    elif _has_stray_at(rest):
        raise ValueError(_SECOND_AT)
    if not said.get("dbname") and "service" not in said:
        raise ValueError("DATABASE_URL names no database, as postgresql://host/name does")
    return address(said)


def _require_single_parameters(text: str) -> None:
    query = parse_qsl(text.partition("?")[2], keep_blank_values=True)
    names = Counter(name for name, _ in query)
    if any(number > 1 for number in names.values()):
        raise ValueError("DATABASE_URL has a parameter twice")


def _has_stray_at(rest: str) -> bool:
    """Tell whether the host or the database name has an @, which probably belongs to a password."""
    authority, _, path = rest.removeprefix("://").partition("?")[0].partition("/")
    return authority.count("@") > 1 or "@" in path


def _are_ports(text: str) -> bool:
    """Tell whether the text is a comma-separated list of ports, in which items may be empty."""
    return all(
        not port or (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535)
        for port in text.split(",")
    )


def _by_sqlalchemy(text: str) -> dict[str, str]:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(_NOT_AN_ADDRESS) from None
    if "@" in (url.host or ""):
        raise ValueError(_SECOND_AT)
    said = {
        "host": url.host,
        "port": None if url.port is None else str(url.port),
        "user": url.username,
        "password": url.password,
        "dbname": url.database,
        **url.query,
    }
    made = {name: value for name, value in said.items() if isinstance(value, str) and value}
    if not _are_ports(made.get("port", "")):
        raise ValueError(_NOT_AN_ADDRESS)
    return made


def address(said: dict[str, str]) -> URL:
    """Build a URL from libpq's connection parameters.

    A socket folder or a list of hosts has no place before the path, so it goes into the query.
    """
    query = dict(said)
    host, port = query.pop("host", None), query.pop("port", None)
    single = host is None or not (host.startswith(("/", "@")) or "," in host)
    if host is not None and not single:
        query["host"] = host
    if port and port.strip(",") and not (single and port.isdigit()):
        query["port"] = port
    return URL.create(
        "postgresql",
        username=query.pop("user", None),
        password=query.pop("password", None),
        host=host if single else None,
        port=int(port) if single and port and port.isdigit() else None,
        database=query.pop("dbname", None),
        query=query,
    )
