"""What tutorials have beginners do, from the first request to the last, and after a restart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL

from domain.access import digest_of
from service_layer import devices as device_use_cases
from support.backends import database_at, sql_backend
from support.clients import Answer, Client
from support.databases import text
from support.people import MEMBER, PASSWORD
from support.service import Service

TASKS = "/api/v1/tasks"
USERS = "/api/v1/users"
POSTS = "/api/v1/posts"
CATEGORIES = "/api/v1/categories"
PRODUCTS = "/api/v1/products"
DEVICES = "/api/v1/devices"


@pytest.fixture
def service(place: Path | URL, tmp_path: Path) -> Service:
    address = f"sqlite:///{place}" if isinstance(place, Path) else text(place)
    return Service(tmp_path, DATABASE_URL=address)


def names(client: Client, path: str, **parameters: Any) -> list[str]:
    """Return the names on a list."""
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["items"]]


def refused(answer: Answer) -> tuple[int, str, str | None]:
    """Return the status of a refusal, its code, and what it points at first."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    first = problem.get("errors", [{}])[0]
    return answer.status_code, problem["code"], first.get("pointer") or first.get("parameter")


def restarted(service: Service) -> Service:
    """Stop a service the way somebody does, and start it again."""
    assert service.stop() == 0
    return service.start()


# Tasks, and the blog.


def test_the_tutorials_flow_works_from_the_first_task_to_the_last(service: Service) -> None:
    with service, service.client() as client:
        made = [
            client.post(TASKS, json={"title": f"Task {n}", "description": "d"}).json()
            for n in range(5)
        ]
        page = client.get(TASKS, params={"skip": 1, "limit": 2}).json()
        assert page["items"] == made[1:3]
        path = f"{TASKS}/{made[0]['id']}"
        assert client.get(path).json() == made[0]
        patched = client.patch(path, json={"title": "Renamed"}).json()
        assert (patched["title"], patched["description"]) == ("Renamed", "d")
        assert client.post(f"{path}/complete").json()["completed"] is True
        assert client.post(f"{path}/reopen").json()["completed"] is False
        assert client.get(f"{TASKS}/count").json()["total"] == 5
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 404
        assert client.post(TASKS, json={"title": "x" * 101}).status_code == 422


def test_the_blogs_flow_works_from_registration_to_the_public(service: Service) -> None:
    with service, service.client() as client:
        new = {"username": "eve", "email": "eve@example.org", "name": "Eve", "password": PASSWORD}
        user = client.post(USERS, json=new).json()
        stranger = client.as_(None)
        form = {"username": "eve@example.org", "password": PASSWORD}
        token = stranger.post("/api/v1/auth/token", data=form).json()["access_token"]
        own = client.as_(token)
        assert stranger.get(f"{USERS}/{user['id']}/posts").json()["items"] == []
        paths = [
            own.post(POSTS, json={"title": f"News {n}", "content": "*Hello*"}).headers["location"]
            for n in range(3)
        ]
        assert stranger.get(POSTS).json()["items"] == []
        for path in paths[:2]:
            assert own.post(f"{path}/publish").json()["published"] is True
        patched = own.patch(paths[0], json={"title": "Old news"}).json()
        assert (patched["content"], patched["slug"]) == ("*Hello*", "news-0")
        listed = stranger.get(f"{USERS}/{user['id']}/posts").json()["items"]
        assert [post["title"] for post in listed] == ["News 1", "Old news"]
        assert {post["author"]["username"] for post in listed} == {"eve"}
        own.patch(f"{USERS}/{user['id']}", json={"name": "Ève"})
        assert client.delete(f"{USERS}/{user['id']}").json()["code"] == "in-use"
        before = stranger.get(POSTS).json()
        restarted(service)
        with service.client() as again:
            assert again.as_(None).get(POSTS).json() == before
            assert before["items"][0]["author"]["name"] == "Ève"
            assert again.delete(paths[1]).status_code == 204
            assert again.as_(None).get(paths[1]).status_code == 404


# The shop: products in categories, chosen by category, price and stock.

WOOD: list[dict[str, Any]] = [
    {"name": "Oak board", "sku": "OAK-20", "price": "27.00", "stock": 16, "reorder_level": 4},
    {"name": "Dübel 6 mm", "price": "0.10", "stock": 500},
    {"name": "Walnut veneer", "price": 9.8, "stock": 0, "description": "Book-matched, 50 %."},
]
TOOLS: list[dict[str, Any]] = [
    {"name": "Chisel", "sku": "CH-12", "price": "19.99", "stock": 3},
    {"name": "Table saw", "price": "9999999999.99"},
]


