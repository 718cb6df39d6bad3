"""Products are locked one by one, where a database locks rows: on PostgreSQL."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from sqlalchemy import URL

from support.databases import text
from support.sales import SALE, add, service_on
from support.service import Service

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


def test_while_one_process_waits_for_a_product_that_is_locked_another_sells_other_products(
    postgres_place: URL, tmp_path: Path
) -> None:
    # Within one process changes are made one after another, so there the others would wait too.
    def process(name: str) -> Service:
        folder = tmp_path / name
        folder.mkdir()
        return service_on(postgres_place, folder)

    def buy(service: Service, path: str) -> int:
        with service.client() as client:
            return client.post(f"{path}/movements", json=SALE).status_code

    with (
        process("waiting") as waiting,
        process("free") as free,
        free.client() as client,
        ThreadPoolExecutor(4) as buyers,
    ):
        locked, others = add(client, 10), [add(client, 10) for _ in range(5)]
        with psycopg.connect(text(postgres_place)) as holder:
            holder.execute(
                "SELECT FROM products WHERE id = %s FOR UPDATE", [locked.rpartition("/")[2]]
            )
            waiters = [buyers.submit(buy, waiting, locked) for _ in range(3)]
            until_somebody_waits(postgres_place)

            sold = [buy(free, path) for path in others * 2]

            assert sold == [201] * 10
            assert not any(waiter.done() for waiter in waiters)
        assert [waiter.result() for waiter in waiters] == [201] * 3
        assert [client.get(path).json()["stock"] for path in (locked, *others)] == [7] + [8] * 5


def until_somebody_waits(place: URL) -> None:
    with psycopg.connect(text(place), autocommit=True) as looking:
        end = time.monotonic() + 20
        while looking.execute(WAITING).fetchone() == (0,):
            assert time.monotonic() < end, "nobody waits for a lock"
            time.sleep(0.01)
