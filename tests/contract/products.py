"""What a REST client is promised of categories, products and their movements."""

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from contract.http import TASKS, places, problem
from contract.users import path_of
from support.backends import Clock
from support.clients import Answer, Client
from support.people import ADMIN, MEMBER

PRODUCTS = "/api/v1/products"
CATEGORIES = "/api/v1/categories"
MISSING = "01900000-0000-7000-8000-00000000ffff"


def add(client: Client, name: str = "Sandpaper", **members: Any) -> dict[str, Any]:
    answer = client.post(PRODUCTS, json={"name": name, "price": "12.50", **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def add_category(client: Client, name: str = "Tools") -> dict[str, Any]:
    answer = client.post(CATEGORIES, json={"name": name})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def at(product: dict[str, Any]) -> str:
    return f"{PRODUCTS}/{product['id']}"


def move(client: Client, product: dict[str, Any], quantity: int, **members: Any) -> Answer:
    new = {"quantity": quantity, "reason": "received" if quantity > 0 else "sold", **members}
    return client.post(f"{at(product)}/movements", json=new)


def ledger(client: Client, product: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.get(f"{at(product)}/movements", params={"limit": 100})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


# Categories


def test_a_new_category_is_answered_with_all_there_is_to_know(client: Client) -> None:
    answer = client.post(CATEGORIES, json={"name": "  Abrasives\n"})
    category = answer.json()
    assert answer.status_code == 201
    assert category == {
        "id": category["id"],
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "name": "Abrasives",
    }
    assert answer.headers["location"] == f"{CATEGORIES}/{category['id']}"
    read = client.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (category, answer.headers["etag"])


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, {"#/name"}),
        ({"name": ""}, {"#/name"}),
        ({"name": " \t"}, {"#/name"}),
        ({"name": "x" * 51}, {"#/name"}),
        ({"name": None}, {"#/name"}),
        ({"name": 7}, {"#/name"}),
        ({"name": "x", "id": MISSING, "products": []}, {"#/id", "#/products"}),
    ],
)
def test_an_unacceptable_category_is_refused(
    client: Client, body: dict[str, Any], where: set[str]
) -> None:
    assert places(client.post(CATEGORIES, json=body)) == where
    if body:
        path = f"{CATEGORIES}/{add_category(client)['id']}"
        assert places(client.patch(path, json=body)) == where


def test_a_category_is_renamed_and_its_products_show_it(client: Client, clock: Clock) -> None:
    category = add_category(client)
    product = add(client, category_id=category["id"])
    assert product["category"] == {"id": category["id"], "name": "Tools"}
    path, tag = f"{CATEGORIES}/{category['id']}", client.get(at(product)).headers["etag"]
    clock.advance(minutes=1)
    assert client.patch(path, json={"name": " Tools "}).json() == category
    assert client.patch(path, json={}).json() == category

    renamed = client.patch(path, json={"name": "Hand tools"}).json()
    assert (renamed["version"], renamed["name"]) == (2, "Hand tools")
    seen = client.get(at(product), headers={"If-None-Match": tag})
    assert seen.status_code == 200
    assert seen.json() == {**product, "category": {"id": category["id"], "name": "Hand tools"}}


def test_a_category_with_products_is_in_use(client: Client) -> None:
    category = add_category(client)
    path = f"{CATEGORIES}/{category['id']}"
    product = add(client, category_id=category["id"])
    problem(client.delete(path), 409, "in-use")
    assert client.patch(at(product), json={"category_id": None}).json()["category"] is None
    assert client.delete(path).status_code == 204
    problem(client.get(path), 404, "not-found")


def test_categories_are_searched_sorted_and_paged(client: Client) -> None:
    for name in ("zinc", "Äpfel", "Brass"):
        add_category(client, name)

    def names(**asked: Any) -> list[str]:
        return [one["name"] for one in client.get(CATEGORIES, params=asked).json()["items"]]

    assert names() == ["zinc", "Äpfel", "Brass"]
    assert names(sort="name") == ["Äpfel", "Brass", "zinc"]
    assert names(sort="-name", limit=1) == ["zinc"]
    assert names(q="APF") == ["Äpfel"]
    assert places(client.get(CATEGORIES, params={"sort": "price"})) == {"sort"}