def stock_the_shop(client: Client) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Return the categories' ids by name, and the products as they were answered."""
    categories = {
        name: client.post(CATEGORIES, json={"name": name}).json()["id"]
        for name in ("Wood", "Tools")
    }
    products = {}
    for category, offered in (("Wood", WOOD), ("Tools", TOOLS)):
        for new in offered:
            made = client.post(PRODUCTS, json={**new, "category_id": categories[category]})
            assert made.status_code == 201, made.text
            assert made.headers["location"] == f"{PRODUCTS}/{made.json()['id']}"
            products[new["name"]] = made.json()
    return categories, products


def test_a_shop_offers_finds_and_sells_and_has_it_all_after_a_restart(service: Service) -> None:
    with service, service.client() as client:
        categories, products = stock_the_shop(client)
        wood = categories["Wood"]
        assert names(client, PRODUCTS) == [new["name"] for new in WOOD + TOOLS]
        oak = f"{PRODUCTS}/{products['Oak board']['id']}"
        assert client.get(oak).json() == products["Oak board"]
        assert products["Oak board"]["category"] == {"id": wood, "name": "Wood"}
        assert [products[name]["price"] for name in ("Walnut veneer", "Table saw")] == [
            "9.80", "9999999999.99",
        ]  # fmt: skip

        for reason, quantity in (("sold", -5), ("used", -7), ("returned", 1)):
            movement = {"reason": reason, "quantity": quantity}
            assert client.post(f"{oak}/movements", json=movement).status_code == 201
        changed = client.patch(oak, json={"price": "25.5", "description": "Kiln-dried."}).json()
        assert (changed["price"], changed["stock"], changed["name"]) == ("25.50", 5, "Oak board")
        counted = client.patch(oak, json={"stock": 4}).json()
        assert (counted["stock"], counted["low_stock"]) == (4, True)
        saw = f"{PRODUCTS}/{products['Table saw']['id']}"
        assert client.delete(saw).status_code == 204
        assert client.get(saw).status_code == 404
        assert client.delete(oak).json()["code"] == "in-use"

        pages = (PRODUCTS, CATEGORIES, f"{oak}/movements", TASKS)
        before = [client.get(page).json() for page in pages]
        restarted(service)
        with service.client() as again:
            assert [again.get(page).json() for page in pages] == before
            told = again.get(oak).json()
            assert (told["id"], told["price"], told["stock"]) == (changed["id"], "25.50", 4)
            ledger = again.get(f"{oak}/movements").json()["items"]
            assert [(one["reason"], one["quantity"], one["stock_after"]) for one in ledger] == [
                ("received", 16, 16), ("sold", -5, 11), ("used", -7, 4), ("returned", 1, 5),
                ("counted", -1, 4),
            ]  # fmt: skip
            # It was at its reorder level twice.
            assert [task["title"] for task in again.get(TASKS).json()["items"]] == [
                "Reorder Oak board"
            ] * 2
            sale = {"reason": "sold", "quantity": -5}
            assert refused(again.post(f"{oak}/movements", json=sale))[:2] == (
                409, "insufficient-stock",
            )  # fmt: skip
            assert again.get(oak).json() == told


