"""A model of the product list: filters and orders."""

import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from support.stockroom import Stockroom
from support.stockroom_values import Body

FILTERS: Mapping[str, Callable[[Body, Any], bool]] = {
    "archived": lambda product, wanted: product["archived"] == wanted,
    "category_id": lambda product, wanted: product["category_id"] == wanted,
    "min_price": lambda product, wanted: Decimal(product["price"]) >= Decimal(wanted),
    "max_price": lambda product, wanted: Decimal(product["price"]) <= Decimal(wanted),
    "in_stock": lambda product, wanted: (product["stock"] > 0) == wanted,
    "low_stock": lambda product, wanted: product["low_stock"] == wanted,
    "q": lambda product, wanted: any(
        folded(wanted) in folded(product[name] or "") for name in ("name", "sku", "description")
    ),
}

SORTS: Mapping[str, Callable[[Body], Any]] = {
    "created_at": lambda one: one["created_at"],
    "name": lambda one: folded(one["name"]),
    "price": lambda one: Decimal(one["price"]),
    "stock": lambda one: one["stock"],
}


def folded(text: str) -> str:
    """Fold a text for search and sorting: without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


def listed(room: Stockroom, filters: Mapping[str, Any], sort: str) -> list[Body]:
    """Return the filtered and ordered products; archived ones only by the filter."""
    wanted = {"archived": False, **filters}
    products = [shown for id in room.products if (shown := room.shown("products", id))]
    meant = [one for one in products if all(FILTERS[n](one, wanted[n]) for n in wanted)]
    return in_order(meant, sort)


def in_order(some: list[Body], sort: str) -> list[Body]:
    """Return representations in an order, with ties broken by id."""
    by = SORTS[sort.lstrip("-")]
    return sorted(some, key=lambda one: (by(one), one["id"]), reverse=sort.startswith("-"))
