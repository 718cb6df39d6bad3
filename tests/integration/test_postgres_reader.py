"""The short way to PostgreSQL: it answers as the long one does, whatever is asked and happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest
from sqlalchemy import URL

from adapters.sql.fast.libpq_reader import PostgresReader
from adapters.sql.fast.prepared import MAX_PREPARED
from adapters.sql.postgres.database import arguments


@asynccontextmanager
async def opened(place: URL) -> AsyncIterator[PostgresReader]:
    reader = await PostgresReader.connect(**arguments(place))
    try:
        yield reader
    finally:
        await reader.close()


def with_reader(place: URL, use: Callable[[PostgresReader], Awaitable[None]]) -> None:
    async def run() -> None:
        async with opened(place) as reader:
            await use(reader)

    asyncio.run(run())


def test_a_parameter_may_be_used_twice_and_a_percent_sign_be_written(postgres_place: URL) -> None:
    async def use(reader: PostgresReader) -> None:
        sql = "SELECT %(a)s::int - %(b)s::int, %(a)s::int, '100%%', '%%(a)s'"
        assert await reader.read(sql, {"a": 5, "b": 3}) == [(2, 5, "100%", "%(a)s")]

    with_reader(postgres_place, use)


def test_one_statement_takes_values_of_different_types(postgres_place: URL) -> None:
    async def use(reader: PostgresReader) -> None:
        for value in (1, 40_000, 3_000_000_000, None, 7):
            assert await reader.read("SELECT %(n)s::bigint", {"n": value}) == [(value,)]

    with_reader(postgres_place, use)


def test_what_is_longer_than_the_buffers_in_between_is_sent_and_read(postgres_place: URL) -> None:
    async def use(reader: PostgresReader) -> None:
        long = "ä" * 16_000_000
        (row,) = await reader.read("SELECT %(text)s::text", {"text": long})
        assert row == (long,)

    with_reader(postgres_place, use)


def test_after_an_error_of_the_database_it_can_be_asked_again(postgres_place: URL) -> None:
    async def use(reader: PostgresReader) -> None:
        for wrong in ("SELECT 1 / %(n)s::int", "SELECT nothing", "SELEC 1"):
            with pytest.raises(psycopg.Error) as error:
                await reader.read(wrong, {"n": 0})
            assert error.value.sqlstate
            assert await reader.read("SELECT 1 + %(n)s::int", {"n": 1}) == [(2,)]

    with_reader(postgres_place, use)


def test_of_statements_that_are_all_different_only_so_many_are_kept(postgres_place: URL) -> None:
    async def use(reader: PostgresReader) -> None:
        for number in range(MAX_PREPARED + 50):
            assert await reader.read(f"SELECT {number}", {}) == [(number,)]
        ((kept,),) = await reader.read("SELECT count(*) FROM pg_prepared_statements", {})
        assert kept <= MAX_PREPARED
        assert await reader.read("SELECT 0", {}) == [(0,)]

    with_reader(postgres_place, use)


def test_a_connection_that_ends_while_nothing_is_asked_is_not_listened_to_any_more(
    postgres_place: URL,
) -> None:
    async def use(reader: PostgresReader) -> None:
        ((pid,),) = await reader.read("SELECT pg_backend_pid()", {})
        async with opened(postgres_place) as other:
            await other.read("SELECT pg_terminate_backend(%(pid)s::int)", {"pid": pid})
        deadline = asyncio.get_running_loop().time() + 10
        while reader.listens and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        assert not reader.listens
        with pytest.raises(psycopg.OperationalError):
            await reader.read("SELECT 1", {})

    with_reader(postgres_place, use)


def test_a_connection_that_ends_amid_a_read_is_an_error_of_the_connection(
    postgres_place: URL,
) -> None:
    async def use(reader: PostgresReader) -> None:
        ((pid,),) = await reader.read("SELECT pg_backend_pid()", {})
        reading = asyncio.ensure_future(reader.read("SELECT pg_sleep(20)", {}))
        async with opened(postgres_place) as other:
            busy = "SELECT 1 FROM pg_stat_activity WHERE pid = %(pid)s::int AND query LIKE '%%20%%'"
            while not await other.read(f"{busy} AND state = 'active'", {"pid": pid}):
                await asyncio.sleep(0.01)
            await other.read("SELECT pg_terminate_backend(%(pid)s::int)", {"pid": pid})
        with pytest.raises(psycopg.OperationalError):
            await reading

    with_reader(postgres_place, use)