# Products


def test_a_new_product_is_answered_with_all_there_is_to_know(client: Client) -> None:
    answer = client.post(PRODUCTS, json={"name": " Lathe oil ", "price": 12.5})
    product = answer.json()
    assert answer.status_code == 201
    assert UUID(product["id"]).version == 7
    assert product == {
        "id": product["id"],
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "name": "Lathe oil",
        "sku": None,
        "description": None,
        "price": "12.50",
        "stock": 0,
        "reorder_level": 0,
        "category_id": None,
        "category": None,
        "low_stock": True,
        "archived": False,
    }
    assert answer.headers["location"] == at(product)
    read = client.get(at(product))
    assert (read.json(), read.headers["etag"]) == (product, answer.headers["etag"])
    assert ledger(client, product) == []


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ('"12.50"', "12.50"), ('"12.5"', "12.50"), ('"12"', "12.00"), ('"0"', "0.00"),
        ('"0.00"', "0.00"), ('"9999999999.99"', "9999999999.99"), ("0", "0.00"), ("-0.0", "0.00"),
        ("12.50", "12.50"), ("0.1", "0.10"), ("12.5000", "12.50"), ("1e2", "100.00"),
        ("1.25E1", "12.50"), ("9999999999.99", "9999999999.99"), ("0e-999999", "0.00"),
    ],
)  # fmt: skip
def test_a_price_is_a_text_or_a_number_and_answered_as_a_text(
    client: Client, written: str, price: str
) -> None:
    body = f'{{"name": "x", "price": {written}}}'
    answer = client.post(PRODUCTS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    assert json.dumps(answer.json()["price"]) == f'"{price}"'
    assert client.get(answer.headers["location"]).json()["price"] == price


@pytest.mark.request_only
@pytest.mark.parametrize(
    "written",
    [
        "-0.01", '"-1"', "10000000000", '"10000000000.00"', "12.505", '"12.505"', '"12.500"',
        '""', '" 1"', '"1 "', '"+1"', '"1e2"', '".5"', '"5."', '"1,50"', '"1_0"', '"٣"', '"NaN"',
        '"Infinity"', "1e400", "1e999999999", "1e-400", "null", "true", "[]", "{}", '"0x1"',
        '"12.50 EUR"',
    ],
)  # fmt: skip
def test_an_unacceptable_price_is_refused(client: Client, written: str) -> None:
    body = f'{{"name": "x", "price": {written}}}'
    json_ = {"Content-Type": "application/json"}
    assert places(client.post(PRODUCTS, content=body, headers=json_)) == {"#/price"}
    assert places(client.patch(at(add(client)), content=body, headers=json_)) == {"#/price"}


@pytest.mark.request_only
@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "1e", "01", "1.", "+1"])
def test_a_price_that_is_no_json_is_malformed(client: Client, written: str) -> None:
    body = f'{{"name": "x", "price": {written}}}'
    answer = client.post(PRODUCTS, content=body, headers={"Content-Type": "application/json"})
    problem(answer, 400, "malformed-json")


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"name": ""}, {"#/name"}),
        ({"name": "x" * 101}, {"#/name"}),
        ({"name": None}, {"#/name"}),
        ({"sku": ""}, {"#/sku"}),
        ({"sku": "  "}, {"#/sku"}),
        ({"sku": "x" * 41}, {"#/sku"}),
        ({"description": "x" * 501}, {"#/description"}),
        ({"stock": -1}, {"#/stock"}),
        ({"stock": 1_000_000_001}, {"#/stock"}),
        ({"stock": 1.5}, {"#/stock"}),
        ({"stock": "1"}, {"#/stock"}),
        ({"stock": True}, {"#/stock"}),
        ({"stock": None}, {"#/stock"}),
        ({"reorder_level": -1}, {"#/reorder_level"}),
        ({"reorder_level": None}, {"#/reorder_level"}),
        ({"category_id": "x"}, {"#/category_id"}),
        ({"category_id": MISSING}, {"#/category_id"}),
        ({"archived": True}, {"#/archived"}),
        ({"low_stock": True, "version": 2}, {"#/low_stock", "#/version"}),
    ],
)
def test_an_unacceptable_product_is_refused(
    client: Client, members: dict[str, Any], where: set[str]
) -> None:
    assert places(client.post(PRODUCTS, json={"name": "x", "price": "1", **members})) == where
    product = add(client)
    assert places(client.patch(at(product), json=members)) == where
    assert client.get(at(product)).json() == product


