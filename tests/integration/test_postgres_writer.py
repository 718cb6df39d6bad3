"""The short way of a unit of work to PostgreSQL: nothing but time tells it from the long one."""

import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from types import FrameType
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation, InFailedSqlTransaction
from psycopg.rows import dict_row
from sqlalchemy import URL

from adapters.sql.fast.libpq_cursor import LibpqConnection
from adapters.sql.fast.prepared import MAX_PREPARED
from adapters.sql.postgres.database import arguments


@pytest.fixture
def connection(postgres_place: URL) -> Iterator[LibpqConnection]:
    with LibpqConnection.connect(**arguments(postgres_place)) as made:
        yield made


@pytest.fixture
def other(postgres_place: URL) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(autocommit=True, **arguments(postgres_place)) as made:
        yield made


def rows(connection: LibpqConnection, sql: str, **values: Any) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(sql, values)
    found: list[Any] = cursor.fetchall()
    return found


def run(connection: LibpqConnection, sql: str, **values: Any) -> int:
    cursor = connection.cursor()
    cursor.execute(sql, values)
    written: int = cursor.rowcount
    return written


def terminate(other: psycopg.Connection[Any], connection: psycopg.Connection[Any]) -> None:
    other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))


def test_values_of_all_types_come_back_as_psycopg_has_them(
    connection: LibpqConnection, other: psycopg.Connection[Any]
) -> None:
    sql = (
        "SELECT %(a)s::int, %(b)s::numeric, %(c)s::text, %(d)s::timestamptz, %(e)s::date,"
        " %(f)s::uuid, %(g)s::boolean, %(h)s::text, %(i)b::text[], %(a)s::int, '100%%', %(j)s::json"
    )
    values = {
        "a": 40_000,
        "b": Decimal("12.50"),
        "c": "ä% %(a)s",
        "d": datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
        "e": date(2026, 11, 21),
        "f": UUID(int=7),
        "g": True,
        "h": None,
        "i": ["ö", None],
        "j": '{"a": [1]}',
    }
    assert rows(connection, sql, **values) == other.execute(sql, values).fetchall()


def test_a_transaction_begins_with_its_first_statement_and_ends_with_its_commit(
    connection: LibpqConnection, other: psycopg.Connection[Any]
) -> None:
    other.execute("CREATE TABLE things (n int)")
    for end, kept in ((connection.rollback, 0), (connection.commit, 2)):
        assert run(connection, "INSERT INTO things VALUES (%(n)s)", n=1) == 1
        assert run(connection, "INSERT INTO things SELECT n + 1 FROM things") == 1
        assert other.execute("SELECT count(*) FROM things").fetchall() == [(0,)]
        end()
        assert other.execute("SELECT count(*) FROM things").fetchall() == [(kept,)]
    connection.commit()
    assert run(connection, "UPDATE things SET n = 0 WHERE n > %(n)s", n=0) == 2
    assert run(connection, "UPDATE things SET n = 0 WHERE n > %(n)s", n=0) == 0


def test_without_transactions_a_statement_is_kept_at_once(
    connection: LibpqConnection, other: psycopg.Connection[Any]
) -> None:
    other.execute("CREATE TABLE things (n int)")
    connection.autocommit = True
    run(connection, "INSERT INTO things VALUES (1)")
    assert other.execute("SELECT n FROM things").fetchall() == [(1,)]


