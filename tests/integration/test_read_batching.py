"""Reads at the same time: they share statements, and nobody can tell but by the time it takes."""

import asyncio
from collections.abc import Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import URL

from adapters.sql.database import Row, Statement, Values
from adapters.sql.fast import batching
from adapters.sql.fast.database import CompiledStatement
from adapters.sql.fast.postgres_database import FastPostgresDatabase
from domain.access import digest_of
from domain.base import PageRequest
from domain.tasks import TaskFilter
from service_layer import tasks
from service_layer.errors import DatabaseUnavailable
from support.backends import NOON, Backend, sql_backend
from support.databases import execute, text
from support.people import MEMBER, OTHER


class Counted(FastPostgresDatabase):
    """PostgreSQL as it is, that tells of its reads and can keep answers on their way."""

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        self.statements: list[str] = []
        self.answered: list[str] = []
        self.on_the_way: asyncio.Event | None = None

    async def fetch(
        self, statement: Statement, values: Values, *, short: bool = False
    ) -> Sequence[Row]:
        assert isinstance(statement, CompiledStatement)
        self.statements.append(statement.sql)
        rows = await super().fetch(statement, values, short=short)
        if self.on_the_way is not None:
            self.answered.append(statement.sql)
            await self.on_the_way.wait()
        return rows


@pytest.fixture
def database(postgres_place: URL) -> Counted:
    return Counted(postgres_place)


@pytest.fixture
def backend(database: Counted) -> Iterator[Backend]:
    with sql_backend(database) as made:
        yield made


@pytest.fixture
def ids(backend: Backend) -> list[UUID]:
    """Tasks that are called 0, 1, 2 …, due from today on."""

    with backend.open() as uow:
        made = [
            tasks.create_task(
                uow, title=str(n), due_on=NOON.date() + timedelta(n), ctx=MEMBER.ctx
            ).id
            for n in range(40)
        ]
        uow.commit()
    return made


@contextmanager
def locked(place: URL, table: str = "tasks") -> Iterator[None]:
    """Let every read of a table wait until this is over."""
    with psycopg.connect(text(place)) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