def test_what_is_required_of_a_product_is_a_name_and_a_price(client: Client) -> None:
    assert places(client.post(PRODUCTS, json={})) == {"#/name", "#/price"}
    assert places(client.patch(at(add(client)), json={"price": None})) == {"#/price"}


def test_a_patch_of_a_product_sets_what_it_names_and_keeps_the_rest(
    client: Client, clock: Clock
) -> None:
    category = add_category(client)
    product = add(client, sku="A-1", description="d", category_id=category["id"], stock=4)
    clock.advance(minutes=5)
    for nothing in ({}, {"price": 12.5, "stock": 4}, {"sku": " A-1 ", "name": "Sandpaper"}):
        assert client.patch(at(product), json=nothing).json() == product

    patch = {"price": "13", "sku": None, "description": None, "category_id": None}
    answer = client.patch(at(product), json=patch)
    assert answer.json() == {
        **product,
        **patch,
        "price": "13.00",
        "category": None,
        "version": 2,
        "updated_at": "2026-03-01T12:05:00Z",
    }


def test_what_is_taken_is_told_with_its_place(client: Client) -> None:
    add(client, sku="Ab-1")
    other = add(client)
    for answer in (
        client.post(PRODUCTS, json={"name": "x", "price": 1, "sku": " aB-1"}),
        client.patch(at(other), json={"sku": "AB-1"}),
    ):
        assert problem(answer, 409, "already-taken")["errors"][0]["pointer"] == "#/sku"
    add_category(client, "Tools")
    category = add_category(client, "Glue")
    for answer in (
        client.post(CATEGORIES, json={"name": "TOOLS"}),
        client.patch(f"{CATEGORIES}/{category['id']}", json={"name": "tools"}),
    ):
        assert problem(answer, 409, "already-taken")["errors"][0]["pointer"] == "#/name"


def test_archiving_twice_is_archiving_once(client: Client, clock: Clock) -> None:
    product = add(client)
    clock.advance(minutes=1)
    first = client.post(f"{at(product)}/archive")
    clock.advance(minutes=1)
    again = client.post(f"{at(product)}/archive")
    assert first.json() == again.json()
    assert (first.json()["archived"], first.json()["version"]) == (True, 2)
    assert first.headers["etag"] == again.headers["etag"]
    restored = client.post(f"{at(product)}/restore")
    assert (restored.json()["archived"], restored.json()["version"]) == (False, 3)
    assert client.post(f"{at(product)}/restore").json() == restored.json()


def test_a_stale_tag_is_refused_and_writes_nothing(client: Client) -> None:
    product = add(client)
    category = f"{CATEGORIES}/{add_category(client)['id']}"
    stale = {"If-Match": '"7-0123456789abcdef"'}
    for answer in (
        client.patch(at(product), json={"name": "No", "stock": 5}, headers=stale),
        client.patch(at(product), json={"name": ""}, headers=stale),
        client.post(f"{at(product)}/archive", headers=stale),
        client.post(f"{at(product)}/restore", headers=stale),
        client.delete(at(product), headers=stale),
        client.patch(category, json={"name": "No"}, headers=stale),
        client.delete(category, headers=stale),
    ):
        problem(answer, 412, "precondition-failed")
    assert client.get(at(product)).json() == product
    # A movement is a change of the product, so a tag from before it is stale.
    tag = client.get(at(product)).headers["etag"]
    move(client, product, 1)
    answer = client.patch(at(product), json={"stock": 5}, headers={"If-Match": tag})
    problem(answer, 412, "precondition-failed")


