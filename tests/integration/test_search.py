"""The indexes that searching takes: they are used, they are made later, and it works without."""

import re
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, insert, text

from adapters.ids import new_id
from adapters.sql.database import SqlDatabase, Statement, Values
from adapters.sql.postgres import gin_cleaner
from adapters.sql.postgres.database import make_engine
from adapters.sql.schema.migrations import migrate
from adapters.sql.schema.search import SEARCHED
from adapters.sql.schema.tables import tasks
from adapters.sql.sqlite.engine import connect
from adapters.sql.sqlite.engine import make_engine as make_sqlite_engine
from domain.base import PageRequest
from domain.tasks import SORTS, TaskFilter
from service_layer import tasks as task_use_cases
from support.backends import NOON, Backend, database_at, sql_backend
from support.databases import execute, new_postgres
from support.databases import text as address
from support.people import CTX
from support.statements import driver_statement, recording_database

ROWS = 10_000
ASKED: list[tuple[str, dict[str, Any]]] = []
"""The last statement of a read, and its values."""


def asking(place: Path | URL) -> SqlDatabase:
    """Return the database, which keeps its last read in `ASKED`."""

    def keep(statement: Statement, values: Values) -> None:
        ASKED[:] = [driver_statement(place, statement, values)]

    return recording_database(place, keep)


@pytest.fixture
def backend(place: Path | URL) -> Iterator[Backend]:
    """Many tasks, three of them with a word that no other has."""
    database = asking(place)
    with sql_backend(database) as made:
        with database.engine.begin() as connection:
            connection.execute(insert(tasks), list(rows()))
        if isinstance(place, URL):
            execute(place, "VACUUM ANALYZE tasks")
        yield made


def rows() -> Iterator[dict[str, Any]]:
    for number in range(ROWS):
        title = f"plane board {number * 7919 % ROWS}" + " zirconia" * (number % 3_500 == 1)
        yield {
            "id": new_id(),
            "version": 1,
            "created_at": NOON + timedelta(seconds=number),
            "updated_at": NOON,
            "title": title,
            "priority": number % 10,
            "due_on": None if number % 3 else NOON.date(),
            "title_key": title,
            "search_text": title,
        }


def has_trigrams(server: URL) -> bool:
    """Whether the server has the extension; the one from a package has not."""
    with psycopg.connect(address(server)) as connection:
        known = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
        return connection.execute(known).fetchone() is not None


def ask(backend: Backend, q: str, sort: str = "created_at", *, count: bool = False) -> int:
    """Search, and return how many rows there are on the first page."""
    page_request = PageRequest(sort=sort, limit=20, count=count)
    return len(
        backend.ask(backend.tasks.list_page(TaskFilter(today=NOON.date(), q=q), page_request)).items
    )


def steps(place: Path) -> int:
    """Return how many steps SQLite's machine takes for what was asked last, in hundreds."""
    connection, taken = connect(place, "rw"), [0]

    def one_more() -> None:
        taken[0] += 1

    connection.set_progress_handler(one_more, 100)
    connection.execute(*ASKED[0]).fetchall()
    connection.close()
    return taken[0]


def plan(place: URL) -> str:
    """Return how PostgreSQL does what was asked last."""
    sql, values = ASKED[0]
    with psycopg.connect(address(place)) as connection:
        lines = connection.execute(f"EXPLAIN {sql}".encode(), values).fetchall()
    return "\n".join(line[0] for line in lines)


@pytest.mark.parametrize("count", [False, True])
def test_a_rare_word_is_found_by_the_index(
    place: Path | URL, postgres: URL, backend: Backend, count: bool
) -> None:
    for sort in SORTS:
        # Often enough for a database to make up its mind about a statement.
        for _ in range(6):
            assert ask(backend, "zirconia", sort, count=count) == 3
            assert ask(backend, "nowhere", sort, count=count) == 0
            assert ask(backend, "plane", sort, count=count) == 20
        assert ask(backend, "ircon", sort, count=count) == 3
        if isinstance(place, Path):
            assert steps(place) < ROWS / 100
        elif has_trigrams(postgres):
            told = plan(place)
            assert "ix_tasks_search_text" in told
            assert "Seq Scan on tasks" not in told


def test_what_is_everywhere_is_found_without_looking_everywhere(
    place: Path | URL, backend: Backend
) -> None:
    for q, sort in product(("plane", "pl", "e"), SORTS):
        assert ask(backend, q, sort) == 20
        if isinstance(place, Path):
            assert steps(place) < ROWS / 100 * 3
        else:
            column = "title_key" if sort == "title" else sort
            assert f"using ix_tasks_{column}_id on tasks" in plan(place)


def test_postgresql_knows_of_a_word_in_one_text_of_a_hundred_that_it_is_no_rare_one(
    postgres: URL, postgres_place: URL
) -> None:
    if not has_trigrams(postgres):
        return
    database = asking(postgres_place)
    with sql_backend(database) as backend:
        with database.engine.begin() as connection:
            made = list(rows())
            for n, row in enumerate(made):
                row["search_text"] += f" word{n % 100:02}s"
            connection.execute(insert(tasks), made)
        execute(postgres_place, "VACUUM ANALYZE tasks")
        underrated = 0
        for number in range(100):
            assert ask(backend, f"ord{number:02}s") == 20
            told = re.search(r"on tasks .* rows=(\d+)", plan(postgres_place))
            assert told is not None
            underrated += int(told[1]) < ROWS / 100 / 5
        assert underrated < 30


