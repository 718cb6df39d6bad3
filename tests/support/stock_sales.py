"""Concurrent sales by HTTP requests."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from support.clients import Client
from support.databases import settings_for
from support.service import Service

PRODUCTS = "/api/v1/products"
TASKS = "/api/v1/tasks"
SALE = {"quantity": -1, "reason": "sold"}


def service_on(place: Path | URL, folder: Path, **settings: str) -> Service:
    """Return a service on a database."""
    return Service(folder, **settings_for(place), **settings)


def add(client: Client, stock: int, **members: Any) -> str:
    """Create a product and return its path."""
    new = {"name": "Screws", "price": "0.05", "stock": stock, **members}
    answer = client.post(PRODUCTS, json=new)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def ledger(client: Client, path: str) -> list[dict[str, Any]]:
    """Return all movements; assert that they add up to the stock after each of them."""
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


def reorders(client: Client, about: str = "") -> list[str]:
    """Return the titles of all tasks, or of those that contain a text, at most 100."""
    asked = {"limit": 100, **({"q": about} if about else {})}
    return [task["title"] for task in client.get(TASKS, params=asked).json()["items"]]


def sell_at_once(service: Service, *paths: str) -> list[tuple[int, Any]]:
    """Sell one piece per path concurrently; return pairs of status and `available`."""
    barrier = threading.Barrier(len(paths))

    def buy(path: str) -> tuple[int, Any]:
        with service.client() as own:
            # Clients connect only when all are ready, because the server closes idle connections.
            barrier.wait()
            answer = own.post(f"{path}/movements", json=SALE)
            return answer.status_code, answer.json().get("available")

    with ThreadPoolExecutor(len(paths)) as clients:
        return list(clients.map(buy, paths))


def fall_three_times(service: Service, name: str) -> None:
    """Have fifty at once let the stock fall to its level, and again once there is more."""
    with service.client() as client:
        path = add(client, 60, name=name, reorder_level=40)
        for fall in range(1, 4):
            outcomes = sell_at_once(service, *[path] * 50)

            assert outcomes == [(201, None)] * 50
            assert reorders(client, name) == [f"Reorder {name}"] * fall
            delivery = {"quantity": 50, "reason": "received"}
            client.post(f"{path}/movements", json=delivery).raise_for_status()
            assert len(ledger(client, path)) == 1 + 51 * fall
        assert reorders(client, name) == [f"Reorder {name}"] * 3