def test_a_setting_makes_the_tag_mandatory_for_changes_and_not_for_movements(
    strict_client: Client,
) -> None:
    product = add(strict_client)
    for answer in (
        strict_client.patch(at(product), json={"name": "x"}),
        strict_client.post(f"{at(product)}/archive"),
        strict_client.delete(at(product)),
    ):
        problem(answer, 428, "precondition-required")
    assert move(strict_client, product, 1).status_code == 201


def test_a_product_that_never_moved_is_deleted_and_another_is_in_use(client: Client) -> None:
    never, moved = add(client), add(client, stock=1)
    assert client.delete(at(never)).status_code == 204
    problem(client.get(at(never)), 404, "not-found")
    problem(client.delete(at(moved)), 409, "in-use")
    assert client.get(at(moved)).status_code == 200


# Movements


def test_a_movement_is_answered_with_the_stock_after_it(client: Client, clock: Clock) -> None:
    product = add(client, stock=10)
    clock.advance(minutes=1)
    answer = move(client.as_(MEMBER), product, -3, reason="used", note=" jig ")

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
    assert answer.headers["location"] == f"{at(product)}/movements"
    assert answer.headers["etag"].startswith('"1-')
    assert client.get(answer.headers["location"]).json()["items"][-1] == movement
    seen = client.get(at(product)).json()
    assert seen == {
        **product, "stock": 7, "version": 2, "updated_at": "2026-03-01T12:01:00Z",
    }  # fmt: skip


def test_too_little_is_told_with_what_is_available(client: Client) -> None:
    product = add(client, stock=2)
    told = problem(move(client, product, -3), 409, "insufficient-stock")
    assert told["available"] == 2
    assert client.get(at(product)).json() == product
    assert move(client, product, -2).json()["stock_after"] == 0
    assert problem(move(client, product, -1), 409, "insufficient-stock")["available"] == 0


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
    product = add(client, stock=1)
    answer = client.post(
        f"{at(product)}/movements", json={"quantity": 1, "reason": "received", **members}
    )
    assert places(answer) == where
    assert client.get(at(product)).json() == product


def test_any_reason_goes_with_either_sign(client: Client) -> None:
    product = add(client, stock=100)
    for reason in ("received", "sold", "used", "returned", "lost"):
        for quantity in (5, -5):
            assert move(client, product, quantity, reason=reason).status_code == 201
    assert client.get(at(product)).json()["stock"] == 100


def test_a_ledger_tells_how_the_stock_came_about_the_newest_last(client: Client) -> None:
    product = add(client, stock=10)
    move(client, product, -4)
    move(client, product, 2, reason="returned", note="wrong size")
    client.patch(at(product), json={"stock": 5})
    told = [
        (one["quantity"], one["reason"], one["stock_after"], one["note"])
        for one in ledger(client, product)
    ]
    assert told == [
        (10, "received", 10, None),
        (-4, "sold", 6, None),
        (2, "returned", 8, "wrong size"),
        (-3, "counted", 5, None),
    ]
    assert all(one["created_by"] == ADMIN.public for one in ledger(client, product))
    path = f"{at(product)}/movements"
    first = client.get(path, params={"limit": 3, "count": "true"})
    assert first.json()["total"] == 4
    rest = client.get(first.headers["link"].split(">")[0][1:]).json()
    assert first.json()["items"] + rest["items"] == ledger(client, product)
    newest = client.get(path, params={"sort": "-created_at"}).json()["items"]
    assert newest == ledger(client, product)[::-1]


