"""What another session holds keeps that alone waiting, where rows are locked: on PostgreSQL."""

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


def test_whoever_buys_what_somebody_holds_keeps_no_buyer_of_other_products_waiting(
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
            until_somebody_waits(postgres_place)

            sold = list(buyers.map(lambda path: buy(service, path), others * 4))

            assert sold == [201] * 20
            assert not any(waiter.done() for waiter in waiters)
        assert [waiter.result() for waiter in waiters] == [201] * 3
        assert [client.get(path).json()["stock"] for path in (locked, *others)] == [7] + [6] * 5


def test_a_change_of_a_task_that_somebody_holds_waits_alone(
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
            until_somebody_waits(postgres_place)

            assert list(clients.map(rename, tasks[1:])) == [200] * 8
            assert not waiter.done()
        assert waiter.result() == 200
        assert client.get(tasks[0]).json()["title"] == "Another"


def test_what_is_held_for_too_long_is_refused_until_later(
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


def test_who_waits_behind_others_for_what_somebody_holds_may_give_up_and_nothing_is_done(
    postgres_place: URL,
) -> None:
    with (
        sql_backend(database_at(postgres_place)) as backend,
        psycopg.connect(text(postgres_place)) as holder,
    ):
        product = backend.usual.perform(catalogue.create_product, name="Nut", price=CENT, ctx=CTX)
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

        # Four wait for the row itself, and it is not known what will come of them.
        assert sum("This one was not made" in one for one in told) == 8
        assert sum("is not known" in one for one in told) == 4
        found = backend.ask(backend.products.get(product.id, NOON))
        assert found is not None and found.stock == 4


def test_what_shares_a_commit_waits_each_by_itself_for_somebody_whom_it_names(
    postgres_place: URL,
) -> None:
    # That there is such a user is looked at when it is committed, and waited for then.
    titles = ["One", "Two", "Three"]
    add_task = partial(task_use_cases.create_task, ctx=ADMIN.ctx)
    with (
        sql_backend(database_at(postgres_place)) as backend,
        psycopg.connect(text(postgres_place)) as holder,
        ThreadPoolExecutor(1) as threads,
    ):
        hold(holder, "users", f"{ADMIN.id}")
        together = BatchHarness(backend)
        added = threads.submit(together.run, *(partial(add_task, title=one) for one in titles))
        until_somebody_waits(postgres_place, number=3)
        holder.rollback()

        assert [task.title for task in added.result()] == titles


def hold(holder: psycopg.Connection, table: str, path: str) -> None:
    """Lock the row of what is found at an address, until the transaction ends."""
    which = sql.SQL("SELECT FROM {} WHERE id = %s FOR UPDATE").format(sql.Identifier(table))
    holder.execute(which, [path.rpartition("/")[2]])


def until_somebody_waits(place: URL, number: int = 1) -> None:
    with psycopg.connect(text(place), autocommit=True) as looking:
        end = time.monotonic() + 20
        while (looking.execute(WAITING).fetchone() or (0,))[0] < number:
            assert time.monotonic() < end, "nobody waits for a lock"
            time.sleep(0.01)
