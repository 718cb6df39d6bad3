"""Row locks of another session on PostgreSQL block only the use cases that need them."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from domain.stock import Reason
from domain.values import CENT
from service_layer import catalogue, stock
from service_layer import tasks as task_use_cases
from support.backends import NOON, database_at, sql_backend
from support.databases import text
from support.group_commit import BatchHarness
from support.people import ADMIN, CTX
from support.service import Service
from support.stock_sales import SALE, add, service_on

TASKS = "/api/v1/tasks"
WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def buy(service: Service, path: str) -> int:
    with service.client() as client:
        return client.post(f"{path}/movements", json=SALE).status_code


def test_lock_on_one_product_does_not_block_sales_of_others(
    postgres_place: URL, tmp_path: Path
) -> None:
    with (
        service_on(postgres_place, tmp_path) as service,
        service.client() as client,
        ThreadPoolExecutor(8) as buyers,
    ):
        locked, others = add(client, 10), [add(client, 10) for _ in range(5)]
        with psycopg.connect(text(postgres_place)) as holder:
            hold(holder, "products", locked)
            waiters = [buyers.submit(buy, service, locked) for _ in range(3)]
            wait_until_blocked(postgres_place)

            sold = list(buyers.map(lambda path: buy(service, path), others * 4))

            assert sold == [201] * 20
            assert not any(waiter.done() for waiter in waiters)
        assert [waiter.result() for waiter in waiters] == [201] * 3
        assert [client.get(path).json()["stock"] for path in (locked, *others)] == [7] + [6] * 5


def test_lock_on_one_task_does_not_block_edits_of_others(
    postgres_place: URL, tmp_path: Path
) -> None:
    def rename(path: str) -> int:
        with service.client() as own:
            return own.patch(path, json={"title": "Another"}).status_code

    with (
        service_on(postgres_place, tmp_path) as service,
        service.client() as client,
        ThreadPoolExecutor(8) as clients,
    ):
        tasks = [client.post(TASKS, json={"title": "One"}).headers["location"] for _ in range(9)]
        with psycopg.connect(text(postgres_place)) as holder:
            hold(holder, "tasks", tasks[0])
            waiter = clients.submit(rename, tasks[0])
            wait_until_blocked(postgres_place)

            assert list(clients.map(rename, tasks[1:])) == [200] * 8
            assert not waiter.done()
        assert waiter.result() == 200
        assert client.get(tasks[0]).json()["title"] == "Another"


def test_lock_held_beyond_the_timeout_is_answered_with_503(
    postgres_place: URL, tmp_path: Path
) -> None:
    with (
        service_on(postgres_place, tmp_path) as service,
        service.client() as client,
        psycopg.connect(text(postgres_place)) as holder,
    ):
        path = add(client, 10)
        hold(holder, "products", path)

        answer = client.post(f"{path}/movements", json=SALE)

        assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
        assert int(answer.headers["retry-after"]) > 0
        holder.rollback()
        assert buy(service, path) == 201
        assert client.get(path).json()["stock"] == 9


def test_use_case_queued_behind_a_lock_times_out_without_effect(
    postgres_place: URL,
) -> None:
    with (
        sql_backend(database_at(postgres_place)) as backend,
        psycopg.connect(text(postgres_place)) as holder,
    ):
        product = backend.default_runner.perform(
            catalogue.create_product, name="Nut", price=CENT, ctx=CTX
        )
        hold(holder, "products", f"{product.id}")
        runner = backend.runner()
        runner.TIMEOUT = 1.0
        take = partial(stock.record_movement, quantity=1, reason=Reason.RECEIVED, ctx=CTX)

        async def take_many() -> list[object]:
            taking = (runner(take.func, product.id, **take.keywords) for _ in range(12))
            return await asyncio.gather(*taking, return_exceptions=True)

        told = [str(error) for error in backend.ask(take_many())]
        holder.rollback()
        runner.close()

        # Four wait for the row itself, so their outcome is unknown.
        assert sum("This one was not made" in one for one in told) == 8
        assert sum("is not known" in one for one in told) == 4
        found = backend.ask(backend.products.get(product.id, NOON))
        assert found is not None and found.stock == 4


def test_batch_blocked_by_a_lock_at_commit_runs_each_use_case_alone(
    postgres_place: URL,
) -> None:
    # The foreign key is deferred, so the commit waits for the lock on the user.
    titles = ["One", "Two", "Three"]
    add_task = partial(task_use_cases.create_task, ctx=ADMIN.ctx)
    with (
        sql_backend(database_at(postgres_place)) as backend,
        psycopg.connect(text(postgres_place)) as holder,
        ThreadPoolExecutor(1) as threads,
    ):
        hold(holder, "users", f"{ADMIN.id}")
        harness = BatchHarness(backend)
        added = threads.submit(harness.run, *(partial(add_task, title=one) for one in titles))
        wait_until_blocked(postgres_place, number=3)
        holder.rollback()

        assert [task.title for task in added.result()] == titles


def hold(holder: psycopg.Connection, table: str, path: str) -> None:
    """Lock the row of an object by its path, until the transaction ends."""
    which = sql.SQL("SELECT FROM {} WHERE id = %s FOR UPDATE").format(sql.Identifier(table))
    holder.execute(which, [path.rpartition("/")[2]])


def wait_until_blocked(place: URL, number: int = 1) -> None:
    with psycopg.connect(text(place), autocommit=True) as looking:
        end = time.monotonic() + 20
        while (looking.execute(WAITING).fetchone() or (0,))[0] < number:
            assert time.monotonic() < end, "no session waits for a lock"
            time.sleep(0.01)
