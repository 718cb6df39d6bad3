"""Column types with the same Python values in both databases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    Numeric,
    Text,
    TypeDecorator,
    func,
    literal,
    type_coerce,
)

from domain.values import CENT


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` in PostgreSQL, sortable text without a zone in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        # Overriding the processor takes one call per value instead of three; rows have several.
        return None if dialect.name == "postgresql" else _sortable

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        return _in_utc if dialect.name == "postgresql" else _of_sortable


def _sortable(value: datetime | None) -> str | None:
    if value is None:
        return None
    # Strip the zone, which comes last.
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:-6]


def _of_sortable(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def _in_utc(value: datetime | None) -> datetime | None:
    # PostgreSQL returns the session's time zone, which the environment can set.
    return None if value is None else value.astimezone(UTC)


class EpochMicros(TypeDecorator[datetime]):
    """A moment in microseconds since 1970 (UTC), with exact arithmetic in both databases."""

    impl = BigInteger
    cache_ok = True

    EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - self.EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else self.EPOCH + timedelta(microseconds=value)


class DateTimeArray(TypeDecorator[tuple[datetime, ...]]):
    """Moments in UTC as a JSON array of strings."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[datetime, ...] | None, dialect: Dialect) -> Any:
        return [time.astimezone(UTC).isoformat() for time in value or ()]

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[datetime, ...]:
        return tuple(datetime.fromisoformat(text) for text in value)


class EnumText(TypeDecorator[StrEnum]):
    """A member of a string enumeration, stored as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


class Money(TypeDecorator[Decimal]):
    """An amount of money: `numeric` in PostgreSQL, an integer of ten-thousandths in SQLite.

    SQLite has no decimal type, and a float would be inexact. The column does not know the currency:
    an amount is read with two decimals, or with more if it has more.
    """

    impl = Numeric()
    cache_ok = True

    DECIMALS = 4
    """The maximum number of decimals of any currency in ISO 4217."""

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        own = self.impl if dialect.name == "postgresql" else BigInteger()
        return dialect.type_descriptor(own)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return int(value.scaleb(self.DECIMALS))

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], Decimal | None] | None:
        return _with_cents if dialect.name == "postgresql" else _from_units


def _with_cents(value: Decimal | None) -> Decimal | None:
    """Return an amount with two decimals, or with all of its decimals if it has more."""
    if value is None:
        return None
    short = value.quantize(CENT)
    return short if short == value else value.normalize()


def _from_units(value: int | None) -> Decimal | None:
    if value is None:
        return None
    cents, rest = divmod(value, 100)
    return Decimal(value).scaleb(-Money.DECIMALS).normalize() if rest else Decimal(cents).scaleb(-2)


def finer_than(price: ColumnElement[Decimal], digits: int, dialect: Dialect) -> ColumnElement[bool]:
    """Return the condition that an amount has more decimals than `digits`."""
    if dialect.name == "postgresql":
        return price != func.round(price, digits)
    units = type_coerce(price, BigInteger)
    return units % literal(10 ** (Money.DECIMALS - digits)) != 0


# Folded text is compared by code point: SQLite's default, PostgreSQL's collation "C".
FoldedText = Text().with_variant(Text(collation="C"), "postgresql")
