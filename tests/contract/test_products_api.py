"""The API of products."""

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from support.api import (
    CATEGORIES,
    PRODUCTS,
    UNKNOWN_ID,
    create_category,
    create_product,
    error_locations,
    list_movements,
    problem,
    product_path,
    record_movement,
)
from support.backends import Clock
from support.clients import Client

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
    assert answer.headers["location"] == product_path(product)
    read = client.get(product_path(product))
    assert (read.json(), read.headers["etag"]) == (product, answer.headers["etag"])
    assert list_movements(client, product) == []


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
    assert error_locations(client.post(PRODUCTS, content=body, headers=json_)) == {"#/price"}
    assert error_locations(
        client.patch(product_path(create_product(client)), content=body, headers=json_)
    ) == {"#/price"}


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
        ({"category_id": UNKNOWN_ID}, {"#/category_id"}),
        ({"archived": True}, {"#/archived"}),
        ({"low_stock": True, "version": 2}, {"#/low_stock", "#/version"}),
    ],
)
def test_an_unacceptable_product_is_refused(
    client: Client, members: dict[str, Any], where: set[str]
) -> None:
    assert (
        error_locations(client.post(PRODUCTS, json={"name": "x", "price": "1", **members})) == where
    )
    product = create_product(client)
    assert error_locations(client.patch(product_path(product), json=members)) == where
    assert client.get(product_path(product)).json() == product


def test_what_is_required_of_a_product_is_a_name_and_a_price(client: Client) -> None:
    assert error_locations(client.post(PRODUCTS, json={})) == {"#/name", "#/price"}
    assert error_locations(
        client.patch(product_path(create_product(client)), json={"price": None})
    ) == {"#/price"}


def test_a_patch_of_a_product_sets_what_it_names_and_keeps_the_rest(
    client: Client, clock: Clock
) -> None:
    category = create_category(client)
    product = create_product(
        client, sku="A-1", description="d", category_id=category["id"], stock=4
    )
    clock.advance(minutes=5)
    for nothing in ({}, {"price": 12.5, "stock": 4}, {"sku": " A-1 ", "name": "Sandpaper"}):
        assert client.patch(product_path(product), json=nothing).json() == product

    patch = {"price": "13", "sku": None, "description": None, "category_id": None}
    answer = client.patch(product_path(product), json=patch)
    assert answer.json() == {
        **product,
        **patch,
        "price": "13.00",
        "category": None,
        "version": 2,
        "updated_at": "2026-03-01T12:05:00Z",
    }


def test_values_already_in_use_are_pointed_at(client: Client) -> None:
    create_product(client, sku="Ab-1")
    other = create_product(client)
    for answer in (
        client.post(PRODUCTS, json={"name": "x", "price": 1, "sku": " aB-1"}),
        client.patch(product_path(other), json={"sku": "AB-1"}),
    ):
        assert problem(answer, 409, "already-taken")["errors"][0]["pointer"] == "#/sku"
    create_category(client, "Tools")
    category = create_category(client, "Glue")
    for answer in (
        client.post(CATEGORIES, json={"name": "TOOLS"}),
        client.patch(f"{CATEGORIES}/{category['id']}", json={"name": "tools"}),
    ):
        assert problem(answer, 409, "already-taken")["errors"][0]["pointer"] == "#/name"


def test_archiving_twice_is_archiving_once(client: Client, clock: Clock) -> None:
    product = create_product(client)
    clock.advance(minutes=1)
    first = client.post(f"{product_path(product)}/archive")
    clock.advance(minutes=1)
    again = client.post(f"{product_path(product)}/archive")
    assert first.json() == again.json()
    assert (first.json()["archived"], first.json()["version"]) == (True, 2)
    assert first.headers["etag"] == again.headers["etag"]
    restored = client.post(f"{product_path(product)}/restore")
    assert (restored.json()["archived"], restored.json()["version"]) == (False, 3)
    assert client.post(f"{product_path(product)}/restore").json() == restored.json()


