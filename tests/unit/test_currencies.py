"""Prices in currencies with more or fewer decimals than two (ISO 4217)."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal

import pytest

from domain.currencies import Currency
from domain.errors import InvalidValue
from support.backends import Clock, client_of, memory_app
from support.clients import Client
from support.pages import Browser, error_at, form
from support.people import MEMBER

PRODUCTS = "/api/v1/products"
STOCK = "/office/stock"

Selling = Callable[[str], Client]


@pytest.fixture
def selling() -> Iterator[Selling]:
    """Return a client of a workshop whose prices are in a currency."""
    with ExitStack() as stack:
        yield lambda code: stack.enter_context(client_of(memory_app(Clock(), currency=code)))


CASES = [
    ("JPY", ["0", "100", "1218", "9999999999"], ["0.5", "12.50", "100.0", "1e400"]),
    ("EUR", ["0.00", "12.50"], ["12.505", "12.500"]),
    ("KWD", ["0.000", "12.505", "9999999999.985"], ["12.5055", "12.5000"]),
    ("CLF", ["0.0001", "12.5055"], ["12.50555"]),
]


@pytest.mark.parametrize(("code", "prices", "others"), CASES)
def test_prices_have_as_many_decimals_as_the_currency(
    selling: Selling, code: str, prices: list[str], others: list[str]
) -> None:
    client = selling(code)
    for price in prices:
        for sent in (price, f"{Decimal(price).normalize():f}"):
            made = client.post(PRODUCTS, json={"name": "x", "price": sent})
            assert (made.status_code, made.json()["price"]) == (201, price)
            at = made.headers["location"]
            assert client.get(at).json()["price"] == price
            changed = client.patch(at, json={"price": prices[0]})
            assert changed.json()["price"] == prices[0]
            assert client.patch(at, json={"price": sent}).json()["price"] == price
            assert client.get(PRODUCTS, params={"min_price": sent}).json()["items"][0]["price"]
    for price in others:
        body = {"name": "x", "price": price}
        for answer in (client.post(PRODUCTS, json=body), client.patch(at, json={"price": price})):
            assert answer.status_code == 422
            (error,) = answer.json()["errors"]
            assert error["pointer"] == "#/price"
        answer = client.get(PRODUCTS, params={"max_price": price})
        assert answer.json()["errors"][0]["parameter"] == "max_price"


@pytest.mark.parametrize(("code", "prices", "others"), CASES)
def test_the_api_description_takes_and_shows_what_the_service_does(
    selling: Selling, code: str, prices: list[str], others: list[str]
) -> None:
    document = selling(code).get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    shown = re.compile(schemas["ProductView"]["properties"]["price"]["pattern"])
    assert schemas["ProductView"]["properties"]["price"]["description"] == f"In {code}."
    texts = [
        option["pattern"]
        for name in ("NewProduct", "ProductPatch")
        for option in schemas[name]["properties"]["price"]["anyOf"]
        if option["type"] == "string"
    ]
    parameters = document["paths"][PRODUCTS]["get"]["parameters"]
    asked = [each for each in parameters if each["name"] in ("min_price", "max_price")]
    patterns = [re.compile(text) for text in texts + [one["schema"]["pattern"] for one in asked]]
    assert len(patterns) == 4
    for price in prices:
        assert shown.search(price)
        assert all(pattern.search(price) for pattern in patterns)
    for price in others:
        assert not shown.search(price)
        assert not any(pattern.search(price) for pattern in patterns)
    example = schemas["NewProduct"]["examples"][0]["price"]
    assert shown.search(example)


@pytest.mark.parametrize(
    ("code", "example", "wrong", "right", "shown"),
    [
        ("JPY", "13", "12.50", "1218", "1,218"),
        ("KWD", "12.500", "12.5055", "1218.5", "1,218.500"),
    ],
)
def test_pages_take_and_show_prices_with_the_decimals_of_the_currency(
    selling: Selling, code: str, example: str, wrong: str, right: str, shown: str
) -> None:
    browser = Browser(selling(code)).sign_in(MEMBER)
    assert f"Per piece, e.g. {example}." in browser.get(f"{STOCK}/new").text
    page = browser.send(f"{STOCK}/new", name="Oak", price=wrong)
    assert error_at(page, "price") == f"Enter an amount, e.g. {example}."
    page = browser.send(f"{STOCK}/new", name="Oak", price=right)
    assert f"<b>{shown}</b>" in page.text
    at = str(page.url.path)
    assert f"{shown} {code}" in browser.get(STOCK).text
    fields = form(browser.get(f"{at}/edit"), f"{at}/edit").fields
    assert fields["price"] == shown.replace(",", "")
    assert browser.send(f"{at}/edit", name="Oak board").status_code == 200
    assert f"<b>{shown}</b>" in browser.get(at).text
    (pattern,) = set(re.findall(r'pattern="([^"]*)"', browser.get(STOCK).text))
    assert re.fullmatch(pattern, right)
    assert not re.fullmatch(pattern, wrong)


@pytest.mark.parametrize("code", ["", "EU", "eur", "XYZ", "EURO", "XXX", "HRK", "DEM"])
def test_a_code_that_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(InvalidValue):
        Currency.of(code)


def test_two_applications_in_one_process_read_prices_each_in_its_currency(
    selling: Selling,
) -> None:
    asked = {"min_price": "1.205"}
    assert selling("KWD").get(PRODUCTS, params=asked).status_code == 200
    assert selling("EUR").get(PRODUCTS, params=asked).status_code == 422
