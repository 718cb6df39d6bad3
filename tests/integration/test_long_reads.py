"""A read of SQLite that takes long keeps nobody else waiting, whatever was promised of it."""

import asyncio
from pathlib import Path

from sqlalchemy import Integer, func, literal, select

from adapters.sql.database import Row, Statement
from adapters.sql.sqlite import SqliteDatabase
from support.backends import sql_backend


def counting(to: int) -> Statement:
    """Return a statement that has as much to do as it is told."""
    numbers = select(literal(1, Integer).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < literal(to, Integer)))
    return Statement(select(func.count()).select_from(numbers), SqliteDatabase.dialect)


def test_a_read_that_takes_longer_than_promised_goes_on_in_a_thread(sqlite_place: Path) -> None:
    database = SqliteDatabase(sqlite_place)

    async def turns_while(to: int) -> tuple[int, list[Row]]:
        reading = asyncio.ensure_future(database.fetch(counting(to), {}, short=True))
        turns = 0
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        return turns, await reading

    with sql_backend(database) as backend:
        few, rows = backend.ask(turns_while(10))
        assert few <= 2 and list(rows[0]) == [10]
        many, rows = backend.ask(turns_while(2_000_000))
        assert many > 20 and list(rows[0]) == [2_000_000]
        # What was interrupted leaves nothing behind.
        few, rows = backend.ask(turns_while(10))
        assert few <= 2 and list(rows[0]) == [10]