def test_a_stale_tag_is_refused_and_writes_nothing(client: Client) -> None:
    product = create_product(client)
    category = f"{CATEGORIES}/{create_category(client)['id']}"
    stale = {"If-Match": '"7-0123456789abcdef"'}
    for answer in (
        client.patch(product_path(product), json={"name": "No", "stock": 5}, headers=stale),
        client.patch(product_path(product), json={"name": ""}, headers=stale),
        client.post(f"{product_path(product)}/archive", headers=stale),
        client.post(f"{product_path(product)}/restore", headers=stale),
        client.delete(product_path(product), headers=stale),
        client.patch(category, json={"name": "No"}, headers=stale),
        client.delete(category, headers=stale),
    ):
        problem(answer, 412, "precondition-failed")
    assert client.get(product_path(product)).json() == product
    # A movement is a change of the product, so a tag from before it is stale.
    tag = client.get(product_path(product)).headers["etag"]
    record_movement(client, product, 1)
    answer = client.patch(product_path(product), json={"stock": 5}, headers={"If-Match": tag})
    problem(answer, 412, "precondition-failed")


def test_a_setting_makes_the_tag_mandatory_for_changes_and_not_for_movements(
    strict_client: Client,
) -> None:
    product = create_product(strict_client)
    for answer in (
        strict_client.patch(product_path(product), json={"name": "x"}),
        strict_client.post(f"{product_path(product)}/archive"),
        strict_client.delete(product_path(product)),
    ):
        problem(answer, 428, "precondition-required")
    assert record_movement(strict_client, product, 1).status_code == 201


def test_a_product_that_never_moved_is_deleted_and_another_is_in_use(client: Client) -> None:
    never, moved = create_product(client), create_product(client, stock=1)
    assert client.delete(product_path(never)).status_code == 204
    problem(client.get(product_path(never)), 404, "not-found")
    problem(client.delete(product_path(moved)), 409, "in-use")
    assert client.get(product_path(moved)).status_code == 200


# Lists of products


def test_filters_choose_products(client: Client) -> None:
    category = create_category(client)
    create_product(client, "Äther", price="0.99", stock=3, reorder_level=3)
    create_product(client, "Beize", price="10", sku="BZ_1", category_id=category["id"])
    create_product(client, "Chisel", price="100.00", description="for 50% less", stock=9)
    gone = create_product(client, "Dowel", price="5")
    client.post(f"{product_path(gone)}/archive")

    def names(**asked: Any) -> list[str]:
        return [one["name"] for one in client.get(PRODUCTS, params=asked).json()["items"]]

    assert names() == names(archived="false") == ["Äther", "Beize", "Chisel"]
    assert names(archived="true") == ["Dowel"]
    assert names(category_id=category["id"]) == ["Beize"]
    assert names(category_id=UNKNOWN_ID) == []
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
        create_product(client, f"p{number % 3}", price=f"{number % 3}.10", stock=number % 2)
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
    assert error_locations(client.get(f"{PRODUCTS}?{query}")) == {query.partition("=")[0]}


def test_a_cursor_for_prices_that_no_page_handed_out_is_malformed(client: Client) -> None:
    values: list[Any] = ["x", "1e9", "NaN", "-1", "1.005", 1, 1.5, None, True, "9" * 40, []]
    for value in (*values, "\u0661"):
        document = json.dumps(["price", value, UUID(int=1).hex]).encode()
        cursor = base64.urlsafe_b64encode(document).rstrip(b"=").decode()
        answer = client.get(PRODUCTS, params={"sort": "price", "cursor": cursor})
        problem(answer, 400, "malformed-cursor")


def test_openapi_document_declares_format_and_currency_of_prices(client: Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    shown = schemas["ProductView"]["properties"]["price"]
    assert (shown["type"], shown["description"]) == ("string", "In EUR.")
    for name in ("NewProduct", "ProductPatch"):
        price = schemas[name]["properties"]["price"]
        assert {option["type"] for option in price["anyOf"]} == {"string", "number"}
        assert price["description"] == "In EUR."
    assert "counted" not in schemas["NewMovement"]["properties"]["reason"]["enum"]
