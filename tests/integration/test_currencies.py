"""Prices in currencies with more or fewer decimals than two, on both databases."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from support.backends import Clock, client_of, sql_app
from support.service import atelier, free_port

PRODUCTS = "/api/v1/products"


@pytest.mark.parametrize(
    ("code", "price", "dearer"), [("JPY", "9", "10"), ("KWD", "1.205", "1.21")]
)
def test_a_database_returns_prices_with_the_decimals_of_the_currency(
    place: Path | URL, code: str, price: str, dearer: str
) -> None:
    with client_of(sql_app(place, Clock(), currency=code)) as client:
        at = client.post(PRODUCTS, json={"name": "x", "price": price}).headers["location"]
        client.post(PRODUCTS, json={"name": "y", "price": dearer})
        assert client.get(at).json()["price"] == price
        assert client.patch(at, json={"name": "z"}).json()["price"] == price
        assert client.post(f"{at}/archive").json()["price"] == price
        assert client.post(f"{at}/restore").json()["price"] == price
        walk = {"sort": "price", "limit": 1}
        first = client.get(PRODUCTS, params=walk).json()
        assert [item["price"] for item in first["items"]] == [price]
        second = client.get(PRODUCTS, params={**walk, "cursor": first["next"]}).json()
        assert [item["name"] for item in second["items"]] == ["y"]


def test_the_service_does_not_start_in_a_currency_that_stored_prices_do_not_fit(
    sqlite_place: Path, tmp_path: Path
) -> None:
    with client_of(sql_app(sqlite_place, Clock(), currency="EUR")) as client:
        client.post(PRODUCTS, json={"name": "x", "price": "12.50"})
    settings = {"DATABASE_URL": f"sqlite:///{sqlite_place}", "ATELIER_PORT": str(free_port())}
    done = atelier("serve", folder=tmp_path, ATELIER_CURRENCY="JPY", **settings)
    assert done.returncode == 1
    assert done.stderr == (
        "atelier: ATELIER_CURRENCY: There are prices with more decimals than JPY has (0).\n"
    )
