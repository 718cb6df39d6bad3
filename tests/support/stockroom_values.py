"""Requests and responses of the model, and the validation rules for values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from support.people import ADMIN, Person

PRODUCTS = "/api/v1/products"
CATEGORIES = "/api/v1/categories"
MOST = 1_000_000_000
REASONS = ("received", "sold", "used", "returned", "lost")

Body = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A representation from a response, with its ETag."""

    tag: str
    body: Body


@dataclass(frozen=True)
class Ask:
    """A request; the ETag of `seen` is sent as If-None-Match with GET, else as If-Match."""

    method: str
    path: str
    body: Body = field(default_factory=dict)
    by: Person = ADMIN
    seen: Seen | None = None


@dataclass(frozen=True)
class Told:
    """The compared part of a response: status and body, or a problem's code and members."""

    status: int
    body: Any = None


class Refusal(Exception):
    """A problem response of the model."""

    def __init__(self, status: int, code: str, *pointers: str, **more: Any) -> None:
        told = {"code": code, "pointers": {f"#/{pointer}" for pointer in pointers}, **more}
        super().__init__(code)
        self.told = Told(status, told)


def _text(min: int, max: int, *, null: bool = False) -> Callable[[Any], bool]:
    return lambda value: (
        null if value is None else isinstance(value, str) and min <= len(value.strip()) <= max
    )


def _whole(min: int, max: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and min <= value <= max


def _is_price(value: Any) -> bool:
    try:
        price = Decimal(value)
    except (InvalidOperation, TypeError):
        return False
    return 0 <= price < 10_000_000_000 and price == round(price, 2)


CATEGORY: Mapping[str, Callable[[Any], bool]] = {"name": _text(1, 50)}
PRODUCT: Mapping[str, Callable[[Any], bool]] = {
    "name": _text(1, 100),
    "sku": _text(1, 40, null=True),
    "description": _text(0, 500, null=True),
    "price": _is_price,
    "stock": _whole(0, MOST),
    "reorder_level": _whole(0, MOST),
    "category_id": _text(36, 36, null=True),
}
MOVEMENT: Mapping[str, Callable[[Any], bool]] = {
    "quantity": lambda value: value != 0 and _whole(-MOST, MOST)(value),
    "reason": lambda value: value in REASONS,
    "note": _text(0, 200, null=True),
}


def kept(rules: Mapping[str, Callable[[Any], bool]], body: Body, *required: str) -> Body:
    """Return the members normalized for storage; raise `Refusal` if any is invalid."""
    wrong = {name for name in body if name not in rules or not rules[name](body[name])}
    wrong |= set(required) - body.keys()
    if wrong:
        raise Refusal(422, "invalid", *wrong)
    trimmed = {n: v.strip() if isinstance(v, str) else v for n, v in body.items()}
    if "price" in trimmed:
        trimmed["price"] = f"{Decimal(trimmed['price']):.2f}"
    return trimmed


def stamp(time: datetime) -> str:
    """Return a time in the format of the API."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