def test_rows_can_be_fetched_in_parts_and_are_described(connection: LibpqConnection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT n, 'x' AS name FROM generate_series(1, 5) AS n")
    assert [column[0] for column in cursor.description] == ["n", "name"]
    assert cursor.fetchone() == (1, "x")
    assert cursor.fetchmany(2) == [(2, "x"), (3, "x")]
    assert cursor.fetchmany() == [(4, "x")]
    assert cursor.fetchall() == [(5, "x")]
    assert (cursor.fetchone(), cursor.fetchall()) == (None, [])
    cursor.execute("SELECT 1 WHERE false")
    assert (cursor.fetchone(), cursor.rowcount) == (None, 0)


def test_many_rows_are_written_one_after_the_other_and_counted(
    connection: LibpqConnection, other: psycopg.Connection[Any]
) -> None:
    other.execute("CREATE TABLE things (n int)")
    cursor = connection.cursor()
    cursor.executemany("INSERT INTO things VALUES (%(n)s)", [{"n": 1}, {"n": 2}, {"n": 2}])
    assert cursor.rowcount == 3
    cursor.executemany("DELETE FROM things WHERE n = %(n)s", [{"n": 2}, {"n": 3}])
    assert cursor.rowcount == 2


def test_a_cursor_that_is_to_be_special_is_psycopgs(connection: LibpqConnection) -> None:
    with connection.cursor(row_factory=dict_row) as cursor:
        assert cursor.execute("SELECT 1 AS n").fetchall() == [{"n": 1}]


@pytest.mark.parametrize("first", [True, False])
def test_what_is_longer_than_the_buffers_in_between_is_sent_and_read(
    connection: LibpqConnection, first: bool
) -> None:
    long = "ä" * 16_000_000
    if not first:
        rows(connection, "SELECT 1")
    assert rows(connection, "SELECT %(text)s::text", text=long) == [(long,)]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("wrong", ["SELECT 1 / %(n)s::int", "SELECT nothing", "SELEC 1"])
def test_after_an_error_and_a_rollback_it_can_be_asked_again(
    connection: LibpqConnection, first: bool, wrong: str
) -> None:
    if not first:
        rows(connection, "SELECT 1")
    with pytest.raises(psycopg.Error) as error:
        rows(connection, wrong, n=0)
    assert error.value.sqlstate
    if not first or "/" in wrong:
        # What was begun is broken until it is undone.
        with pytest.raises(InFailedSqlTransaction):
            rows(connection, "SELECT 1 + %(n)s::int", n=1)
    connection.rollback()
    assert rows(connection, "SELECT 1 + %(n)s::int", n=1) == [(2,)]


def test_a_commit_that_the_database_refuses_is_an_error(
    connection: LibpqConnection, other: psycopg.Connection[Any]
) -> None:
    other.execute("CREATE TABLE things (n int PRIMARY KEY)")
    other.execute(
        "CREATE TABLE parts (n int REFERENCES things DEFERRABLE INITIALLY DEFERRED, m int)"
    )
    run(connection, "INSERT INTO parts VALUES (1)")
    with pytest.raises(ForeignKeyViolation):
        connection.commit()
    connection.rollback()
    assert rows(connection, "SELECT * FROM parts") == []


def test_of_statements_that_are_all_different_only_so_many_are_kept(
    connection: LibpqConnection,
) -> None:
    for number in range(MAX_PREPARED + 50):
        assert rows(connection, f"SELECT {number}") == [(number,)]
    ((kept,),) = rows(connection, "SELECT count(*) FROM pg_prepared_statements")
    assert kept <= MAX_PREPARED
    assert rows(connection, "SELECT 0") == [(0,)]


@pytest.mark.parametrize("what", ["ALTER TABLE things ALTER n TYPE text", "DEALLOCATE ALL"])
def test_what_was_prepared_and_holds_no_longer_is_prepared_again(
    connection: LibpqConnection, other: psycopg.Connection[Any], what: str
) -> None:
    other.execute("CREATE TABLE things AS SELECT 1 AS n")
    assert rows(connection, "SELECT n FROM things") == [(1,)]
    connection.commit()
    if what.startswith("ALTER"):
        other.execute(what.encode())
    else:
        connection.pgconn.exec_(what.encode())
    with pytest.raises(psycopg.Error):
        rows(connection, "SELECT n FROM things")
    connection.rollback()
    assert rows(connection, "SELECT n::int FROM things") == [(1,)]
    assert rows(connection, "SELECT n FROM things") in ([(1,)], [("1",)])


@pytest.mark.parametrize("at", ["the first statement", "another statement", "the commit"])
def test_a_connection_that_ended_is_an_error_of_the_connection(
    connection: LibpqConnection, other: psycopg.Connection[Any], at: str
) -> None:
    rows(connection, "SELECT 1")
    if at == "the first statement":
        connection.commit()
    terminate(other, connection)
    with pytest.raises(psycopg.OperationalError) as error:
        if at == "the commit":
            connection.commit()
        else:
            rows(connection, "SELECT 1")
    # Whether the database said so before it ended is a matter of time.
    assert error.value.sqlstate in (None, "57P01")
    assert connection.broken or connection.closed


@pytest.mark.parametrize("first", [True, False])
def test_a_connection_that_ends_amid_a_statement_is_an_error_of_the_connection(
    connection: LibpqConnection, other: psycopg.Connection[Any], first: bool
) -> None:
    rows(connection, "SELECT 1")
    if first:
        connection.commit()
    busy = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    pid = connection.info.backend_pid

    def end() -> None:
        while not other.execute(busy, (pid,)).fetchall():
            time.sleep(0.01)
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))

    ending = threading.Thread(target=end)
    ending.start()
    with pytest.raises(psycopg.OperationalError):
        rows(connection, "SELECT pg_sleep(20)")
    ending.join()
    assert connection.broken or connection.closed


class Interrupted(Exception):
    pass


def test_a_connection_is_closed_when_somebody_interrupts_the_statement_that_begins(
    connection: LibpqConnection,
) -> None:
    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise Interrupted

    # Once prepared, so that it is not the preparing which is interrupted.
    sleep = "SELECT pg_sleep(%(seconds)s::float8)"
    rows(connection, sleep, seconds=0)
    connection.commit()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(Interrupted):
            rows(connection, sleep, seconds=5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    # What comes next on it would be the answer to that statement.
    assert connection.closed


def test_while_the_database_works_other_threads_do(connection: LibpqConnection) -> None:
    turns = 0

    def wait() -> None:
        for _ in range(2):  # in a pipeline, and not
            rows(connection, "SELECT pg_sleep(0.5)")

    waiting = threading.Thread(target=wait)
    waiting.start()
    while waiting.is_alive():
        time.sleep(0.01)
        turns += 1
    assert turns > 20
