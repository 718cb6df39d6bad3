"""The API of movements and reorder tasks."""

from typing import Any
from uuid import UUID

import pytest

from support.api import (
    PRODUCTS,
    TASKS,
    UNKNOWN_ID,
    create_product,
    error_locations,
    list_movements,
    problem,
    product_path,
    record_movement,
    user_path,
)
from support.backends import Clock
from support.clients import Client
from support.people import ADMIN, MEMBER


def test_a_movement_is_answered_with_the_stock_after_it(client: Client, clock: Clock) -> None:
    product = create_product(client, stock=10)
    clock.advance(minutes=1)
    answer = record_movement(client.as_(MEMBER), product, -3, reason="used", note=" jig ")

    assert answer.status_code == 201, answer.text
    movement = answer.json()
    assert movement == {
        "id": movement["id"],
        "version": 1,
        "created_at": "2026-03-01T12:01:00Z",
        "updated_at": "2026-03-01T12:01:00Z",
        "product_id": product["id"],
        "quantity": -3,
        "reason": "used",
        "note": "jig",
        "stock_after": 7,
        "created_by": MEMBER.public,
    }
    assert answer.headers["location"] == f"{product_path(product)}/movements"
    assert answer.headers["etag"].startswith('"1-')
    assert client.get(answer.headers["location"]).json()["items"][-1] == movement
    seen = client.get(product_path(product)).json()
    assert seen == {
        **product, "stock": 7, "version": 2, "updated_at": "2026-03-01T12:01:00Z",
    }  # fmt: skip


def test_insufficient_stock_is_reported_with_the_available_quantity(client: Client) -> None:
    product = create_product(client, stock=2)
    told = problem(record_movement(client, product, -3), 409, "insufficient-stock")
    assert told["available"] == 2
    assert client.get(product_path(product)).json() == product
    assert record_movement(client, product, -2).json()["stock_after"] == 0
    assert (
        problem(record_movement(client, product, -1), 409, "insufficient-stock")["available"] == 0
    )


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"quantity": 0}, {"#/quantity"}),
        ({"quantity": 0.0}, {"#/quantity"}),
        ({"quantity": 1.5}, {"#/quantity"}),
        ({"quantity": "1"}, {"#/quantity"}),
        ({"quantity": True}, {"#/quantity"}),
        ({"quantity": None}, {"#/quantity"}),
        ({"quantity": 1_000_000_001}, {"#/quantity"}),
        ({"quantity": -1_000_000_001}, {"#/quantity"}),
        ({"quantity": 1_000_000_000}, {"#/quantity"}),  # beside the one that there is
        ({"reason": "counted"}, {"#/reason"}),
        ({"reason": "stolen"}, {"#/reason"}),
        ({"reason": "Sold"}, {"#/reason"}),
        ({"reason": None}, {"#/reason"}),
        ({"note": "x" * 201}, {"#/note"}),
        ({"note": 7}, {"#/note"}),
        ({"stock_after": 3, "by": "x"}, {"#/stock_after", "#/by"}),
    ],
)
def test_an_unacceptable_movement_is_refused(
    client: Client, members: dict[str, Any], where: set[str]
) -> None:
    product = create_product(client, stock=1)
    answer = client.post(
        f"{product_path(product)}/movements", json={"quantity": 1, "reason": "received", **members}
    )
    assert error_locations(answer) == where
    assert client.get(product_path(product)).json() == product


def test_any_reason_goes_with_either_sign(client: Client) -> None:
    product = create_product(client, stock=100)
    for reason in ("received", "sold", "used", "returned", "lost"):
        for quantity in (5, -5):
            assert record_movement(client, product, quantity, reason=reason).status_code == 201
    assert client.get(product_path(product)).json()["stock"] == 100


def test_ledger_lists_all_movements_of_the_stock_newest_last(client: Client) -> None:
    product = create_product(client, stock=10)
    record_movement(client, product, -4)
    record_movement(client, product, 2, reason="returned", note="wrong size")
    client.patch(product_path(product), json={"stock": 5})
    told = [
        (one["quantity"], one["reason"], one["stock_after"], one["note"])
        for one in list_movements(client, product)
    ]
    assert told == [
        (10, "received", 10, None),
        (-4, "sold", 6, None),
        (2, "returned", 8, "wrong size"),
        (-3, "counted", 5, None),
    ]
    assert all(one["created_by"] == ADMIN.public for one in list_movements(client, product))
    path = f"{product_path(product)}/movements"
    first = client.get(path, params={"limit": 3, "count": "true"})
    assert first.json()["total"] == 4
    rest = client.get(first.headers["link"].split(">")[0][1:]).json()
    assert first.json()["items"] + rest["items"] == list_movements(client, product)
    newest = client.get(path, params={"sort": "-created_at"}).json()["items"]
    assert newest == list_movements(client, product)[::-1]


