"""Fixtures for all tests."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import URL
from xdist.scheduler import LoadScopeScheduling

pytest.register_assert_rewrite("contract", "support")

# A shell starts a command in the background with interrupts ignored, which all processes of tests
# would inherit.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines, because test machines may be slow. With `CI` set this is Hypothesis' default.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")

from support.backends import Clock  # noqa: E402

CONTEXTS = {
    "tasks": {"tasks", "task", "work", "changes", "runner", "lists", "domain", "filters"},
    "users": {"user", "users", "profile", "passwords"},
    "posts": {"posts", "post", "site", "markdown"},
    "catalogue": {"catalogue", "categories", "products", "stock", "filters"},
    "stock": {"stock", "movements", "reorder", "catalogue", "products"},
    "devices": {"devices", "device", "heartbeats"},
    "access": {"access", "sign", "passwords", "tokens", "setup", "throttle", "sessions"},
}
"""For each context, words in the names of its test modules."""


LONG = (
    "tests/browser",
    "tests/contract",
    "test_schemathesis",
    "test_stockroom",
    "test_demo",
    "test_image_uploads",
    "integration/test_process",
)
"""Parts of node ids of tests that take minutes, the slowest first."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Run each module in one process, and all browser tests in one: they share fixtures."""
    return _ByModule(config, log)


class _ByModule(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        if "tests/browser" in nodeid:
            return "tests/browser"
        # The contract tests are many and share no fixtures, so each is scheduled by itself.
        return nodeid if "tests/contract" in nodeid else nodeid.partition("::")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--context",
        choices=sorted(CONTEXTS),
        help="run the tests of one context alone, on memory and SQLite",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the slowest tests first; deselect tests outside the option `--context`."""
    items.sort(key=_how_long)
    context = config.getoption("--context")
    if context is None:
        return

    def belongs(item: pytest.Item) -> bool:
        words = set(item.path.stem.split("_"))
        return bool(words & CONTEXTS[context]) and "postgres" not in item.nodeid.lower()

    config.hook.pytest_deselected(items=[item for item in items if not belongs(item)])
    items[:] = [item for item in items if belongs(item)]


def _how_long(item: pytest.Item) -> int:
    return next((place for place, name in enumerate(LONG) if name in item.nodeid), len(LONG))


def pytest_report_header() -> str:
    from support.databases import postgres_origin

    return f"PostgreSQL, where a test needs it: {postgres_origin()}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With `CI` set, fail the run if a test was skipped, because it has verified nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """A PostgreSQL server."""
    from support.databases import postgres_server

    # pytest's temporary folder does not work here. Another run makes it accessible to its own user
    # only, and a server started by root runs as a different user.
    with (
        tempfile.TemporaryDirectory(prefix="atelier-") as folder,
        postgres_server(Path(folder)) as url,
    ):
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres: URL) -> str:
    """The name of a populated database, the template for others."""
    from support.databases import migrated_postgres, new_postgres

    url = new_postgres(postgres)
    migrated_postgres(url)
    return str(url.database)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A populated SQLite file, the template for others."""
    from support.databases import migrated_sqlite

    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrated_sqlite(path)
    return path


@pytest.fixture
def sqlite_place(sqlite_template: Path, tmp_path: Path) -> Path:
    """A new populated SQLite file."""
    return Path(shutil.copy(sqlite_template, tmp_path / "atelier.db"))


@pytest.fixture
def postgres_place(postgres: URL, postgres_template: str) -> Iterator[URL]:
    """A new populated PostgreSQL database."""
    from support.databases import execute, new_postgres

    url = new_postgres(postgres, template=postgres_template)
    yield url
    execute(postgres, f"DROP DATABASE {url.database} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Path | URL:
    """A new populated database, once in SQLite and once in PostgreSQL."""
    made: Path | URL = request.getfixturevalue(f"{request.param}_place")
    return made
