"""Settings: what is taken, and what stops the start with one line that names the setting."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as runs
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from adapters.sql.postgres.database import arguments
from settings import Settings, UnusableSettings, load

Load = Callable[..., Settings]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to start in, and no settings in the environment."""
    for name in os.environ:
        if name.upper().startswith(("ATELIER_", "DB_", "DATABASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def loaded(folder: Path) -> Load:
    """Load the settings from the given environment, beside the `.env` of the folder."""

    def load_with(environment: Mapping[str, str] | None = None, **more: str) -> Settings:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**(environment or {}), **more}.items():
                patch.setenv(name, value)
            return load()

    return load_with


def refusal(loaded: Load, environment: Mapping[str, str] | None = None, **more: str) -> str:
    """Return the line with which the settings are refused."""
    with pytest.raises(UnusableSettings) as refused:
        loaded(environment, **more)
    line = str(refused.value)
    assert line.isprintable()
    assert "s3cret" not in line
    return line


@pytest.mark.parametrize(
    ("setting", "value", "saying"),
    [
        ("ATELIER_PORT", "http", "ATELIER_PORT"),
        ("ATELIER_PORT", "70000", "ATELIER_PORT"),
        ("ATELIER_REGISTRATION", "maybe", "ATELIER_REGISTRATION"),
        ("ATELIER_CORS_ORIGINS", "https://a.example,b.example", "ATELIER_CORS_ORIGINS"),
        ("ATELIER_CORS_ORIGINS", "*", "ATELIER_CORS_ORIGINS"),
        ("ATELIER_TRUSTED_PROXIES", "proxy.example", "ATELIER_TRUSTED_PROXIES"),
        ("ATELIER_MEDIA", "/proc/version", "ATELIER_MEDIA"),
        ("ATELIER_WORKERS", "0", "ATELIER_WORKERS"),
        ("ATELIER_WORKERS", "2", "ATELIER_WORKERS must be 1 on SQLite"),
        ("ATELIER_CURRENCY", "Euro", "ATELIER_CURRENCY"),
        ("ATELIER_CURRENCY", "eur", "ATELIER_CURRENCY"),
        ("ATELIER_LOG", "xml", "ATELIER_LOG"),
        ("ATELIER_LOG_LEVEL", "loud", "ATELIER_LOG_LEVEL"),
        ("ATELIER_REQUIRE_IF_MATCH", "perhaps", "ATELIER_REQUIRE_IF_MATCH"),
        ("DATABASE_URL", "mysql://x/y", "DATABASE_URL must begin with"),
        ("DATABASE_URL", "s3cret nonsense", "DATABASE_URL is not a database's address"),
        ("DATABASE_URL", "postgresql://u:s3cret@h:port/d", "DATABASE_URL"),
        ("DATABASE_URL", "postgresql://u:p@s3cret@h/d", "is written %40"),
        ("DATABASE_URL", "sqlite://", "DATABASE_URL must name a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "DATABASE_URL must name a file"),
        ("DB_NAME", "shop", "DB_NAME is set, but DB_HOST is not"),
        ("DB_PORT", "x", "DB_PORT"),
        ("DB_HOST", "h", "DB_NAME is not"),
        ("DB_PORT", "5432", "DB_PORT is set, but DB_HOST is not"),
    ],
)
def test_an_unusable_setting_is_refused_by_its_name(
    loaded: Load, setting: str, value: str, saying: str
) -> None:
    assert saying in refusal(loaded, {setting: value})


@pytest.mark.parametrize(
    ("setting", "value", "saying"),
    [
        ("ATELIER_PORT", "http", "ATELIER_PORT: must be a whole number."),
        ("ATELIER_PORT", "70000", "ATELIER_PORT: must be at most 65535."),
        ("ATELIER_LOG", "xml", "ATELIER_LOG: must be 'text' or 'json'."),
        ("ATELIER_REQUIRE_IF_MATCH", "x", "ATELIER_REQUIRE_IF_MATCH: must be true or false."),
    ],
)
def test_a_refused_setting_tells_what_it_takes(
    loaded: Load, setting: str, value: str, saying: str
) -> None:
    assert refusal(loaded, {setting: value}) == saying


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://workshop.example", "https://workshop.example"),
        ("HTTPS://Workshop.Example:443/", "https://workshop.example"),
        ("http://workshop.example:80", "http://workshop.example"),
        ("https://workshop.example:8443", "https://workshop.example:8443"),
        ("http://[2001:DB8:0::1]:8000", "http://[2001:db8::1]:8000"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_the_public_address_is_told_in_the_spelling_that_browsers_use(
    loaded: Load, text: str, origin: str
) -> None:
    settings = loaded(ATELIER_ORIGIN=text)
    assert str(settings.origin) == settings.address == origin


@pytest.mark.parametrize(
    "text",
    [
        *("workshop.example", "https://", "https://*", "https://*.example", "ftp://a.example"),
        *("https://a.example/path", "https://u:s3cret@a.example", "https://a.example?x", "null"),
        *("https://a.example:0", "https://a.example:65536", "https://[a]", "https://a b"),
    ],
)
def test_what_is_no_origin_is_refused_as_one(loaded: Load, text: str) -> None:
    for setting in ("ATELIER_ORIGIN", "ATELIER_CORS_ORIGINS"):
        line = f"{setting}: takes an address such as https://workshop.example, without a path."
        assert refusal(loaded, {setting: text}) == line


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
        ("2001:db8::7", "http://[2001:db8::7]:8000"),
        ("workshop.local", "http://workshop.local:8000"),
    ],
)
def test_the_printed_address_can_be_opened_in_a_browser(
    loaded: Load, host: str, address: str
) -> None:
    settings = loaded(ATELIER_HOST=host)
    assert settings.address == settings.local_address == address


# `.env`


@pytest.mark.parametrize(
    "line",
    [
        "DATABASE_URL sqlite:///s3cret.db",
        "DATABASE_URL: sqlite:///s3cret.db",
        'DATABASE_URL="sqlite:///s3cret.db',
        "DATABASE_URL='sqlite:///s3cret.db",
        "DATABASE_URL='sqlite:///s3cret.db' s3cret",
        "set DATABASE_URL=sqlite:///s3cret.db",
        "DATABASE_URL",
        "export DATABASE_URL",
        "= s3cret",
        "$DATABASE_URL=s3cret",
        "DATABASE_URL=sqlite:///${S3CRET_NAME}.db",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_of_the_env_file_that_cannot_be_read_is_refused_by_its_number(
    folder: Path, loaded: Load, line: str, end: str
) -> None:
    text = end.join(["# ours", "ATELIER_LOG=json", "", "", line, "ATELIER_PORT=9000", ""])
    (folder / ".env").write_bytes(text.encode())
    assert refusal(loaded).startswith(".env, line 5: ")


def test_lines_of_the_env_file_are_taken_as_shells_and_compose_take_them(
    folder: Path, loaded: Load
) -> None:
    (folder / ".env").write_bytes(
        "\ufeff# ours\r\n"
        "export ATELIER_HOST = 0.0.0.0  # everywhere\r\n"
        "\r\n"
        "db_host='db'\r\n"
        'DB_NAME="shop"\r\n'
        "DB_PASSWORD='a ${b} #c '\r\n"
        "DB_USER=${DB_NAME}-${NOBODY_HAS_SET_THIS:-x}\r\n"
        "SOMETHING_ELSE=${DB_USER}\r\n"
        "ATELIER_LOG=\r\n".encode()
    )
    settings = loaded()
    assert settings.host == "0.0.0.0"
    assert settings.log == "text"
    said = arguments(settings.url)
    assert (said["host"], said["dbname"]) == ("db", "shop")
    assert (said["user"], said["password"]) == ("shop-x", "a ${b} #c ")


def test_the_environment_wins_over_the_env_file(folder: Path, loaded: Load) -> None:
    (folder / ".env").write_text("ATELIER_PORT=9000\nATELIER_LOG=json\n")
    settings = loaded(ATELIER_PORT="9001", ATELIER_LOG="")
    assert (settings.port, settings.log) == (9001, "json")


def test_an_env_file_that_is_a_folder_or_leads_nowhere_is_refused(
    folder: Path, loaded: Load
) -> None:
    (folder / ".env").mkdir()
    assert refusal(loaded) == ".env is a folder, not a file."
    (folder / ".env").rmdir()
    (folder / ".env").symlink_to("nowhere")
    assert refusal(loaded) == ".env cannot be read: no such file or directory."


def test_an_env_file_that_is_no_text_is_refused(folder: Path, loaded: Load) -> None:
    (folder / ".env").write_bytes(b"\xff\xfe")
    assert refusal(loaded) == ".env is not text in UTF-8."


# Names


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ATELIER_PROT", "ATELIER_PORT"),
        ("ATELIER_LOGLEVEL", "ATELIER_LOG_LEVEL"),
        ("atelier_trusted_proxy", "ATELIER_TRUSTED_PROXIES"),
        ("DB_USERNAME", "DB_USER"),
        ("DB_PASS", "DB_PASSWORD"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_known_name(
    folder: Path, loaded: Load, name: str, nearest: str
) -> None:
    line = f"there is no setting {name}; the nearest one is {nearest}."
    assert refusal(loaded, {name: "s3cret"}) == line
    (folder / ".env").write_text(f"ATELIER_PORT=9000\n{name}=s3cret\n")
    assert refusal(loaded) == f".env, line 2: {line}"


def test_names_that_service_links_make_are_passed_over(loaded: Load) -> None:
    linked = {
        "ATELIER_SERVICE_HOST": "10.0.0.1",
        "ATELIER_SERVICE_PORT": "8000",
        "ATELIER_SERVICE_PORT_HTTP": "8000",
        "ATELIER_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "ATELIER_PORT_8000_TCP_ADDR": "10.0.0.1",
        "DB_SERVICE_HOST": "10.0.0.2",
        "DB_PORT_5432_TCP_PORT": "5432",
        "ATELIER_DB_PORT_5432_TCP": "tcp://10.0.0.2:5432",
    }
    assert loaded(linked).port == 8000


@pytest.mark.parametrize("name", ["ATELIER_PORT", "DB_PORT", "ATELIER_DB_PORT"])
def test_a_port_that_a_service_link_sets_is_refused_as_such(loaded: Load, name: str) -> None:
    line = refusal(loaded, {name: "tcp://10.0.0.1:8000"})
    assert line.startswith(f"{name} was set by a container's service link")


def test_a_setting_given_twice_in_other_letters_is_refused(loaded: Load) -> None:
    assert "twice" in refusal(loaded, DB_HOST="a", db_host="b", DB_NAME="shop")


# Databases


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///~/s3cret.db",
        "sqlite:///s3cret.db\r",
        "sqlite:///s3cret.db ",
        " sqlite:///s3cret.db",
        "sqlite:///s3cret.db%20",
        "sqlite:///s3cret.db%0D",
        "sqlite:///s3cret.db?mode=ro",
        "sqlite:///s3cret.db?uri=true&mode=ro",
        "sqlite:///file:s3cret.db?uri=true",
        "sqlite:///s3cret.db?",
        "sqlite://s3cret.db",
        "sqlite://s3cret/atelier.db",
        "sqlite:/s3cret.db",
        "sqlite:///.",
        "sqlite+pysqlcipher://:s3cret@/atelier.db",
        "postgresql://h",
        "postgresql://h/",
        "postgresql://u:s3cret@h",
        "postgresql:///",
        "postgresql://h/s3cret ",
        "postgresql://h/s3cret\r",
        "postgresql://u:s3cret@h/d?sslmode=require&sslmode=disable",
        "postgresql://h/d?host=s3cret&host=other",
        "postgresql://u:pa/s3cret:1@h:port/d",
        "postgresql://u:5432/s3cret@h/d",
        "postgresql://u:s3cret@h:70000/d",
        "postgresql://u:s3cret@h1:1,h2:x/d",
    ],
)
def test_an_address_that_could_mean_another_database_is_refused(loaded: Load, address: str) -> None:
    assert refusal(loaded, DATABASE_URL=address).startswith("DATABASE_URL")


@pytest.mark.parametrize(
    "parts",
    [
        {"DB_HOST": "h"},
        {"DB_HOST": "h", "DB_USER": "u", "DB_PASSWORD": "s3cret"},
        {"DB_HOST": "h:5432", "DB_NAME": "d"},
        {"DB_HOST": "[::1]", "DB_NAME": "d"},
        {"DB_HOST": "u:s3cret@h", "DB_NAME": "d"},
        {"DB_HOST": "postgresql://h", "DB_NAME": "d"},
        {"DB_HOST": "h", "DB_NAME": "d\r"},
        {"DB_HOST": "h ", "DB_NAME": "d"},
        {"DB_HOST": "h", "DB_NAME": "d", "DB_PASSWORD": "s3cret\n"},
    ],
)
def test_parts_that_could_mean_another_database_are_refused(
    loaded: Load, parts: dict[str, str]
) -> None:
    assert refusal(loaded, parts).startswith("DB_")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://db.local/shop",
        "postgres://ann:p%40ss%2Fw@db.local:5433/shop",
        "postgresql+asyncpg://ann@db.local/shop",
        "postgresql://ann@%2Fvar%2Frun%2Fpostgresql/shop",
        "postgresql://ann@%2Fvar%2Frun%2Fpostgresql:5433/shop",
        "postgresql:///shop?host=/var/run/postgresql&port=5433",
        "postgresql://h1,h2/shop",
        "postgresql://h1:5433,h2/shop?target_session_attrs=read-write",
        "postgresql://h1:5433,h2:5434/shop",
        "postgresql://[::1]:5433/shop",
        "postgresql://[::1]:5433,[::2]/shop",
        "postgresql://h1/shop?host=h2&dbname=other&user=eve&password=p&port=5433",
        "postgresql://h/shop?options=-c%20search_path%3Dmine",
        "postgresql://h/sh+op%20%C3%A9?application_name=a+b",
        "postgresql://h/shop?sslmode=require",
        "postgresql://h/a%40b",
    ],
)
def test_an_address_means_the_database_that_psql_would_open(loaded: Load, address: str) -> None:
    said = arguments(loaded(DATABASE_URL=address).url)
    psql = conninfo_to_dict("postgresql:" + address.partition(":")[2])
    assert psql.pop("options", "") in said["options"]
    if not str(psql.get("port", "")).strip(","):
        psql.pop("port", None)  # libpq writes a comma for two hosts without ports
    assert {name: str(said[name]) for name in psql} == psql
    for name in ("host", "hostaddr", "port", "user", "password", "dbname", "service"):
        assert (said.get(name) is None) == (name not in psql)


