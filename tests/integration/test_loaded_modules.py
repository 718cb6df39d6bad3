"""The modules that a process loads: no driver, library or entry point that it does not use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOADED = """
import sys
from bootstrap import Container, application

container = Container()
container.database()
application(container)
print(*sys.modules)
"""

UNUSED = {"alembic", "nh3", "PIL", "rich"}


@pytest.mark.parametrize(
    ("url", "used", "unused"),
    [
        (
            "sqlite:///atelier.db",
            "adapters.sql.sqlite",
            {"psycopg", "sqlalchemy.dialects.postgresql", "adapters.sql.postgres"},
        ),
        (
            "postgresql://localhost/atelier",
            "adapters.sql.postgres",
            {"pysqlite3", "sqlalchemy.dialects.sqlite", "adapters.sql.sqlite"},
        ),
    ],
)
def test_service_loads_only_the_driver_of_its_database(
    url: str, used: str, unused: set[str], tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={**os.environ, "DATABASE_URL": url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    loaded = set(ran.stdout.split())
    assert used in loaded
    assert not loaded & (UNUSED | unused)


def test_command_loads_no_module_of_the_server(tmp_path: Path) -> None:
    loaded = "import sys, commands; commands.Commands(); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", loaded],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "entrypoints.cli" in ran.stdout.split()
    serving = {"entrypoints.app", "entrypoints.pages", "jinja2", "fastapi", "dependency_injector"}
    assert not serving & set(ran.stdout.split())
