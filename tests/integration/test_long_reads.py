"""A read of SQLite that takes long keeps nobody else waiting, whatever was promised of it."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Integer, func, literal, select

from adapters.sql.database import Row, Statement
from adapters.sql.fast.database import CompiledStatement
from adapters.sql.fast.sqlite_database import FastSqliteDatabase
from domain.base import PageRequest
from domain.tasks import TaskFilter
from service_layer import tasks
from support.backends import NOON, sql_backend
from support.people import MEMBER

T = TypeVar("T")


def counting(to: int) -> Statement:
    """Return a statement that has as much to do as it is told."""
    numbers = select(literal(1, Integer).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < literal(to, Integer)))
    return CompiledStatement(select(func.count()).select_from(numbers), FastSqliteDatabase.dialect)


async def turns_while(question: Coroutine[Any, Any, T]) -> tuple[int, T]:
    """Return how often others had their turn until there was an answer, and the answer."""
    asking = asyncio.ensure_future(question)
    turns = 0
    while not asking.done():
        turns += 1
        await asyncio.sleep(0)
    return turns, await asking


def test_a_read_that_takes_longer_than_promised_goes_on_in_a_thread(sqlite_place: Path) -> None:
    database = FastSqliteDatabase(sqlite_place)

    def count(to: int) -> Coroutine[Any, Any, Sequence[Row]]:
        return database.fetch(counting(to), {}, short=True)

    with sql_backend(database) as backend:
        few, rows = backend.ask(turns_while(count(10)))
        assert few <= 2 and list(rows[0]) == [10]
        many, rows = backend.ask(turns_while(count(2_000_000)))
        assert many > 20 and list(rows[0]) == [2_000_000]
        # What was interrupted leaves nothing behind.
        few, rows = backend.ask(turns_while(count(10)))
        assert few <= 2 and list(rows[0]) == [10]


def test_a_search_keeps_nobody_waiting_though_all_its_trigrams_are_common(
    sqlite_place: Path,
) -> None:
    words = ["mahogany", "spokeshave", "turpentine", "clamp", "dovetail", "workbench"]
    everything = " ".join(words)
    with sql_backend(FastSqliteDatabase(sqlite_place)) as backend:
        with backend.open() as uow:
            for n in range(600):
                missing = words[n % len(words)]
                tasks.create_task(
                    uow,
                    title=everything.replace(missing, "") if n else everything,
                    ctx=MEMBER.ctx,
                )
            uow.commit()
        wanted = TaskFilter(today=NOON.date(), q=everything)
        turns, page = backend.ask(
            turns_while(backend.tasks.list_page(wanted, PageRequest(sort="created_at")))
        )
    assert [task.title for task in page.items] == [everything]
    assert turns > 2
