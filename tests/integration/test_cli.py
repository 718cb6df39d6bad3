"""`atelier` from the shell: what it does, what it says, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from adapters.sql.database import HEAD
from support.databases import execute, new_postgres, text
from support.service import (
    ROOT,
    Service,
    atelier,
    environment,
    free_port,
    interpreted,
    printed_settings,
    told_settings,
)


def test_without_settings_the_defaults_hold(tmp_path: Path) -> None:
    settings = printed_settings(interpreted("settings", folder=tmp_path))
    assert settings["DATABASE_URL"] == ("sqlite:///atelier.db", "default")
    assert settings["ATELIER_HOST"] == ("127.0.0.1", "default")
    assert settings["ATELIER_PORT"] == ("8000", "default")
    assert settings["ATELIER_REQUIRE_IF_MATCH"] == ("false", "default")


def test_settings_tell_their_sources_and_mask_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ATELIER_PORT=9000\nATELIER_LOG=json\n")
    settings = told_settings(
        tmp_path, ATELIER_PORT="9001", DATABASE_URL="postgresql://ann:s3cret@db.local/atelier"
    )
    assert settings["ATELIER_PORT"] == ("9001", "environment")
    assert settings["ATELIER_LOG"] == ("json", ".env")
    assert settings["DATABASE_URL"] == ("postgresql://ann:***@db.local/atelier", "environment")


def test_postgresql_can_be_named_in_parts(tmp_path: Path) -> None:
    parts = {"DB_HOST": "db.local", "DB_USER": "ann", "DB_PASSWORD": "s3:c/r@t", "DB_NAME": "shop"}
    settings = told_settings(tmp_path, **parts)
    assert settings["DATABASE_URL"][0] == "postgresql://ann:***@db.local:5432/shop"
    assert settings["DB_PASSWORD"] == ("***", "environment")


@pytest.mark.parametrize(
    ("setting", "value", "saying"),
    [
        ("ATELIER_PORT", "http", "ATELIER_PORT"),
        ("DATABASE_URL", "postgresql://u:p@s3cret@h/d", "is written %40"),
    ],
)
def test_an_unusable_setting_stops_the_start_with_one_line(
    tmp_path: Path, setting: str, value: str, saying: str
) -> None:
    done = interpreted("serve", folder=tmp_path, **{setting: value})
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("atelier: ")
    assert saying in line
    assert "s3cret" not in line
    assert list(tmp_path.iterdir()) == []


# Each command is interrupted while it loads a module: its own, or one that only it needs.
INTERRUPTING = """
import os, signal, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == os.environ["INTERRUPTED_IN"]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("serve", "fastapi"),
        ("serve", "entrypoints.app"),
        ("migrate", "alembic"),
        ("demo", "entrypoints.demo.trade"),
    ],
)
def test_ctrl_c_while_a_command_starts_ends_it_quietly_with_130(
    tmp_path: Path, command: str, module: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    python = os.pathsep.join(map(str, (tmp_path, ROOT / "src", ROOT)))
    settings = {"PYTHONPATH": python, "ATELIER_PORT": str(free_port()), "INTERRUPTED_IN": module}
    done = atelier(command, folder=tmp_path, **settings)
    assert (done.returncode, "Traceback" in done.stderr) == (130, False), done.stderr


def test_an_embedded_database_is_made_and_migrated_by_serving(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client() as client:
        assert client.get("/health/ready").status_code == 200
        assert (tmp_path / "atelier.db").exists()


def test_postgresql_is_migrated_only_when_told_so(postgres: URL, tmp_path: Path) -> None:
    url = new_postgres(postgres)
    settings = {"DATABASE_URL": text(url)}

    refused = atelier("serve", folder=tmp_path, ATELIER_PORT=str(free_port()), **settings)
    assert refused.returncode == 1
    assert refused.stderr == (
        "atelier: The database's schema is empty: run `atelier migrate` first.\n"
    )

    service = Service(tmp_path, **settings)
    service.arguments = ["--migrate"]
    with service, service.client() as client:
        assert client.get("/health/ready").status_code == 200
    migrated = interpreted("migrate", folder=tmp_path, **settings)
    assert (migrated.returncode, migrated.stdout) == (
        0,
        f"The database is up to date: it was at {HEAD} already.\n",
    )
    execute(postgres, f"DROP DATABASE {url.database} WITH (FORCE)")


def test_postgresql_in_parts_is_served_like_by_its_address(
    postgres_place: URL, tmp_path: Path
) -> None:
    host = postgres_place.host or str(postgres_place.query["host"])
    parts = {
        "DB_HOST": host,
        "DB_PORT": str(postgres_place.port or 5432),
        "DB_USER": postgres_place.username or "",
        "DB_PASSWORD": postgres_place.password or "",
        "DB_NAME": postgres_place.database or "",
    }
    with Service(tmp_path, **parts) as service, service.client() as client:
        assert client.post("/api/v1/tasks", json={"title": "x"}).status_code == 201


@pytest.mark.parametrize("revision", ["0001", "9999"])
def test_a_postgresql_schema_of_another_version_is_refused_with_what_to_do(
    postgres_place: URL, tmp_path: Path, revision: str
) -> None:
    execute(postgres_place, f"UPDATE alembic_version SET version_num = '{revision}'")
    settings = {"DATABASE_URL": text(postgres_place), "ATELIER_PORT": str(free_port())}
    done = atelier("serve", folder=tmp_path, **settings)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    what = "run `atelier migrate` first" if revision == "0001" else "install a newer Atelier"
    assert what in line


def test_a_sqlite_schema_ahead_is_refused(sqlite_place: Path, tmp_path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(sqlite_place)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    done = atelier("serve", folder=tmp_path, DATABASE_URL=f"sqlite:///{sqlite_place}")
    assert done.returncode == 1
    assert done.stderr == (
        "atelier: The database's schema is ahead of this version: install a newer Atelier.\n"
    )


def test_secrets_in_an_address_are_masked_wherever_they_stand(tmp_path: Path) -> None:
    address = "postgresql://u:p%40s3cret@h/x?password=s3cret&sslpassword=s3cret&sslmode=require"
    shown = told_settings(tmp_path, DATABASE_URL=address)["DATABASE_URL"][0]
    assert "s3cret" not in shown
    assert "sslmode=require" in shown


def test_long_values_are_shown_whole(tmp_path: Path) -> None:
    address = f"postgresql://u@h/{'long' * 60}"
    assert told_settings(tmp_path, DATABASE_URL=address)["DATABASE_URL"][0].endswith("longlong")


def test_an_env_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ATELIER_LOG=json\nDATABASE_URL sqlite:///s3cret.db\n")
    done = atelier("serve", folder=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("atelier: .env, line 2: ")
    assert "s3cret" not in line


def test_a_database_with_tables_of_somebody_else_is_left_alone(
    postgres: URL, tmp_path: Path
) -> None:
    import sqlite3

    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE tasks (mine)")
    connection.close()
    url = new_postgres(postgres)
    execute(url, "CREATE TABLE tasks (mine int)")
    for address in (f"sqlite:///{tmp_path / 'other.db'}", text(url)):
        done = atelier("migrate", folder=tmp_path, DATABASE_URL=address)
        assert done.returncode == 1
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("atelier: ")
        assert "tasks" in line
    execute(postgres, f"DROP DATABASE {url.database} WITH (FORCE)")


def test_migrating_a_schema_ahead_says_what_to_do(place: Path | URL, tmp_path: Path) -> None:
    if isinstance(place, Path):
        import sqlite3

        connection = sqlite3.connect(place)
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
        connection.close()
        address = f"sqlite:///{place}"
    else:
        execute(place, "UPDATE alembic_version SET version_num = '9999'")
        address = text(place)
    done = atelier("migrate", folder=tmp_path, DATABASE_URL=address)
    assert done.returncode == 1
    assert done.stderr == (
        "atelier: The database's schema is ahead of this version: install a newer Atelier.\n"
    )


# Admins


def create_admin(
    folder: Path, *arguments: str, input: str = "long enough\n", **settings: str
) -> Any:
    return atelier(
        "create-admin", *arguments, "--password-stdin", folder=folder, input=input, **settings
    )


def test_an_admin_is_made_before_the_first_start_as_well(tmp_path: Path) -> None:
    done = create_admin(tmp_path, "eve", "eve@example.org")
    assert (done.returncode, done.stdout, done.stderr) == (0, "eve is an admin now.\n", "")
    with Service(tmp_path) as service, service.client() as client:
        assert "setup" not in service.log.read_text()
        form = {"username": "eve", "password": "long enough"}
        assert client.as_(None).post("/api/v1/auth/token", data=form).status_code == 200


def test_an_admin_is_made_on_either_database(place: Path | URL, tmp_path: Path) -> None:
    address = f"sqlite:///{place}" if isinstance(place, Path) else text(place)
    done = create_admin(tmp_path, "eve", "eve@example.org", "--name", "Ève", DATABASE_URL=address)
    assert (done.returncode, done.stderr) == (0, "")
    again = create_admin(tmp_path, "EVE", "other@example.org", DATABASE_URL=address)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "atelier: This username is already used by another person.\n"


def test_a_password_that_is_no_text_is_told_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "atelier", "create-admin", "eve", "eve@example.org",
         "--password-stdin"],
        cwd=tmp_path, env=environment(), input=b"\xff\xfe long enough\n", capture_output=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == ["atelier: The password is not text in UTF-8."]


def test_without_a_terminal_the_password_has_to_come_by_standard_input(tmp_path: Path) -> None:
    done = atelier("create-admin", "eve", "eve@example.org", folder=tmp_path, input="long enough\n")
    assert done.returncode == 2
    assert "--password-stdin" in done.stderr
    assert not (tmp_path / "atelier.db").exists()


def test_an_admin_is_not_made_in_a_postgresql_schema_of_another_version(
    postgres_place: URL, tmp_path: Path
) -> None:
    execute(postgres_place, "UPDATE alembic_version SET version_num = '0001'")
    done = create_admin(tmp_path, "eve", "eve@example.org", DATABASE_URL=text(postgres_place))
    assert done.returncode == 1
    assert "run `atelier migrate` first" in done.stderr
