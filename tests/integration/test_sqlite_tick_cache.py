"""Reads of SQLite in one turn of the event loop share a state, and yet nobody is told old news."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from adapters.sql.database import Row, Statement, Values
from adapters.sql.fast import sqlite_database
from adapters.sql.fast.sqlite_database import FastSqliteDatabase
from adapters.sql.sqlite.engine import connect
from domain.base import PageRequest
from domain.tasks import TaskFilter
from service_layer import tasks as task_use_cases
from support.backends import NOON, Backend, sql_backend
from support.people import MEMBER

READERS = 20


class Counted(FastSqliteDatabase):
    """SQLite as it is, that counts what it is asked."""

    statements = 0

    async def fetch(
        self, statement: Statement, values: Values, *, short: bool = False
    ) -> Sequence[Row]:
        self.statements += 1
        return await super().fetch(statement, values, short=short)


@pytest.fixture
def database(sqlite_place: Path) -> Counted:
    return Counted(sqlite_place)


@pytest.fixture
def backend(database: Counted) -> Iterator[Backend]:
    with sql_backend(database) as made:
        yield made


@pytest.fixture
def id(backend: Backend) -> UUID:
    with backend.open() as uow:
        made = task_use_cases.create_task(uow, title="old", ctx=MEMBER.ctx)
        uow.commit()
    return made.id


def rename(backend: Backend, id: UUID, title: str) -> None:
    with backend.open() as uow:
        task_use_cases.edit_task(uow, id, {"title": title}, ctx=MEMBER.ctx)
        uow.commit()


def test_whoever_is_told_that_a_task_is_made_finds_it_however_many_are_reading(
    backend: Backend, id: UUID
) -> None:
    run, done = backend.runner(), asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            await backend.tasks.one(id, NOON)
            await asyncio.sleep(0)

    async def make(number: int) -> list[bool]:
        found = []
        for n in range(30):
            made = await run(task_use_cases.create_task, title=f"{number}-{n}", ctx=MEMBER.ctx)
            found.append(await backend.tasks.get(made.id, NOON) is not None)
        return found

    async def all_at_once() -> list[list[bool]]:
        reading = [asyncio.ensure_future(read()) for _ in range(READERS)]
        found = await asyncio.gather(*(make(number) for number in range(10)))
        done.set()
        await asyncio.gather(*reading)
        return found

    assert backend.ask(all_at_once()) == [[True] * 30] * 10
    run.close()


def test_what_another_program_has_changed_is_seen_by_whoever_asks_after_it(
    backend: Backend, sqlite_place: Path, id: UUID
) -> None:
    def change(number: int) -> None:
        connection = connect(sqlite_place, "rw")
        connection.execute("UPDATE tasks SET title = ?", [f"new {number}"])
        connection.close()

    async def title() -> str:
        return (await backend.tasks.one(id, NOON)).title

    async def ask_around_changes() -> list[str]:
        loop, seen = asyncio.get_running_loop(), []
        with ThreadPoolExecutor(1) as other:
            for number in range(20):
                await asyncio.gather(*(title() for _ in range(READERS)))
                await loop.run_in_executor(other, change, number)
                seen.append(await title())
        return seen

    assert backend.ask(ask_around_changes()) == [f"new {number}" for number in range(20)]


def test_whoever_changes_something_finds_it_changed_at_once(backend: Backend, id: UUID) -> None:
    everything, first = TaskFilter(today=NOON.date()), PageRequest(sort="created_at", limit=1)

    async def read() -> tuple[str, str]:
        page = await backend.tasks.list_page(everything, first)
        return (await backend.tasks.one(id, NOON)).title, page.items[0].title

    async def read_around_a_change() -> list[tuple[str, str]]:
        before = await read()
        rename(backend, id, "new")
        return [before, await read()]

    assert backend.ask(read_around_a_change()) == [("old", "old"), ("new", "new")]


def test_those_who_ask_the_same_in_one_turn_share_the_answer(
    database: Counted, backend: Backend, id: UUID
) -> None:
    everything, first = TaskFilter(today=NOON.date()), PageRequest(sort="created_at", limit=1)

    async def everybody() -> list[str]:
        pages = (backend.tasks.list_page(everything, first) for _ in range(READERS))
        tasks = (backend.tasks.one(id, NOON) for _ in range(READERS))
        people = (backend.users.public([MEMBER.actor.id]) for _ in range(READERS))
        found = await asyncio.gather(*pages)
        titles = [page.items[0].title for page in found]
        titles += [task.title for task in await asyncio.gather(*tasks)]
        return titles + [each[MEMBER.actor.id].username for each in await asyncio.gather(*people)]

    database.statements = 0
    assert set(backend.ask(everybody())) == {"old", MEMBER.username}
    assert database.statements == 3


def test_a_snapshot_that_begins_too_late_fails_no_read(
    sqlite_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SQLite looks at the time after each thousand steps of a statement, BEGIN included.
    monkeypatch.setattr(sqlite_database, "LOOP_BUDGET", 0.0)
    with sql_backend(FastSqliteDatabase(sqlite_place)) as backend:
        found = [backend.ask(backend.users.one(MEMBER.id, NOON)) for _ in range(700)]
    assert {user.username for user in found} == {MEMBER.username}