@pytest.mark.parametrize(
    ("address", "password"),
    [
        ("postgresql://ann:pa/ss@db.local/shop", "pa/ss"),
        ("postgresql://ann:100%@db.local/shop", "100%"),
        ("postgresql://ann:a+b/c=@db.local:5433/shop?sslmode=require", "a+b/c="),
    ],
)
def test_a_password_that_is_not_escaped_is_read_as_sqlalchemy_reads_it(
    loaded: Load, address: str, password: str
) -> None:
    said = arguments(loaded(DATABASE_URL=address).url)
    assert (said["user"], said["password"]) == ("ann", password)
    assert (said["host"], said["dbname"]) == ("db.local", "shop")


def test_parts_may_name_a_socket_several_hosts_or_an_address_of_ipv6(loaded: Load) -> None:
    for host in ("/var/run/postgresql", "h1,h2", "::1", "db.local"):
        said = arguments(loaded(DB_HOST=host, DB_NAME="shop").url)
        assert (said["host"], str(said["port"]), said["dbname"]) == (host, "5432", "shop")


@runs(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(path=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
@example("a%20b.db")
@example("a#b.db")
@example("file:a.db")
@example("/a.db")
@example("a/./../b.db")
@example(":memory:")
def test_a_path_is_the_file_that_sqlalchemy_would_open_or_refused(loaded: Load, path: str) -> None:
    address = f"sqlite:///{path}"
    try:
        taken = loaded(DATABASE_URL=address).sqlite_path
    except UnusableSettings:
        return
    (opened,), _ = SQLiteDialect_pysqlite().create_connect_args(make_url(address))
    assert taken is not None
    assert os.path.normpath(taken.absolute()) == os.path.normpath(opened)


@runs(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    rest=st.text("uh:@/,?&=%[]#+.2F4015", max_size=24),
    query=st.sampled_from(["", "?host=h", "?port=5433", "?dbname=d", "?user=u"]),
)
def test_an_address_is_read_as_psql_or_sqlalchemy_read_it_or_refused(
    loaded: Load, rest: str, query: str
) -> None:
    address = f"postgresql://{rest}{query}"
    try:
        said = arguments(loaded(DATABASE_URL=address).url)
    except UnusableSettings:
        return
    place = {name: str(said[name]) for name in ("host", "dbname", "user") if said.get(name)}
    readings = []
    try:
        psql = conninfo_to_dict(address)
        readings.append({n: str(psql[n]) for n in ("host", "dbname", "user") if psql.get(n)})
    except Exception:
        pass
    try:
        url = make_url(address)
        alike = {"host": url.host, "dbname": url.database, "user": url.username, **url.query}
        readings.append({n: str(alike[n]) for n in ("host", "dbname", "user") if alike.get(n)})
    except Exception:
        pass
    assert place in readings
