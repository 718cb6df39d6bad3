"""Prices in requests and responses, with as many decimals as the currency has."""

from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_core import core_schema

from domain.base import Page, PageRequest
from domain.catalogue import PRICE, ProductFilter, price_rule
from domain.currencies import DEFAULT, Currency
from domain.values import CENT
from entrypoints.web.schema_types import AMOUNT, STRING, Json, Rule
from service_layer.queries.catalogue import ProductQueries, ProductView

CURRENCY: ContextVar[Currency] = ContextVar("currency", default=DEFAULT)
"""The currency of the application that handles the request.

It is a context variable because all applications of a process share the schemas.
"""


def read_price(value: str) -> Decimal:
    """Parse a price.

    Raises:
        ValueError: when the text is no price, or has more decimals than the currency.
    """
    currency = CURRENCY.get()
    if not AMOUNT.fullmatch(value) or len(value.partition(".")[2]) > currency.digits:
        raise ValueError(f"Enter an amount, e.g. {currency.example}.")
    return price_rule(currency)(Decimal(value))


def write_price(value: Decimal) -> str:
    """Format a price with all decimals of the currency."""
    return str(CURRENCY.get().amount(value))


def _read(value: Any) -> Decimal:
    if type(value) in (int, Decimal):
        return price_rule(CURRENCY.get())(Decimal(value))
    return read_price(value if type(value) is str else "")


def pattern_of(currency: Currency, *, all_decimals: bool = False) -> str:
    """Return the regular expression of a price as a string.

    `all_decimals` requires all decimals of the currency, as responses have them.
    """
    more = len(str(int(PRICE.max))) - 1
    fraction = ""
    if currency.digits:
        least = currency.digits if all_decimals else 1
        fraction = rf"\.[0-9]{{{least},{currency.digits}}}"
        fraction = fraction if all_decimals else f"(?:{fraction})?"
    return rf"^(?:0|[1-9][0-9]{{0,{more}}}){fraction}$"


@lru_cache(maxsize=8)
def schema_of(currency: Currency) -> Json:
    """Return the JSON schema of a price in a request body."""
    number: Json = {"type": "number", "minimum": 0, "maximum": float(PRICE.max)}
    return {"anyOf": [{"type": "string", "pattern": pattern_of(currency)}, number]}


IN_BODY = Rule(core_schema.any_schema(), _read, schema_of(DEFAULT))
"""A price in a body: a string, or a number, which is parsed as `Decimal`."""

IN_QUERY = Rule(STRING, read_price, {"type": "string", "pattern": pattern_of(DEFAULT)})
"""A price in a query: a string only."""


def shown(view: ProductView, currency: Currency) -> ProductView:
    """Return the view with all decimals of the currency in its price."""
    if view.price.as_tuple().exponent == -currency.digits:
        return view
    return replace(view, price=currency.amount(view.price))


class PricedProducts(ProductQueries):
    """Product queries that return prices with the decimals of the currency.

    The database stores amounts without a currency, and returns them with two decimals or more.
    """

    def __init__(self, products: ProductQueries, currency: Currency) -> None:
        self._products = products
        self._currency = currency

    async def get(self, id: UUID, now: datetime) -> ProductView | None:
        view = await self._products.get(id, now)
        return None if view is None else shown(view, self._currency)

    async def list_page(
        self, filter: ProductFilter, page_request: PageRequest
    ) -> Page[ProductView]:
        page = await self._products.list_page(filter, page_request)
        return replace(page, items=[shown(view, self._currency) for view in page.items])


def priced(products: ProductQueries, currency: Currency) -> ProductQueries:
    """Return product queries for a currency; with two decimals, the given ones suffice."""
    has_cents = currency.step == CENT
    return products if has_cents else PricedProducts(products, currency)