def test_what_was_written_is_soon_indexed_without_whoever_writes_next(
    postgres: URL, postgres_place: URL
) -> None:
    if not has_trigrams(postgres):
        return
    clean = "SELECT gin_clean_pending_list('ix_tasks_search_text')"
    with (
        sql_backend(database_at(postgres_place)) as backend,
        psycopg.connect(address(postgres_place), autocommit=True) as connection,
    ):

        def left_when_looking_after(seconds: float) -> int:
            """Write, and return how many pages are left to be indexed."""
            with backend.open() as uow:
                for n in range(100):
                    task_use_cases.create_task(uow, title=f"Zirconia {n} {seconds}", ctx=CTX)
                uow.commit()
            time.sleep(seconds)
            (pages,) = connection.execute(clean).fetchone() or (0,)
            return int(pages)

        assert any(left_when_looking_after(0) for _ in range(5))
        assert not all(left_when_looking_after(1 + n) for n in range(5))


def test_whoever_closes_the_indexing_at_any_moment_does_not_wait_for_ever(
    postgres_place: URL, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(gin_cleaner, "EVERY", 0.001)
    engine = make_engine(postgres_place)
    interval = sys.getswitchinterval()
    # So that threads take turns between any two steps.
    request.addfinalizer(lambda: sys.setswitchinterval(interval))
    sys.setswitchinterval(1e-6)
    for number in range(500):
        made = gin_cleaner.GinCleaner(engine)
        made.start()
        made.notify()
        time.sleep(0.001 + number % 100 / 1_000_000)
        closing = threading.Thread(target=made.close, daemon=True)
        closing.start()
        closing.join(20)
        assert not closing.is_alive()
    engine.dispose()


def test_what_no_index_has_is_looked_for_once(place: Path | URL, backend: Backend) -> None:
    for q, sort in product(("xq", "\u6cb9"), SORTS):
        assert ask(backend, q, sort) == 0
        if isinstance(place, Path):
            assert steps(place) < ROWS / 100 * 12
        assert ask(backend, "zi", sort) == 3


@pytest.fixture
def guest(postgres: URL) -> Iterator[URL]:
    """An empty PostgreSQL database whose user may not create extensions in it."""
    url = new_postgres(postgres)
    execute(postgres, "CREATE ROLE guest LOGIN PASSWORD 'guest'")
    execute(url, "GRANT CREATE ON SCHEMA public TO guest")
    yield url.set(username="guest", password="guest")
    execute(postgres, f"DROP DATABASE {url.database} WITH (FORCE)")
    execute(postgres, "DROP ROLE guest")


def test_without_its_extension_postgresql_migrates_and_searches_and_gets_the_index_later(
    postgres: URL, guest: URL
) -> None:
    def migrated() -> set[str]:
        """Migrate, and return the tables that have an index for searching."""
        engine = make_engine(guest)
        migrate(engine)
        with engine.connect() as connection:
            found = "SELECT tablename FROM pg_indexes WHERE indexdef LIKE '%gin_trgm_ops%'"
            names = set(connection.execute(text(found)).scalars())
        engine.dispose()
        return names

    assert migrated() == set()
    with sql_backend(database_at(guest)) as backend:
        with backend.open() as uow:
            task_use_cases.create_task(uow, title="Zirconia", ctx=CTX)
            task_use_cases.create_task(uow, title="Corundum", ctx=CTX)
            uow.commit()
        assert ask(backend, "irc") == ask(backend, "zi") == ask(backend, "RUN") == 1
        assert ask(backend, "nowhere") == 0
    if has_trigrams(postgres):
        execute(postgres.set(database=guest.database), "CREATE EXTENSION pg_trgm")
    assert migrated() == (set(SEARCHED) if has_trigrams(postgres) else set())
    with sql_backend(database_at(guest)) as backend:
        assert ask(backend, "irc") == ask(backend, "RUN") == 1


def test_what_was_there_before_the_index_is_found_changed_and_forgotten(
    place: Path | URL,
) -> None:
    engine = make_sqlite_engine(place, "rw") if isinstance(place, Path) else make_engine(place)
    migrate(engine, "0005")
    row = next(rows())
    with engine.begin() as connection:
        connection.execute(insert(tasks), [row])
    migrate(engine)
    engine.dispose()
    with sql_backend(database_at(place)) as backend:
        assert ask(backend, "plane") == 1
        with backend.open() as uow:
            uow.tasks.get(row["id"]).edit({"title": "Corundum"}, CTX)
            uow.commit()
        assert (ask(backend, "plane"), ask(backend, "corundum")) == (0, 1)
        with backend.open() as uow:
            task_use_cases.delete_task(uow, row["id"], ctx=CTX)
            uow.commit()
        assert ask(backend, "corundum") == 0
