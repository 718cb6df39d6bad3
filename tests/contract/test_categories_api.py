"""The API of categories."""

from typing import Any

import pytest

from support.api import (
    CATEGORIES,
    UNKNOWN_ID,
    create_category,
    create_product,
    error_locations,
    problem,
    product_path,
)
from support.backends import Clock
from support.clients import Client


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
        ({"name": "x", "id": UNKNOWN_ID, "products": []}, {"#/id", "#/products"}),
    ],
)
def test_an_unacceptable_category_is_refused(
    client: Client, body: dict[str, Any], where: set[str]
) -> None:
    assert error_locations(client.post(CATEGORIES, json=body)) == where
    if body:
        path = f"{CATEGORIES}/{create_category(client)['id']}"
        assert error_locations(client.patch(path, json=body)) == where


def test_a_category_is_renamed_and_its_products_show_it(client: Client, clock: Clock) -> None:
    category = create_category(client)
    product = create_product(client, category_id=category["id"])
    assert product["category"] == {"id": category["id"], "name": "Tools"}
    path, tag = f"{CATEGORIES}/{category['id']}", client.get(product_path(product)).headers["etag"]
    clock.advance(minutes=1)
    assert client.patch(path, json={"name": " Tools "}).json() == category
    assert client.patch(path, json={}).json() == category

    renamed = client.patch(path, json={"name": "Hand tools"}).json()
    assert (renamed["version"], renamed["name"]) == (2, "Hand tools")
    seen = client.get(product_path(product), headers={"If-None-Match": tag})
    assert seen.status_code == 200
    assert seen.json() == {**product, "category": {"id": category["id"], "name": "Hand tools"}}


def test_a_category_with_products_is_in_use(client: Client) -> None:
    category = create_category(client)
    path = f"{CATEGORIES}/{category['id']}"
    product = create_product(client, category_id=category["id"])
    problem(client.delete(path), 409, "in-use")
    assert (
        client.patch(product_path(product), json={"category_id": None}).json()["category"] is None
    )
    assert client.delete(path).status_code == 204
    problem(client.get(path), 404, "not-found")


def test_categories_are_searched_sorted_and_paged(client: Client) -> None:
    for name in ("zinc", "Äpfel", "Brass"):
        create_category(client, name)

    def names(**asked: Any) -> list[str]:
        return [one["name"] for one in client.get(CATEGORIES, params=asked).json()["items"]]

    assert names() == ["zinc", "Äpfel", "Brass"]
    assert names(sort="name") == ["Äpfel", "Brass", "zinc"]
    assert names(sort="-name", limit=1) == ["zinc"]
    assert names(q="APF") == ["Äpfel"]
    assert error_locations(client.get(CATEGORIES, params={"sort": "price"})) == {"sort"}