def test_a_product_without_movements_has_an_empty_ledger_and_a_missing_one_none(
    client: Client,
) -> None:
    missing = f"{PRODUCTS}/{MISSING}/movements"
    assert ledger(client, add(client)) == []
    problem(client.get(missing), 404, "not-found")
    problem(client.get(f"{missing}?sort=quantity"), 404, "not-found")
    new = {"quantity": 1, "reason": "received"}
    problem(client.post(missing, json=new), 404, "not-found")
    problem(client.post(missing, json={**new, "quantity": 0}), 404, "not-found")
    problem(client.post(missing, content=b"{", headers={"Content-Type": "application/json"}),
            404, "not-found")  # fmt: skip


def test_a_movement_is_neither_edited_nor_deleted(client: Client) -> None:
    product = add(client, stock=1)
    path = f"{at(product)}/movements"
    for method in ("PUT", "PATCH", "DELETE"):
        answer = client.request(method, path, json={})
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET, HEAD, POST"
    problem(client.delete(f"{path}/{ledger(client, product)[0]['id']}"), 404, "not-found")


def test_a_fall_to_the_reorder_level_plans_one_task(client: Client) -> None:
    product = add(client, "Glue", stock=10, reorder_level=4)
    move(client, product, -5)
    assert client.get(TASKS).json()["items"] == []
    move(client.as_(MEMBER), product, -1)
    move(client, product, -1)
    (task,) = client.get(TASKS).json()["items"]
    assert (task["title"], task["completed"], task["created_by"]) == ("Reorder Glue", False, None)
    assert task["product_id"] == product["id"]
    client.patch(at(product), json={"stock": 9})
    client.patch(at(product), json={"stock": 0})
    assert [one["completed"] for one in client.get(TASKS).json()["items"]] == [True, False]


def test_reopening_a_reorder_task_while_another_is_open_is_a_conflict(client: Client) -> None:
    product = add(client, "Glue", stock=3, reorder_level=4)
    (first,) = client.get(TASKS).json()["items"]
    path = f"{TASKS}/{first['id']}"
    move(client, product, 5)
    assert client.get(path).json()["completed"] is True
    move(client, product, -5)
    answer = client.post(f"{path}/reopen")
    assert problem(answer, 409, "conflict")["detail"].startswith("A reorder task for this product")
    assert "retry-after" not in answer.headers
    assert client.get(path).json()["completed"] is True


def test_the_product_of_a_task_is_set_by_nobody_else(client: Client) -> None:
    product = add(client, "Glue", stock=3, reorder_level=4)
    (task,) = client.get(TASKS).json()["items"]
    for answer in (
        client.post(TASKS, json={"title": "Mine", "product_id": product["id"]}),
        client.patch(f"{TASKS}/{task['id']}", json={"product_id": None}),
    ):
        (error,) = problem(answer, 422, "invalid")["errors"]
        assert error["pointer"] == "#/product_id"
    (left,) = client.get(TASKS).json()["items"]
    assert left == task


def test_whoever_entered_a_movement_cannot_be_deleted(client: Client) -> None:
    move(client.as_(MEMBER), add(client), 1)
    problem(client.delete(path_of(MEMBER)), 409, "in-use")


# Lists of products


def test_filters_choose_products(client: Client) -> None:
    category = add_category(client)
    add(client, "Äther", price="0.99", stock=3, reorder_level=3)
    add(client, "Beize", price="10", sku="BZ_1", category_id=category["id"])
    add(client, "Chisel", price="100.00", description="for 50% less", stock=9)
    gone = add(client, "Dowel", price="5")
    client.post(f"{at(gone)}/archive")

    def names(**asked: Any) -> list[str]:
        return [one["name"] for one in client.get(PRODUCTS, params=asked).json()["items"]]

    assert names() == names(archived="false") == ["Äther", "Beize", "Chisel"]
    assert names(archived="true") == ["Dowel"]
    assert names(category_id=category["id"]) == ["Beize"]
    assert names(category_id=MISSING) == []
    assert names(min_price="10") == names(min_price="1.00") == ["Beize", "Chisel"]
    assert names(max_price="10.00") == ["Äther", "Beize"]
    assert names(min_price="0.99", max_price="0.99") == ["Äther"]
    assert names(min_price="50", max_price="1") == []
    assert names(in_stock="true") == ["Äther", "Chisel"]
    assert names(in_stock="false") == ["Beize"]
    assert names(low_stock="true") == ["Äther", "Beize"]
    assert names(low_stock="false") == ["Chisel"]
    assert (names(q="ATHER"), names(q="bz_"), names(q="50%")) == (["Äther"], ["Beize"], ["Chisel"])
    assert names(q="dowel", archived="true", count="true") == ["Dowel"]
    assert names(sort="-price") == ["Chisel", "Beize", "Äther"]
    assert names(sort="stock") == ["Beize", "Äther", "Chisel"]
    assert names(sort="-name") == ["Chisel", "Beize", "Äther"]


