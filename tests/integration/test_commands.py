"""The commands of `atelier` in this process: what they accept, print, and end with."""

import asyncio
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.passwords import Argon2PasswordHasher
from adapters.sql.database import HEAD, REVISIONS
from commands import Commands
from domain.users import User
from entrypoints import cli
from support.backends import database_at, sql_backend
from support.service import free_port

Run = Callable[..., int]


@pytest.fixture
def run(sqlite_place: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a database that has users already, and return its exit code."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{sqlite_place}")
    monkeypatch.setattr("adapters.logs.configure", lambda *_: None)

    def run(*arguments: str, stdin: Any = b"", backend: type[Commands] = Commands) -> int:
        read = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
        monkeypatch.setattr(sys, "stdin", read and io.TextIOWrapper(read))
        monkeypatch.setattr(sys, "argv", ["atelier", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.run(backend)
        code = ended.value.code
        return code if isinstance(code, int) else 0

    return run


@pytest.mark.parametrize("arguments", [["sreve"], ["serve", "--fast"], ["migrate", "extra"]])
def test_misuse_ends_with_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments) == 2


@pytest.mark.parametrize("command", ["migrate", "settings", "demo"])
def test_an_unusable_setting_stops_every_command(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("ATELIER_PORT", "http")
    assert run(command) == 1
    assert capsys.readouterr().err.startswith("atelier: ATELIER_PORT: ")


# Databases that are not there


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://nobody@127.0.0.1:1/none?bogus=1",
        "postgresql://nobody@127.0.0.1:1/none",
        "sqlite:////nowhere/at/all.db",
        "sqlite:////proc/version",
    ],
    ids=["no such option", "no server", "no folder", "no database"],
)
@pytest.mark.parametrize("command", ["serve", "migrate", "demo"])
def test_a_database_that_is_not_there_is_told_in_one_line(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    address: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("ATELIER_PORT", str(free_port()))
    assert run(command) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("atelier: ")


# Creating admins


@pytest.mark.parametrize(
    ("arguments", "password", "saying"),
    [
        (("eve eve", "eve@example.org"), b"long enough\n", "username: "),
        (("eve", "nowhere"), b"long enough\n", "email: "),
        (("e", "eve@example.org"), b"long enough\n", "name: "),
        (("eve", "eve@example.org"), b"short\n", "password: "),
        (("eve", "eve@example.org"), b"", "password: "),
        (("eve", "eve@example.org", "--name", "x" * 51), b"long enough\n", "name: "),
    ],
)
def test_an_admin_who_cannot_be_made_is_told_why_in_one_line(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    password: bytes,
    saying: str,
) -> None:
    assert run("create-admin", *arguments, "--password-stdin", stdin=password) == 1
    told = capsys.readouterr()
    (line,) = told.err.strip().splitlines()
    assert told.out == ""
    assert line.startswith(f"atelier: {saying}")
    assert "enough" not in line


class Unread(io.BytesIO):
    """Standard input that must not be read."""

    def readline(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("the password was asked for")


@pytest.mark.parametrize(
    ("username", "email", "saying"),
    [
        ("eve eve", "eve@example.org", "username: "),
        ("eve", "nowhere", "email: "),
        ("ADA", "eve@example.org", "This username is already used by another person."),
        ("eve", "ada@canary.example", "This e-mail address is already used by another person."),
    ],
)
def test_an_unusable_name_or_address_is_told_before_the_password_is_asked_for(
    run: Run, capsys: pytest.CaptureFixture[str], username: str, email: str, saying: str
) -> None:
    assert (
        run("create-admin", username, email, "--name", "Eve", "--password-stdin", stdin=Unread())
        == 1
    )
    assert capsys.readouterr().err.startswith(f"atelier: {saying}")


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\nmore\n"])
def test_the_password_is_the_first_line_without_its_end(
    run: Run, sqlite_place: Path, end: bytes
) -> None:
    assert (
        run(
            "create-admin",
            "eve",
            "eve@example.org",
            "--password-stdin",
            stdin=b" long enough " + end,
        )
        == 0
    )
    hashed = password_hash(sqlite_place, "eve")

    assert asyncio.run(Argon2PasswordHasher().verify(hashed, " long enough "))


@pytest.mark.parametrize("password", [b"long\0enough\n", b"long enough\r\r\n", b"long\tenough\n"])
def test_a_password_with_which_nobody_could_sign_in_is_refused(
    run: Run, capsys: pytest.CaptureFixture[str], password: bytes
) -> None:
    assert run("create-admin", "eve", "eve@example.org", "--password-stdin", stdin=password) == 1
    assert capsys.readouterr().err == "atelier: password: Leave out control characters.\n"


def password_hash(place: Path, username: str) -> str:
    with sql_backend(database_at(place)) as backend, backend.open() as uow:
        id = uow.users.id_by_username(username)
        assert id is not None
        user: User = uow.users.get(id)
        return user.password_hash


# Migrating


def test_migrating_tells_from_which_revision_to_which(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str, code: int = 0) -> list[str]:
        assert run("migrate", *arguments) == code
        captured = capsys.readouterr()
        return (captured.out + captured.err).splitlines()

    last = REVISIONS[-2]
    assert told() == [f"The database is up to date: it was at {HEAD} already."]
    assert told("--to", "-1", "--yes") == [
        f"The database is at {last}: from {HEAD} to {last}; the newest is {HEAD}.",
        "`atelier serve` migrates it to the newest revision again.",
    ]
    assert told("--to", "+1") == [f"The database is up to date: from {last} to {HEAD}."]
    (line,) = told("--to", "base", code=1)
    assert line.startswith("atelier: With --yes this loses ")
    assert "the table users (3 rows)" in line
    assert told() == [f"The database is up to date: it was at {HEAD} already."]
    assert told("--to", "base", "--yes")[0].startswith(f"The database is at base: from {HEAD} to")
    assert told("--to", "head") == [f"The database is up to date: from base to {HEAD}."]
    for wrong in ("s3cret", "+1", "-99", "--5", ""):
        (line,) = told("--to", wrong, code=1)
        assert line.startswith("atelier: There ")
        assert "s3cret" not in line


# Streams and signals


def test_the_version_is_told_without_any_setting(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATELIER_PORT", "unusable")
    assert run("--version") == 0
    assert capsys.readouterr().out == f"atelier {cli.version()}\n"
    assert cli.version()[0].isdigit()


class Recorded(Commands):
    """Commands that tell what they would do."""

    def serve(self, *, migrate_first: bool) -> None:
        print(f"{self.settings.host}:{self.settings.port} {migrate_first}")


def test_host_and_port_can_be_given_to_serve(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATELIER_HOST", "192.0.2.1")
    monkeypatch.setenv("ATELIER_PORT", "8001")
    assert run("serve", backend=Recorded) == 0
    assert run("serve", "--host", "::1", "--port", "9000", backend=Recorded) == 0
    assert capsys.readouterr().out == "192.0.2.1:8001 False\n::1:9000 False\n"
    assert run("serve", "--port", "70000", backend=Recorded) == 2


class Interrupted(Commands):
    """Commands in the middle of which Ctrl-C is pressed."""

    def demo(self, progress: Callable[[float], None]) -> tuple[str, str] | None:
        def interrupt(share: float) -> None:
            progress(share)
            if share > 0.3:
                raise KeyboardInterrupt

        return super().demo(interrupt)


def test_an_interrupted_demo_leaves_nothing_and_tells_how_far_it_was(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("migrate", "--to", "base", "--yes") == 0
    assert run("demo", backend=Interrupted) == 130
    assert capsys.readouterr().err.splitlines() == [
        f"Filling the database: {tenth}0 %" for tenth in (1, 2, 3)
    ]
    assert run("demo") == 0
    captured = capsys.readouterr()
    assert "Sign in as" in captured.out
    assert captured.err.endswith(": 90 %\n")


def test_settings_are_shown_whatever_the_terminal_can_show(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_MEDIA", "Médiathèque")
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    assert run("settings") == 0
    assert b"M\\xe9diath\\xe8que" in shown.getvalue()


def test_a_reader_that_has_seen_enough_of_the_output_is_no_failure(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert run("settings") == 0
    assert capsys.readouterr().err == ""


def test_output_that_cannot_be_written_is_a_failure_told_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run("settings") == 1
    assert capsys.readouterr().err == "atelier: No space left on device.\n"


def test_closed_streams_are_like_empty_ones(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("create-admin", "eve", "eve@example.org", stdin=None) == 2
    assert run("create-admin", "eve", "eve@example.org", "--password-stdin", stdin=None) == 1
    assert "password: Enter 8 to 128" in capsys.readouterr().err
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, None)
    assert run("settings") == 0
    assert run("migrate", "--to", "nowhere") == 1
