"""Fixtures for all tests."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import URL
from xdist.scheduler import LoadScopeScheduling

pytest.register_assert_rewrite("contract", "support")

# A case takes as long as the machine needs; where `CI` is set, Hypothesis itself has it so.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")

from support.backends import Clock  # noqa: E402

CONTEXTS = {
    "tasks": {"adapters", "task", "domain", "filters"},
    "users": {"people", "user", "users", "profile", "passwords"},
    "posts": {"posts", "post", "site", "markdown"},
    "catalogue": {"catalogue", "products", "stock", "filters"},
    "stock": {"catalogue", "products", "stock"},
    "devices": {"fleet", "devices", "device"},
    "access": {"access", "permissions", "sessions", "people"},
}
"""Words in the names of the modules that test a context."""


LONG = (
    "tests/browser",
    "integration/test_contract",
    "test_schemathesis",
    "test_stockroom",
    "test_demo",
    "test_pictures",
    "integration/test_process",
)
"""What takes minutes, by a part of the name, the longest first."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Run each module in one process, and the browser's together: they share what they use."""
    return _ByModule(config, log)


class _ByModule(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        if "tests/browser" in nodeid:
            return "tests/browser"
        # Those of the contract share nothing, and are many.
        return nodeid if "test_contract" in nodeid else nodeid.partition("::")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--context",
        choices=sorted(CONTEXTS),
        help="run the tests of one context alone, on memory and SQLite",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes minutes; leave out what the option `--context` does not ask for.

    A promise of the contract belongs to the module that it is written in, wherever it is run.
    """
    items.sort(key=_how_long)
    context = config.getoption("--context")
    if context is None:
        return

    def belongs(item: pytest.Item) -> bool:
        module = getattr(item, "function", item).__module__
        words = set(module.rpartition(".")[2].split("_"))
        return bool(words & CONTEXTS[context]) and "postgres" not in item.nodeid.lower()

    config.hook.pytest_deselected(items=[item for item in items if not belongs(item)])
    items[:] = [item for item in items if belongs(item)]


def _how_long(item: pytest.Item) -> int:
    return next((place for place, name in enumerate(LONG) if name in item.nodeid), len(LONG))


def pytest_report_header() -> str:
    from support.databases import postgres_origin

    return f"PostgreSQL, where a test needs it: {postgres_origin()}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where `CI` is set, a test that was skipped fails the run: it has shown nothing."""
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

    # Not in pytest's own folder: whoever starts another run closes that to all but themselves, and
    # a server that root has started runs as somebody else.
    with (
        tempfile.TemporaryDirectory(prefix="atelier-") as folder,
        postgres_server(Path(folder)) as url,
    ):
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres: URL) -> str:
    """The name of a database with our tables, to make others from."""
    from support.databases import migrated_postgres, new_postgres

    url = new_postgres(postgres)
    migrated_postgres(url)
    return str(url.database)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our tables, to make others from."""
    from support.databases import migrated_sqlite

    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrated_sqlite(path)
    return path


@pytest.fixture
def sqlite_place(sqlite_template: Path, tmp_path: Path) -> Path:
    """A fresh SQLite file with our tables."""
    return Path(shutil.copy(sqlite_template, tmp_path / "atelier.db"))


@pytest.fixture
def postgres_place(postgres: URL, postgres_template: str) -> Iterator[URL]:
    """A fresh PostgreSQL database with our tables."""
    from support.databases import execute, new_postgres

    url = new_postgres(postgres, template=postgres_template)
    yield url
    execute(postgres, f"DROP DATABASE {url.database} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Path | URL:
    """A fresh database, on each of the two."""
    made: Path | URL = request.getfixturevalue(f"{request.param}_place")
    return made
