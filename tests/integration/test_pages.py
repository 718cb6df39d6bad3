"""A read costs what it tells, wherever that lies: an index serves every order and every name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, event

from adapters.sql.database import SqlDatabase, Statement, Values
from adapters.sql.queries.catalogue import SqlProductQueries
from adapters.sql.queries.listing import QueryShape, page_values
from adapters.sql.queries.posts import SqlPostQueries
from adapters.sql.queries.stock import SqlMovementQueries
from adapters.sql.queries.tasks import SqlTaskQueries
from adapters.sql.queries.users import SqlUserQueries
from domain.base import Context, PageRequest
from domain.catalogue import SORTS as PRODUCT_SORTS
from domain.posts import Post
from domain.stock import Reason
from domain.tasks import SORTS, TaskFilter
from service_layer import catalogue, tasks, users
from service_layer.queries.tasks import weeks_until
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, database_at, sql_backend
from support.databases import execute
from support.people import CTX, MEMBER

ROWS = 3_000
TODAY = NOON.date()


def plan(database: SqlDatabase, statement: Statement, values: dict[str, Any]) -> Any:
    """Return how the database goes about a statement."""
    is_sqlite = database.dialect_name == "sqlite"
    explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN (ANALYZE, FORMAT JSON)"

    def prefix(connection: Any, cursor: Any, sql: str, values: Any, *_: Any) -> tuple[str, Any]:
        return f"{explain} {sql}", values

    with database.read_engine.connect() as connection:
        if not is_sqlite:
            # Of so few rows PostgreSQL would rather read them all, and sort.
            connection.exec_driver_sql("SET enable_seqscan = off")
            connection.exec_driver_sql("SET enable_sort = off")
        event.listen(connection, "before_cursor_execute", prefix, retval=True)
        rows = connection.execute(statement.select, values).cursor.fetchall()
        connection.invalidate()
    return [row[3] for row in rows] if is_sqlite else rows[0][0][0]["Plan"]


def rows_looked_at(node: dict[str, Any]) -> float:
    """Return how many rows PostgreSQL took out of tables and indexes for a plan."""
    own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    below = sum(rows_looked_at(child) for child in node.get("Plans", ()))
    return float(below + own * node["Actual Loops"] if "Relation Name" in node else below)


def populate_names(place: Path | URL, begin: Callable[[], UnitOfWork]) -> None:
    """Take in people and categories that nothing names.

    With a handful of them PostgreSQL would rather read them all for each row that might name one.
    """
    with begin() as uow:
        for n in range(500):
            users.create_user(
                uow, username=f"extra{n}", email=f"extra{n}@example.org", name="Somebody",
                password_hash="-", ctx=CTX,
            )  # fmt: skip
            catalogue.create_category(uow, name=f"category {n}", ctx=CTX)
        uow.commit()
    if isinstance(place, URL):
        for table in ("users", "categories"):
            execute(place, f"VACUUM ANALYZE {table}")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", list(SORTS))
def test_a_page_is_walked_by_an_index_at_the_start_and_far_into_the_list(
    place: Path | URL, sort: str, descending: bool
) -> None:
    database = database_at(place)
    queries = SqlTaskQueries(database)
    with sql_backend(database) as backend:
        populate_names(place, backend.open)
        with backend.open() as uow:
            for n in range(ROWS):
                due_on = TODAY + timedelta(n % 300) if n % 2 else None
                now = NOON + timedelta(seconds=n)
                tasks.create_task(
                    uow, title=f"t{n % 50}", priority=n % 10, due_on=due_on, ctx=Context(None, now)
                )
            uow.commit()
        if isinstance(place, URL):
            execute(place, "VACUUM ANALYZE tasks")
        page_request = PageRequest(sort=sort, descending=descending, limit=100)
        ends = [page_request]
        for _ in range(ROWS // page_request.limit - 1):
            last = backend.ask(backend.tasks.list_page(TaskFilter(today=TODAY), ends[-1])).next_key
            assert last is not None
            ends.append(replace(page_request, after=last))
        assert all(one.after != other.after for one, other in pairwise(ends))
        for asked in (ends[0], ends[5], ends[-2]):
            statement = queries._page(QueryShape.of({}, asked))
            values = {"today": TODAY, **page_values(asked)}
            steps = plan(database, statement, values)
            if isinstance(place, URL):
                # A page with dates and a page without, each with the row that tells of more.
                assert rows_looked_at(steps) <= 2 * (page_request.limit + 1)
            else:
                of_tasks = [step for step in steps if "tasks" in step]
                assert of_tasks
                assert all("USING INDEX" in step for step in of_tasks), steps
                # What is sorted are two pages that were put together, and then that page beside
                # what it names; not the table, and nothing where there is but one page.
                sorted_ = [step for step in steps if "TEMP B-TREE" in step]
                assert len(sorted_) == (0 if len(of_tasks) == 1 else 2), steps


@pytest.mark.parametrize("descending", [False, True])
def test_a_page_of_completed_tasks_is_walked_by_their_index(
    place: Path | URL, descending: bool
) -> None:
    database = database_at(place)
    queries = SqlTaskQueries(database)
    done = TaskFilter(today=TODAY, completed=True)
    with sql_backend(database) as backend:
        populate_names(place, backend.open)
        with backend.open() as uow:
            for n in range(1_200):
                now = NOON + timedelta(seconds=n)
                task = tasks.create_task(uow, title=f"t{n}", ctx=Context(None, now))
                if n % 2:
                    task.complete(Context(None, now + timedelta(days=n % 7)))
            uow.commit()
        if isinstance(place, URL):
            execute(place, "VACUUM ANALYZE tasks")
        start = PageRequest(sort="completed_at", descending=descending, limit=20)
        far = backend.ask(backend.tasks.list_page(done, replace(start, limit=400))).next_key
        for asked in (start, replace(start, after=far)):
            statement = queries._page(QueryShape.of({"completed": True}, asked))
            values = {"today": TODAY, **page_values(asked)}
            steps = plan(database, statement, values)
            if isinstance(place, URL):
                assert rows_looked_at(steps) <= 2 * (asked.limit + 1)
            else:
                of_tasks = [step for step in steps if "tasks" in step]
                assert all("USING INDEX ix_tasks_completed_at" in step for step in of_tasks), steps


def assert_walked(
    place: Path | URL, table: str, queries: Any, page_request: PageRequest, given: Any
) -> None:
    """Assert that an index leads straight to a page, wherever it begins, and sorts it as well."""
    database = database_at(place)
    everything = replace(page_request, limit=ROWS)
    with sql_backend(database) as backend:
        values = {**given, **page_values(everything)}
        page = queries._page(QueryShape.of(given, everything))
        rows = backend.ask(database.fetch(page, values, short=True))
    last = rows[len(rows) // 2]
    for asked in (page_request, replace(page_request, after=(last[-1], last[0]))):
        statement = queries._page(QueryShape.of(given, asked))
        steps = plan(database, statement, {**given, **page_values(asked)})
        if isinstance(place, URL):
            assert rows_looked_at(steps) <= 2 * (page_request.limit + 1)
        else:
            of_table = [step for step in steps if table in step]
            assert of_table
            assert all("USING INDEX" in step for step in of_table), steps
            assert not any("TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize("descending", [False, True])
def test_a_page_of_products_or_of_a_ledger_is_walked_by_an_index(
    place: Path | URL, descending: bool
) -> None:
    database = database_at(place)
    with sql_backend(database) as backend:
        populate_names(place, backend.open)
        with backend.open() as uow:
            for n in range(600):
                ctx, price = Context(None, NOON + timedelta(seconds=n)), Decimal(n % 70)
                one = catalogue.create_product(uow, name=f"p{n % 50}", price=price, ctx=ctx)
                one.stock, one.archived = n % 40, n % 3 == 0
            for _ in range(600):
                id, received = uow.new_id(), Reason.RECEIVED
                one.move(id, 1, received, ctx, movements=uow.movements)
            uow.commit()
        if isinstance(place, URL):
            execute(place, "VACUUM ANALYZE products")
            execute(place, "VACUUM ANALYZE movements")
        for sort in PRODUCT_SORTS:
            page_request = PageRequest(sort=sort, descending=descending, limit=50)
            assert_walked(
                place, "products", SqlProductQueries(database), page_request, {"archived": False}
            )
        page_request = PageRequest(sort="created_at", descending=descending, limit=50)
        given = {"product_id": one.id}
        ledger = SqlMovementQueries(database)
        assert_walked(place, "movements", ledger, page_request, given)
        steps = plan(database, ledger._latest, {**given, "most": 50})
        if isinstance(place, URL):
            assert rows_looked_at(steps) == 50
        else:
            assert any("USING INDEX" in step for step in steps), steps
            assert not any("TEMP B-TREE" in step for step in steps), steps


def test_a_name_a_slug_and_a_week_are_looked_up_in_an_index(place: Path | URL) -> None:
    database = database_at(place)
    with sql_backend(database) as backend, backend.open() as uow:
        for n in range(400):
            name, email, now = f"user{n}", f"user{n}@example.org", NOON - timedelta(days=n)
            users.create_user(
                uow,
                username=name,
                email=email,
                name="Some user",
                password_hash="-",
                ctx=Context(None, now),
            )
            uow.posts.add(
                Post(
                    id=uow.new_id(), created_at=now, updated_at=now, title="x", content="x",
                    slug=f"x-{n}", author_id=MEMBER.id,
                )
            )  # fmt: skip
            ctx = Context(None, now)
            tasks.create_task(uow, title="x", ctx=ctx).complete(ctx)
            tasks.create_task(uow, title="still to be done", ctx=ctx)
        uow.commit()
    weeks = weeks_until(NOON, 3)
    begins = {f"begin_{n}": begin for n, begin in enumerate([weeks[0][0], *(b for _, b in weeks)])}
    lookups: list[tuple[str, tuple[Statement, Values], int]] = [
        ("users", SqlUserQueries(database)._named.statement_for(["user7"], {}), 1),
        ("posts", SqlPostQueries(database)._named.statement_for(["x-7"], {}), 2),  # and its author
        ("tasks", (SqlTaskQueries(database)._done(3), begins), 21),
    ]
    for table, (statement, given), most in lookups:
        if isinstance(place, URL):
            execute(place, f"VACUUM ANALYZE {table}")
        steps = plan(database, statement, dict(given))
        if isinstance(place, URL):
            assert 0 < rows_looked_at(steps) <= most, (table, steps)
        else:
            of_table = [step for step in steps if table in step]
            assert of_table
            assert all(step.startswith("SEARCH") for step in of_table), steps