def test_a_product_without_movements_has_an_empty_ledger_and_a_missing_one_none(
    client: Client,
) -> None:
    missing = f"{PRODUCTS}/{UNKNOWN_ID}/movements"
    assert list_movements(client, create_product(client)) == []
    problem(client.get(missing), 404, "not-found")
    problem(client.get(f"{missing}?sort=quantity"), 404, "not-found")
    new = {"quantity": 1, "reason": "received"}
    problem(client.post(missing, json=new), 404, "not-found")
    problem(client.post(missing, json={**new, "quantity": 0}), 404, "not-found")
    problem(client.post(missing, content=b"{", headers={"Content-Type": "application/json"}),
            404, "not-found")  # fmt: skip


def test_a_movement_is_neither_edited_nor_deleted(client: Client) -> None:
    product = create_product(client, stock=1)
    path = f"{product_path(product)}/movements"
    for method in ("PUT", "PATCH", "DELETE"):
        answer = client.request(method, path, json={})
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET, HEAD, POST"
    problem(client.delete(f"{path}/{list_movements(client, product)[0]['id']}"), 404, "not-found")


def test_a_fall_to_the_reorder_level_plans_one_task(client: Client) -> None:
    product = create_product(client, "Glue", stock=10, reorder_level=4)
    record_movement(client, product, -5)
    assert client.get(TASKS).json()["items"] == []
    record_movement(client.as_(MEMBER), product, -1)
    record_movement(client, product, -1)
    (task,) = client.get(TASKS).json()["items"]
    assert (task["title"], task["completed"], task["created_by"]) == ("Reorder Glue", False, None)
    assert task["product_id"] == product["id"]
    client.patch(product_path(product), json={"stock": 9})
    client.patch(product_path(product), json={"stock": 0})
    assert [one["completed"] for one in client.get(TASKS).json()["items"]] == [True, False]


def test_reopening_a_reorder_task_while_another_is_open_is_a_conflict(client: Client) -> None:
    product = create_product(client, "Glue", stock=3, reorder_level=4)
    (first,) = client.get(TASKS).json()["items"]
    path = f"{TASKS}/{first['id']}"
    record_movement(client, product, 5)
    assert client.get(path).json()["completed"] is True
    record_movement(client, product, -5)
    answer = client.post(f"{path}/reopen")
    assert problem(answer, 409, "conflict")["detail"].startswith("A reorder task for this product")
    assert "retry-after" not in answer.headers
    assert client.get(path).json()["completed"] is True


def test_product_of_a_task_cannot_be_set_by_a_client(client: Client) -> None:
    product = create_product(client, "Glue", stock=3, reorder_level=4)
    (task,) = client.get(TASKS).json()["items"]
    for answer in (
        client.post(TASKS, json={"title": "Mine", "product_id": product["id"]}),
        client.patch(f"{TASKS}/{task['id']}", json={"product_id": None}),
    ):
        (error,) = problem(answer, 422, "invalid")["errors"]
        assert error["pointer"] == "#/product_id"
    (left,) = client.get(TASKS).json()["items"]
    assert left == task


def test_user_who_entered_a_movement_is_in_use(client: Client) -> None:
    record_movement(client.as_(MEMBER), create_product(client), 1)
    problem(client.delete(user_path(MEMBER)), 409, "in-use")


@pytest.mark.parametrize(
    "path", [f"/api/v1/products/{UUID(int=7)}/movements", f"/api/v1/users/{UUID(int=7)}/posts"]
)
def test_a_list_of_what_there_is_not_is_not_found_whatever_its_parameters_are(
    client: Client, path: str
) -> None:
    for query in ("", "?cursor=zzz", "?nonsense=1", "?limit=0"):
        problem(client.get(path + query), 404, "not-found")
