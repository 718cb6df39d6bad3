"""Stock over the wire: sold by many at once, and while the service is killed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import URL
from sqlalchemy import text as sql
from sqlalchemy.exc import IntegrityError

from support.backends import database_at
from support.clients import Client
from support.databases import text
from support.service import Service

PRODUCTS = "/api/v1/products"
TASKS = "/api/v1/tasks"
SALE = {"quantity": -1, "reason": "sold"}


def settings_for(place: Path | URL) -> dict[str, str]:
    """Return the one setting that names a database."""
    address = f"sqlite:///{place}" if isinstance(place, Path) else text(place)
    return {"DATABASE_URL": address}


@pytest.fixture
def service(place: Path | URL, tmp_path: Path) -> Service:
    return Service(tmp_path, **settings_for(place))


def add(client: Client, stock: int, **members: Any) -> str:
    new = {"name": "Screws", "price": "0.05", "stock": stock, **members}
    answer = client.post(PRODUCTS, json=new)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def ledger(client: Client, path: str) -> list[dict[str, Any]]:
    """Return all movements, having made sure that they add up to the stock at each step."""
    answer = client.get(f"{path}/movements", params={"limit": 100})
    items: list[dict[str, Any]] = answer.json()["items"]
    while "link" in answer.headers:
        answer = client.get(answer.headers["link"].split(">")[0][1:])
        items += answer.json()["items"]
    stock = 0
    for movement in items:
        stock += movement["quantity"]
        assert movement["stock_after"] == stock >= 0
    assert client.get(path).json()["stock"] == stock
    return items


def sell_at_once(service: Service, path: str, number: int) -> list[tuple[int, Any]]:
    """Have many clients buy a piece each; return the statuses, and what was available if told."""
    barrier = threading.Barrier(number)

    def buy(_: int) -> tuple[int, Any]:
        with service.client() as own:
            # Nobody connects before all are ready: a connection that idles for long is closed.
            barrier.wait()
            answer = own.post(f"{path}/movements", json=SALE)
            return answer.status_code, answer.json().get("available")

    with ThreadPoolExecutor(number) as clients:
        return list(clients.map(buy, range(number)))


def test_of_two_hundred_clients_a_hundred_get_the_hundred_pieces(service: Service) -> None:
    with service, service.client() as client:
        path = add(client, 100, reorder_level=10)

        outcomes = sell_at_once(service, path, 200)

        assert sorted(outcomes, key=str) == [(201, None)] * 100 + [(409, 0)] * 100
        assert len(ledger(client, path)) == 101
        assert client.get(path).json()["version"] == 101
        titles = [task["title"] for task in client.get(TASKS).json()["items"]]
        assert titles == ["Reorder Screws"]


def test_of_a_hundred_clients_of_several_workers_fifty_get_the_fifty_pieces(
    postgres_place: URL, tmp_path: Path
) -> None:
    service = Service(tmp_path, ATELIER_WORKERS="3", **settings_for(postgres_place))
    with service, service.client() as client:
        path = add(client, 50, reorder_level=10)

        outcomes = sell_at_once(service, path, 100)

        assert sorted(outcomes, key=str) == [(201, None)] * 50 + [(409, 0)] * 50
        assert len(ledger(client, path)) == 51
        assert len(client.get(TASKS).json()["items"]) == 1


def test_every_acknowledged_sale_is_in_the_ledger_after_three_kills(service: Service) -> None:
    acknowledged: set[str] = set()
    with service:
        with service.client() as client:
            path = add(client, 100_000)
        for round in range(3):
            stop = threading.Event()

            def burst(number: int, stop: threading.Event = stop) -> None:
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
                while len(acknowledged) < 40 * (round + 1) and time.monotonic() < end:
                    time.sleep(0.01)
                service.kill()
                stop.set()
                for each in bursts:
                    each.result()
            service.start()
            with service.client() as client:
                kept = {movement["id"] for movement in ledger(client, path)}
            assert acknowledged <= kept
    assert len(acknowledged) >= 120


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
    service: Service, place: Path | URL, statement: str
) -> None:
    with service, service.client() as client:
        add(client, 1)
    engine = database_at(place).engine
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(sql(statement))
    engine.dispose()
