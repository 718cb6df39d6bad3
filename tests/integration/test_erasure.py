"""What stays of a deleted user in the bytes of an embedded database."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from adapters.sql.sqlite.engine import connect
from domain.users import User
from service_layer import users
from service_layer.unit_of_work import UnitOfWork
from support.backends import Backend, database_at, sql_backend
from support.people import ADMIN, CTX, PASSWORD_HASH

# Letters that nothing else in the file has. A trigram begins in the index with whatever it shares
# with the one before, so that each of them is looked for.
LETTERS = "ꙮꙟꙣꙭꙃ"


@pytest.fixture
def backend(sqlite_place: Path) -> Iterator[Backend]:
    with sql_backend(database_at(sqlite_place)) as made:
        yield made


def register(uow: UnitOfWork, username: str, name: str) -> User:
    return users.create_user(
        uow,
        username=username,
        email=f"{username}@example.org",
        name=name,
        city=name,
        password_hash=PASSWORD_HASH,
        ctx=CTX,
    )


def remaining(place: Path) -> list[bytes]:
    """Return which parts of the deleted users' names and addresses are in the files."""
    wanted = [*(letter.encode() for letter in LETTERS), b"zykx"]
    files = [place, place.with_name(f"{place.name}-wal")]
    return [part for part in wanted if any(part in file.read_bytes() for file in files)]


def test_nothing_of_a_deleted_user_stays_in_the_file_or_its_log(
    backend: Backend, sqlite_place: Path
) -> None:
    perform = backend.default_runner.perform
    ids: list[UUID] = []
    for n in range(12):
        ids.append(perform(register, f"zykx{n}", f"{LETTERS} {'x' * n}").id)
        perform(register, f"other{n}", f"Somebody Else {n}")
    perform(users.edit_user, ids[3], {"name": LETTERS[::-1]}, ctx=ADMIN.ctx)
    assert len(remaining(sqlite_place)) == len(LETTERS) + 1

    for id in ids:
        perform(users.delete_user, id, ctx=ADMIN.ctx)

    assert remaining(sqlite_place) == []


def test_a_long_read_puts_the_erasure_off_until_the_next_change(
    backend: Backend, sqlite_place: Path
) -> None:
    perform = backend.default_runner.perform
    id = perform(register, "zykx", LETTERS).id
    reader = connect(sqlite_place, "rw")
    reader.execute("BEGIN")
    reader.execute("SELECT name FROM users").fetchall()

    perform(users.delete_user, id, ctx=ADMIN.ctx)
    assert remaining(sqlite_place) != []

    reader.close()
    perform(register, "other", "Somebody Else")
    assert remaining(sqlite_place) == []