@pytest.mark.parametrize("sort", ["created_at", "-name", "price", "-price", "stock", "-stock"])
def test_a_walk_sees_each_product_once(client: Client, sort: str) -> None:
    for number in range(7):
        add(client, f"p{number % 3}", price=f"{number % 3}.10", stock=number % 2)
    answer = client.get(PRODUCTS, params={"sort": sort, "limit": 2})
    seen = answer.json()["items"]
    while "link" in answer.headers:
        answer = client.get(answer.headers["link"].split(">")[0][1:])
        seen += answer.json()["items"]
    assert seen == client.get(PRODUCTS, params={"sort": sort, "limit": 100}).json()["items"]
    assert len({one["id"] for one in seen}) == 7


@pytest.mark.request_only
@pytest.mark.parametrize(
    "query",
    [
        "min_price=-1", "min_price=1e2", "min_price=NaN", "min_price=1.005", "min_price=",
        "max_price=10000000000", "max_price=%2B1", "max_price=1,5", "archived=1", "archived=",
        "archived=null", "in_stock=yes", "low_stock=0", "category_id=x", "sku=x", "stock=1",
        "sort=sku", "sort=low_stock", "q=",
    ],
)  # fmt: skip
def test_an_unusable_parameter_of_products_is_refused(client: Client, query: str) -> None:
    assert places(client.get(f"{PRODUCTS}?{query}")) == {query.partition("=")[0]}


def test_a_cursor_for_prices_that_no_page_handed_out_is_malformed(client: Client) -> None:
    values: list[Any] = ["x", "1e9", "NaN", "-1", "1.005", 1, 1.5, None, True, "9" * 40, []]
    for value in (*values, "\u0661"):
        document = json.dumps(["price", value, UUID(int=1).hex]).encode()
        cursor = base64.urlsafe_b64encode(document).rstrip(b"=").decode()
        answer = client.get(PRODUCTS, params={"sort": "price", "cursor": cursor})
        problem(answer, 400, "malformed-cursor")


def test_the_document_tells_how_prices_are_written_and_what_they_are_in(client: Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    shown = schemas["ProductView"]["properties"]["price"]
    assert (shown["type"], shown["description"]) == ("string", "In EUR.")
    for name in ("NewProduct", "ProductPatch"):
        price = schemas[name]["properties"]["price"]
        assert {option["type"] for option in price["anyOf"]} == {"string", "number"}
        assert price["description"] == "In EUR."
    assert "counted" not in schemas["NewMovement"]["properties"]["reason"]["enum"]


# What is imported where the tests are run; it stands last, so that none is left out.


@pytest.mark.parametrize(
    "path", [f"/api/v1/products/{UUID(int=7)}/movements", f"/api/v1/users/{UUID(int=7)}/posts"]
)
def test_a_list_of_what_there_is_not_is_not_found_whatever_its_parameters_are(
    client: Client, path: str
) -> None:
    for query in ("", "?cursor=zzz", "?nonsense=1", "?limit=0"):
        problem(client.get(path + query), 404, "not-found")


__all__ = [name for name in globals() if name.startswith("test_")]
