"""Stock over the wire: sold by many at once, and while the service is killed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import URL
from sqlalchemy import text as sql
from sqlalchemy.exc import IntegrityError

from support.backends import Clock, client_of, database_at, sql_app
from support.service import Service
from support.stock_sales import SALE, add, ledger, reorders, sell_at_once, service_on


@pytest.fixture
def service(place: Path | URL, tmp_path: Path) -> Service:
    return service_on(place, tmp_path)


def test_of_two_hundred_clients_a_hundred_get_the_hundred_pieces_twice(service: Service) -> None:
    assert_all_pieces_are_sold(service, 2)


def assert_all_pieces_are_sold(service: Service, turns: int) -> None:
    """Have 200 clients buy 100 pieces, so many times; assert that 100 of them get one."""
    with service, service.client() as client:
        for turn in range(turns):
            path = add(client, 100, name=f"Screws {turn}", reorder_level=10)

            outcomes = sell_at_once(service, *[path] * 200)

            assert sorted(outcomes, key=str) == [(201, None)] * 100 + [(409, 0)] * 100
            assert len(ledger(client, path)) == 101
            product = client.get(path).json()
            assert (product["stock"], product["version"]) == (0, 101)
            assert reorders(client) == [f"Reorder Screws {each}" for each in range(turn + 1)]


def test_every_acknowledged_sale_is_in_the_ledger_after_two_kills(service: Service) -> None:
    assert_sales_survive_kills(service, 2)


def assert_sales_survive_kills(service: Service, kills: int) -> None:
    """Kill a service amid sales, and again; assert that each acknowledged one is in the ledger."""
    acknowledged: set[str] = set()
    with service:
        with service.client() as client:
            path = add(client, 100_000)
        for turn in range(kills):
            sell_until_killed(service, path, acknowledged, 40 * (turn + 1))
            service.start()
            with service.client() as client:
                kept = {movement["id"] for movement in ledger(client, path)}
            assert acknowledged <= kept
    assert len(acknowledged) >= 40 * kills


def sell_until_killed(service: Service, path: str, acknowledged: set[str], enough: int) -> None:
    """Have eight clients buy on and on, and kill the service in the middle of it."""
    stop = threading.Event()

    def burst(number: int) -> None:
        with service.client() as own:
            while not stop.is_set():
                try:
                    answer = own.post(f"{path}/movements", json=SALE)
                except httpx2.TransportError:
                    return
                if answer.status_code == 201:
                    acknowledged.add(answer.json()["id"])

    with ThreadPoolExecutor(8) as clients:
        bursts = [clients.submit(burst, number) for number in range(8)]
        # In the middle of it, however busy the machine is.
        end = time.monotonic() + 20
        while len(acknowledged) < enough and time.monotonic() < end:
            time.sleep(0.01)
        service.kill()
        stop.set()
        for each in bursts:
            each.result()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE products SET stock = -1",
        "UPDATE products SET price = -1",
        "UPDATE movements SET quantity = 0",
        "UPDATE movements SET stock_after = -1",
        "UPDATE movements SET reason = 'stolen'",
        "DELETE FROM products",
    ],
)
def test_the_database_itself_refuses_what_cannot_be(
    place: Path | URL, clock: Clock, statement: str
) -> None:
    with client_of(sql_app(place, clock)) as client:
        add(client, 1)
    engine = database_at(place).engine
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(sql(statement))
    engine.dispose()