async def until_it_waits(place: URL, readers: int = 1) -> None:
    """Return once that many statements of ours are waiting for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'atelier' AND wait_event_type = 'Lock'"
    )
    async with (
        asyncio.timeout(60),
        await psycopg.AsyncConnection.connect(text(place), autocommit=True) as connection,
    ):
        while (await (await connection.execute(waiting)).fetchall())[0][0] < readers:
            await asyncio.sleep(0.01)


def started(*questions: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    return [asyncio.ensure_future(question) for question in questions]


def test_who_reads_while_another_read_is_under_way_shares_the_next_statement(
    postgres_place: URL, database: Counted, backend: Backend, ids: list[UUID]
) -> None:
    async def read() -> list[Any]:
        with locked(postgres_place):
            first = started(backend.tasks.get(ids[0], NOON))
            await until_it_waits(postgres_place)
            others = started(*(backend.tasks.get(id, NOON) for id in [*few, *few, uuid4()]))
            await asyncio.sleep(0)
        return list(await asyncio.gather(*first, *others))

    few = ids[: batching.Batcher.BATCH_SIZE - 2]
    database.statements.clear()
    found = backend.ask(read())

    titles = [str(n) for n in range(len(few))]
    assert [task and task.title for task in found] == ["0", *titles, *titles, None]
    assert len(database.statements) == 2


def test_enough_of_them_do_not_wait_for_what_is_under_way_and_the_rest_share_the_next() -> None:
    asked: list[set[int]] = []

    async def answer(group: str, keys: Collection[int]) -> set[int]:
        asked.append(set(keys))
        # The first takes until the others have got theirs.
        if 0 in keys:
            await others_have_theirs.wait()
        return set(keys)

    async def ask() -> None:
        numbers = batching.Batcher(answer)
        first = started(numbers("these", [0]))
        while not asked:
            await asyncio.sleep(0)
        enough = started(*(numbers("these", [n]) for n in range(1, numbers.BATCH_SIZE + 1)))
        rest = started(*(numbers("these", [n]) for n in (101, 102)))
        again = range(200, 200 + numbers.BATCH_SIZE - len(rest))
        async with asyncio.timeout(10):
            await asyncio.gather(*enough)
            assert asked == [{0}, set(range(1, numbers.BATCH_SIZE + 1))]
            # Now the rest are enough, with some more.
            await asyncio.gather(*rest, *(numbers("these", [n]) for n in again))
            few = started(*(numbers("these", [n]) for n in (301, 302)))
            await asyncio.sleep(0)
            others_have_theirs.set()
            await asyncio.gather(*first, *few)
        assert asked[2:] == [{101, 102, *again}, {301, 302}]

    others_have_theirs = asyncio.Event()
    asyncio.run(ask())


def test_a_third_question_is_not_asked_beside_two() -> None:
    asked: list[set[int]] = []

    async def answer(group: str, keys: Collection[int]) -> set[int]:
        asked.append(set(keys))
        await all_have_come.wait()
        return set(keys)

    async def ask() -> None:
        numbers = batching.Batcher(answer)
        questions = started(*(numbers("these", [n]) for n in range(3 * numbers.BATCH_SIZE)))
        for _ in range(10 * numbers.LINGER_TICKS):
            await asyncio.sleep(0)
        assert len(asked) == 2
        all_have_come.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*questions)

    all_have_come = asyncio.Event()
    asyncio.run(ask())


def test_who_comes_in_the_next_turns_of_the_loop_shares_the_first_statement(
    database: Counted, backend: Backend, ids: list[UUID]
) -> None:
    async def read() -> list[Any]:
        reads = []
        for id in ids[:3]:
            reads += started(backend.tasks.one(id, NOON))
            await asyncio.sleep(0)
        return list(await asyncio.gather(*reads))

    database.statements.clear()
    assert [task.id for task in backend.ask(read())] == ids[:3]
    assert len(database.statements) == 1


def test_one_who_reads_alone_does_not_wait_for_company(
    database: Counted, backend: Backend, ids: list[UUID]
) -> None:
    database.statements.clear()
    for id in ids[:5]:
        assert backend.ask(backend.tasks.one(id, NOON)).id == id
    assert len(database.statements) == 5


def test_a_read_sees_what_was_committed_before_it_whatever_was_under_way(
    database: Counted, backend: Backend, ids: list[UUID]
) -> None:
    everything, first = TaskFilter(today=NOON.date()), PageRequest(sort="created_at", limit=1)

    async def read() -> tuple[str, str]:
        one, page = await asyncio.gather(
            backend.tasks.one(ids[0], NOON), backend.tasks.list_page(everything, first)
        )
        return one.title, page.items[0].title

    async def read_around_a_change() -> list[tuple[str, str]]:
        database.on_the_way = asyncio.Event()
        before = asyncio.ensure_future(read())
        while len(database.answered) < 2:
            await asyncio.sleep(0.01)
        with backend.open() as uow:
            tasks.edit_task(uow, ids[0], {"title": "new"}, ctx=MEMBER.ctx)
            uow.commit()
        after = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        database.on_the_way.set()
        return [await before, await after]

    assert backend.ask(read_around_a_change()) == [("0", "0"), ("new", "new")]


def test_those_who_look_on_different_days_each_see_their_own(
    postgres_place: URL, backend: Backend, ids: list[UUID]
) -> None:
    days = [NOON + timedelta(days=n) for n in (0, 1, 2, 1, 0, 3)]

    async def read() -> list[bool]:
        with locked(postgres_place):
            asked = started(*(backend.tasks.one(ids[1], day) for day in days))
            await until_it_waits(postgres_place)
            asked += started(*(backend.tasks.one(ids[1], day) for day in days))
            await asyncio.sleep(0)
        return [task.overdue for task in await asyncio.gather(*asked)]

    assert backend.ask(read()) == [False, False, True, False, False, True] * 2


def test_lists_that_differ_in_anything_are_not_mixed_up(
    postgres_place: URL, database: Counted, backend: Backend, ids: list[UUID]
) -> None:
    everything = TaskFilter(today=NOON.date())
    asked = [
        (everything, PageRequest(sort="due_on", limit=2)),
        (everything, PageRequest(sort="due_on", limit=3)),
        (everything, PageRequest(sort="due_on", descending=True, limit=2)),
        (everything, PageRequest(sort="due_on", limit=2, skip=1)),
        (TaskFilter(today=NOON.date(), q="7"), PageRequest(sort="due_on", limit=2)),
    ]

    async def read() -> list[Any]:
        with locked(postgres_place):
            first = started(*(backend.tasks.list_page(*one) for one in asked[:1]))
            await until_it_waits(postgres_place)
            others = started(*(backend.tasks.list_page(*one) for one in asked * 3))
            await asyncio.sleep(0)
        pages = await asyncio.gather(*first, *others)
        return [[task.title for task in page.items] for page in pages]

    database.statements.clear()
    assert backend.ask(read()) == [
        ["0", "1"],
        *[["0", "1"], ["0", "1", "2"], ["39", "38"], ["1", "2"], ["7", "17"]] * 3,
    ]
    assert len(database.statements) == 6


def test_people_and_tokens_are_looked_up_together(
    postgres_place: URL, database: Counted, backend: Backend
) -> None:
    async def read() -> list[Any]:
        with locked(postgres_place, "users"):
            digest = digest_of(MEMBER.token)
            asked = started(backend.users.public({MEMBER.id}), backend.access.grant(digest))
            await until_it_waits(postgres_place, readers=2)
            for _ in range(5):
                asked += started(
                    backend.users.public({OTHER.id, MEMBER.id}),
                    backend.users.public({uuid4()}),
                    backend.access.grant(digest),
                    backend.access.grant(digest_of("another")),
                )
            await asyncio.sleep(0)
        return list(await asyncio.gather(*asked))

    database.statements.clear()
    people, grant, *others = backend.ask(read())

    assert set(people) == {MEMBER.id}
    assert grant is not None and grant.actor == MEMBER.actor
    assert [set(found) for found in others[::4]] == [{OTHER.id, MEMBER.id}] * 5
    assert others[1::4] == [{}] * 5
    assert others[2::4] == [grant] * 5
    assert others[3::4] == [None] * 5
    assert len(database.statements) == 4


@pytest.mark.parametrize("impatient", [0, 1, 2])
def test_who_does_not_wait_any_longer_stops_nobody_else(
    postgres_place: URL, backend: Backend, ids: list[UUID], impatient: int
) -> None:
    async def read() -> list[Any]:
        with locked(postgres_place):
            asked = started(backend.tasks.one(ids[0], NOON), backend.tasks.one(ids[0], NOON))
            await until_it_waits(postgres_place)
            asked += started(*(backend.tasks.one(ids[1], NOON) for _ in range(2)))
            await asyncio.sleep(0)
            asked[impatient].cancel()
            await asyncio.sleep(0)
        return list(await asyncio.gather(*asked, return_exceptions=True))

    found = backend.ask(read())

    assert isinstance(found.pop(impatient), asyncio.CancelledError)
    assert sorted(task.title for task in found) == sorted(
        title for n, title in enumerate("0011") if n != impatient
    )
    assert backend.ask(backend.tasks.one(ids[2], NOON)).title == "2"


def test_a_question_that_is_broken_off_before_it_is_asked_stops_nobody_who_comes_later() -> None:
    async def answer(group: str, keys: Collection[int]) -> set[int]:
        return set(keys)

    async def ask() -> set[int]:
        numbers = batching.Batcher(answer)
        (first,) = started(numbers("these", [1]))
        while len(asyncio.all_tasks()) < 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        (work,) = asyncio.all_tasks() - {first, asyncio.current_task()}
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        async with asyncio.timeout(10):
            return await numbers("these", [2])

    assert asyncio.run(ask()) == {2}


def test_a_question_that_is_broken_off_while_others_wait_for_the_next_stops_nobody() -> None:
    asked: list[set[int]] = []

    async def answer(group: str, keys: Collection[int]) -> set[int]:
        asked.append(set(keys))
        if len(asked) == 1:
            await asyncio.Event().wait()
        return set(keys)

    async def ask() -> list[set[int]]:
        numbers = batching.Batcher(answer)
        first = started(numbers("these", [1]))
        while not asked:
            await asyncio.sleep(0)
        (work,) = asyncio.all_tasks() - {*first, asyncio.current_task()}
        others = started(numbers("these", [2]))
        await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait(first)
        others += started(numbers("these", [3]))
        async with asyncio.timeout(10):
            return list(await asyncio.gather(*others))

    assert asyncio.run(ask()) == [{2, 3}, {2, 3}]


def test_what_goes_wrong_is_told_to_all_who_asked_and_to_nobody_after_them(
    postgres_place: URL, backend: Backend, ids: list[UUID]
) -> None:
    async def read() -> list[Any]:
        asked = started(*(backend.tasks.one(id, NOON) for id in ids[:3]))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    execute(postgres_place, "ALTER TABLE tasks RENAME TO elsewhere")
    assert [type(told) for told in backend.ask(read())] == [DatabaseUnavailable] * 3
    execute(postgres_place, "ALTER TABLE elsewhere RENAME TO tasks")
    assert [task.title for task in backend.ask(read())] == ["0", "1", "2"]


def test_a_connection_that_breaks_under_a_shared_statement_shows_to_nobody(
    postgres_place: URL, backend: Backend, ids: list[UUID]
) -> None:
    async def read() -> list[str]:
        with locked(postgres_place):
            asked = started(*(backend.tasks.one(id, NOON) for id in ids[:3]))
            await until_it_waits(postgres_place)
            asked += started(*(backend.tasks.one(id, NOON) for id in ids[3:6]))
            execute(
                postgres_place,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            await until_it_waits(postgres_place)
        return [task.title for task in await asyncio.gather(*asked)]

    assert backend.ask(read()) == ["0", "1", "2", "3", "4", "5"]


def test_connections_that_all_broke_while_they_were_idle_show_to_nobody(
    postgres_place: URL, backend: Backend, ids: list[UUID]
) -> None:
    everything = TaskFilter(today=NOON.date())

    def reads() -> list[asyncio.Task[Any]]:
        pages = (PageRequest(sort=sort, limit=1) for sort in ("created_at", "due_on", "priority"))
        long = (PageRequest(sort="created_at", limit=1, skip=n) for n in range(1, 5))
        found = (TaskFilter(today=NOON.date(), q=str(n)) for n in range(8))
        return started(
            backend.tasks.one(ids[0], NOON),
            *(
                backend.tasks.list_page(everything, page_request)
                for page_request in (*pages, *long)
            ),
            *(
                backend.tasks.list_page(filter, PageRequest(sort="title", limit=1))
                for filter in found
            ),
        )

    async def read() -> list[Any]:
        with locked(postgres_place):
            asked = reads()
            await until_it_waits(postgres_place, readers=16)
        before = list(await asyncio.gather(*asked))
        execute(
            postgres_place,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'atelier'",
        )
        return [before, list(await asyncio.gather(*reads()))]

    before, after = backend.ask(read())
    assert after == before


def test_reads_that_take_long_leave_connections_for_those_that_do_not(
    postgres_place: URL, backend: Backend, ids: list[UUID]
) -> None:
    async def read() -> list[Any]:
        with locked(postgres_place, "devices"):
            long = started(*(backend.devices.presences(NOON) for _ in range(10)))
            await until_it_waits(postgres_place, readers=4)
            async with asyncio.timeout(5):
                found = [(await backend.tasks.one(id, NOON)).title for id in ids[:2]]
            assert not any(one.done() for one in long)
        await asyncio.gather(*long)
        return found

    assert backend.ask(read()) == ["0", "1"]


def test_equal_counts_that_are_asked_for_at_once_are_counted_once(
    database: Counted, backend: Backend, ids: list[UUID]
) -> None:
    everything, later = (TaskFilter(today=NOON.date() + timedelta(n)) for n in (0, 1))

    async def count() -> list[int]:
        asked = (backend.tasks.count(filter) for filter in (everything, later, everything))
        return [counts.overdue for counts in await asyncio.gather(*asked)]

    database.statements.clear()
    assert backend.ask(count()) == [0, 1, 0]
    assert len(database.statements) == 2


def test_those_who_wait_are_told_when_the_database_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, postgres_place: URL, backend: Backend, ids: list[UUID]
) -> None:
    async def read() -> list[Any]:
        # Whoever is connected has nothing else to wait for.
        await backend.tasks.one(ids[0], NOON)
        with locked(postgres_place), monkeypatch.context() as patched:
            patched.setattr(batching, "STATEMENT_TIMEOUT", 2.0)
            asked = started(backend.tasks.one(ids[0], NOON))
            await until_it_waits(postgres_place)
            asked += started(*(backend.tasks.one(id, NOON) for id in ids[:3]))
            return list(await asyncio.gather(*asked, return_exceptions=True))

    assert [type(told) for told in backend.ask(read())] == [DatabaseUnavailable] * 4
    assert backend.ask(backend.tasks.one(ids[0], NOON)).title == "0"