def test_a_shops_products_are_chosen_by_category_price_stock_and_words(service: Service) -> None:
    with service, service.client() as client:
        categories, products = stock_the_shop(client)

        def found(**parameters: Any) -> list[str]:
            return names(client, PRODUCTS, **parameters)

        def look() -> list[list[str]]:
            return [
                found(category_id=categories["Tools"]),
                found(min_price="9.80", max_price="20"),
                found(max_price=0.1),
                found(in_stock="true", category_id=categories["Wood"]),
                found(in_stock="false"),
                found(low_stock="true", max_price="30"),
                found(q="DUBEL"),
                found(q="50 %"),
                found(q="ch-1"),
                found(sort="-price", limit=2),
                found(skip=1, limit=2, sort="name"),
                names(client, CATEGORIES, sort="name"),
            ]

        seen = look()

        assert seen == [
            ["Chisel", "Table saw"],
            ["Walnut veneer", "Chisel"],
            ["Dübel 6 mm"],
            ["Oak board", "Dübel 6 mm"],
            ["Walnut veneer", "Table saw"],
            ["Walnut veneer"],
            ["Dübel 6 mm"],
            ["Walnut veneer"],
            ["Chisel"],
            ["Table saw", "Oak board"],
            ["Dübel 6 mm", "Oak board"],
            ["Tools", "Wood"],
        ]
        page = client.get(PRODUCTS, params={"limit": 3, "count": "true"}).json()
        assert (len(page["items"]), page["total"], page["total_exact"]) == (3, 5, True)
        assert names(client, PRODUCTS, limit=3, cursor=page["next"]) == ["Chisel", "Table saw"]
        chisel = f"{PRODUCTS}/{products['Chisel']['id']}"
        assert client.post(f"{chisel}/archive").json()["archived"] is True
        assert "Chisel" not in found()
        assert found(archived="true") == ["Chisel"]
        assert client.post(f"{chisel}/restore").json()["archived"] is False
        restarted(service)
        with service.client() as client:
            assert look() == seen


def test_a_shop_says_what_is_wrong_and_keeps_nothing_of_it(service: Service) -> None:
    with service, service.client() as client:
        categories, products = stock_the_shop(client)
        oak = f"{PRODUCTS}/{products['Oak board']['id']}"
        before = client.get(PRODUCTS).json(), client.get(CATEGORIES).json()
        good = {"name": "Plane", "price": "1"}
        for wrong, pointer in (
            ({"name": ""}, "#/name"),
            ({"name": "x" * 101}, "#/name"),
            ({"price": "-1"}, "#/price"),
            ({"price": "1.005"}, "#/price"),
            ({"price": None}, "#/price"),
            ({"stock": -1}, "#/stock"),
            ({"stock": "3"}, "#/stock"),
            ({"category_id": products["Chisel"]["id"]}, "#/category_id"),
            ({"colour": "red"}, "#/colour"),
        ):
            assert refused(client.post(PRODUCTS, json={**good, **wrong})) == (
                422, "invalid", pointer,
            )  # fmt: skip
            assert refused(client.patch(oak, json=wrong)) == (422, "invalid", pointer)
        taken = {**good, "sku": "oak-20"}
        assert refused(client.post(PRODUCTS, json=taken))[:2] == (409, "already-taken")
        assert refused(client.post(CATEGORIES, json={"name": "WOOD"}))[:2] == (409, "already-taken")
        wood = f"{CATEGORIES}/{categories['Wood']}"
        assert refused(client.delete(wood))[:2] == (409, "in-use")
        assert refused(client.get(PRODUCTS, params={"min_price": "cheap"})) == (
            422, "invalid", "min_price",
        )  # fmt: skip
        assert client.get(f"{PRODUCTS}/{categories['Wood']}").status_code == 404
        assert client.as_(None).post(PRODUCTS, json=good).status_code == 401
        assert (client.get(PRODUCTS).json(), client.get(CATEGORIES).json()) == before


# The registry: devices that tell that they live.


