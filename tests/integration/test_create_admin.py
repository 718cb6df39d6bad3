"""`atelier create-admin` in this process: what it accepts, and when it asks for the password."""

import asyncio
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.passwords import Argon2Passwords
from bootstrap import make_database
from domain.users import User
from entrypoints import cli
from office import Office
from support.backends import database_at, sql_backend

Run = Callable[..., int]


@pytest.fixture
def run(sqlite_place: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `create-admin` on a database that has users already, and return its exit code."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{sqlite_place}")
    monkeypatch.setattr("adapters.logs.configure", lambda *_: None)

    def run(*arguments: str, stdin: bytes | io.BytesIO = b"") -> int:
        read = stdin if isinstance(stdin, io.BytesIO) else io.BytesIO(stdin)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(read))
        monkeypatch.setattr(sys, "argv", ["atelier", "create-admin", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.run(lambda: Office(make_database))
        code = ended.value.code
        return code if isinstance(code, int) else 0

    return run


class Unread(io.BytesIO):
    """Standard input that must not be read."""

    def readline(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("the password was asked for")


@pytest.mark.parametrize(
    ("username", "email", "saying"),
    [
        ("eve eve", "eve@example.org", "username: "),
        ("eve", "nowhere", "email: "),
        ("ADA", "eve@example.org", "Somebody else has this username already."),
        ("eve", "ada@canary.example", "Somebody else has this email already."),
    ],
)
def test_an_unusable_name_or_address_is_told_before_the_password_is_asked_for(
    run: Run, capsys: pytest.CaptureFixture[str], username: str, email: str, saying: str
) -> None:
    assert run(username, email, "--name", "Eve", "--password-stdin", stdin=Unread()) == 1
    assert capsys.readouterr().err.startswith(f"atelier: {saying}")


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\nmore\n"])
def test_the_password_is_the_first_line_without_its_end(
    run: Run, sqlite_place: Path, end: bytes
) -> None:
    assert run("eve", "eve@example.org", "--password-stdin", stdin=b" long enough " + end) == 0
    hash = password_hash(sqlite_place, "eve")

    assert asyncio.run(Argon2Passwords().verify(hash, " long enough "))


@pytest.mark.parametrize("password", [b"long\0enough\n", b"long enough\r\r\n", b"long\tenough\n"])
def test_a_password_with_which_nobody_could_sign_in_is_refused(
    run: Run, capsys: pytest.CaptureFixture[str], password: bytes
) -> None:
    assert run("eve", "eve@example.org", "--password-stdin", stdin=password) == 1
    assert capsys.readouterr().err == "atelier: password: Leave out control characters.\n"


def password_hash(place: Path, username: str) -> str:
    with sql_backend(database_at(place)) as backend, backend.open() as uow:
        id = uow.users.named(username)
        assert id is not None
        user: User = uow.users.get(id)
        return user.password_hash