def test_a_registry_of_devices_knows_them_all_after_a_restart(
    service: Service, place: Path | URL
) -> None:
    new: list[dict[str, Any]] = [
        {"name": "Printer", "kind": "3D printer", "serial": "P-1", "heartbeat_every": 3600},
        {"name": "Lathe", "kind": "lathe", "location": "Hall", "heartbeat_every": 3600},
        {"name": "Laser", "kind": "laser cutter", "serial": "L-1", "heartbeat_every": 3600},
        {"name": "Säge", "kind": "saw", "status": "maintenance"},
    ]
    with service, service.client() as client:
        devices = [client.post(DEVICES, json=one).json() for one in new]
        paths = [f"{DEVICES}/{device['id']}" for device in devices]
        assert names(client, DEVICES) == ["Printer", "Lathe", "Laser", "Säge"]
        assert [client.get(path).json() for path in paths] == devices
        assert {(device["presence"], device["last_seen_at"]) for device in devices} == {
            ("never", None)
        }
        keys = [client.post(f"{path}/key").json()["key"] for path in paths[:3]]
        told = {"agent_version": "1.2", "metrics": {"celsius": 21.5, "job": None}}
        beat = client.as_(keys[0]).post(f"{paths[0]}/heartbeat", json=told)
        assert (beat.status_code, beat.content) == (204, b"")
        assert service.stop() == 0

        # Two were heard of some time ago, while another process served.
        ago = {1: timedelta(hours=2), 2: timedelta(hours=4)}
        with sql_backend(database_at(place)) as backend:
            for number, passed in ago.items():
                backend.default_runner.perform(
                    device_use_cases.record_heartbeat,
                    UUID(devices[number]["id"]),
                    digest_of(keys[number]),
                    {},
                    now=datetime.now(UTC) - passed,
                )

        service.start()
        with service.client() as client:
            for presence, name in zip(
                ("online", "late", "offline", "never"), names(client, DEVICES), strict=True
            ):
                assert names(client, DEVICES, presence=presence) == [name]
            printer = client.get(paths[0]).json()
            assert (printer["agent_version"], printer["metrics"]) == ("1.2", told["metrics"])
            assert printer["version"] == 2  # the key was a change of it, the heartbeat none
            before = [client.get(path).json() for path in paths]
            restarted(service)
        with service.client() as client:
            assert [client.get(path).json() for path in paths] == before
            again = client.as_(keys[1]).post(f"{paths[1]}/heartbeat")
            assert again.status_code == 204
            assert names(client, DEVICES, presence="online") == ["Printer", "Lathe"]
            assert names(client, DEVICES, sort="-last_seen_at", limit=2) == ["Lathe", "Printer"]


def test_a_device_is_registered_changed_retired_and_struck_off(service: Service) -> None:
    with service, service.client() as client:
        new = {"name": "Printer", "kind": "3D printer", "serial": "P-1"}
        made = client.post(DEVICES, json=new)
        assert (made.status_code, made.json()["heartbeat_every"]) == (201, 60)
        path = made.headers["location"]
        other = client.post(DEVICES, json={"name": "Lathe"}).headers["location"]
        assert refused(client.post(DEVICES, json={"name": "Copy", "serial": "p-1"})) == (
            409, "already-taken", "#/serial",
        )  # fmt: skip
        for wrong, pointer in (
            ({"name": ""}, "#/name"),
            ({"status": "broken"}, "#/status"),
            ({"heartbeat_every": 9}, "#/heartbeat_every"),
            ({"presence": "online"}, "#/presence"),
        ):
            assert refused(client.post(DEVICES, json={**new, "serial": "x", **wrong})) == (
                422, "invalid", pointer,
            )  # fmt: skip
            assert refused(client.patch(path, json=wrong)) == (422, "invalid", pointer)
        changes = {"location": "Print room", "kind": None, "heartbeat_every": 86_400}
        changed = client.patch(path, json=changes).json()
        assert {**made.json(), **changes} == {
            **changed, "version": 1, "updated_at": made.json()["updated_at"],
        }  # fmt: skip

        key = client.post(f"{path}/key").json()["key"]
        device = client.as_(key)
        assert device.post(f"{path}/heartbeat", json={}).status_code == 204
        assert client.get(path).json()["presence"] == "online"
        assert device.post(f"{other}/heartbeat", json={}).status_code == 401
        assert device.get(path).status_code in (401, 403)
        assert client.as_(MEMBER).post(f"{path}/heartbeat", json={}).status_code == 401

        assert client.patch(path, json={"status": "maintenance"}).status_code == 200
        assert device.post(f"{path}/heartbeat", json={}).status_code == 204
        retired = client.patch(path, json={"status": "retired"}).json()
        assert refused(device.post(f"{path}/heartbeat", json={}))[0] == 410
        assert client.get(path).json()["last_seen_at"] == retired["last_seen_at"]
        restarted(service)
        with service.client() as client:
            assert client.as_(key).post(f"{path}/heartbeat", json={}).status_code == 410
            assert names(client, DEVICES, status="retired") == ["Printer"]
            assert names(client, DEVICES, status="active") == ["Lathe"]
            assert names(client, DEVICES, q="PRINT ROOM") == ["Printer"]
            assert names(client, DEVICES, kind="3D printer") == []
            assert client.delete(path).status_code == 204
            assert client.get(path).status_code == 404
            assert client.as_(key).post(f"{path}/heartbeat", json={}).status_code == 401
            assert names(client, DEVICES) == ["Lathe"]
            reused = client.post(DEVICES, json={"name": "Printer", "serial": "P-1"})
            assert reused.status_code == 201
