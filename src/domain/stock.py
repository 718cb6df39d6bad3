"""Stock: the movements that change how many pieces there are, each kept for good."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from domain.actors import Actor, id_of
from domain.base import Entity, Event, Repository, validate
from domain.errors import DomainError, InvalidField
from domain.values import IntegerRule, TextRule

MAX_STOCK = 1_000_000_000
"""How many pieces of one product there can be: more than a workshop has, and a database counts."""

STOCK = IntegerRule(0, MAX_STOCK)
QUANTITY = IntegerRule(-MAX_STOCK, MAX_STOCK, zero=False)
NOTE = TextRule(0, 200)


class Reason(StrEnum):
    """Why pieces came or went; `COUNTED` is kept for counts, which set the stock right."""

    RECEIVED = "received"
    SOLD = "sold"
    USED = "used"
    RETURNED = "returned"
    LOST = "lost"
    COUNTED = "counted"


@dataclass(frozen=True, kw_only=True)
class StockMoved(Event):
    """Pieces of a product came, or went if `quantity` is negative."""

    quantity: int
    reason: Reason
    stock_after: int


@dataclass(frozen=True, kw_only=True)
class StockRanLow(Event):
    """A product that is offered began to be at its reorder level or below."""

    stock: int


@dataclass(frozen=True, kw_only=True)
class StockRecovered(Event):
    """The stock of a product that is offered is above its reorder level again."""

    stock: int


class InsufficientStock(DomainError):
    """There are fewer pieces than are to be taken: `available` of them."""

    def __init__(self, available: int) -> None:
        super().__init__(f"Only {available} in stock.")
        self.available = available


@dataclass(eq=False, kw_only=True)
class Movement(Entity):
    """A number of pieces that came, or went if `quantity` is negative; it never changes.

    Any reason goes with either sign: a movement that was entered wrongly is never edited, so its
    opposite takes it back.
    """

    entity_name: ClassVar[str] = "movement"

    product_id: UUID
    quantity: int
    reason: Reason
    note: str | None = None
    stock_after: int
    created_by_id: UUID | None = None

    @classmethod
    def create(
        cls,
        id: UUID,
        now: datetime,
        *,
        product_id: UUID,
        quantity: int,
        reason: Reason,
        note: str | None,
        stock_before: int,
        by: Actor | None,
    ) -> "Movement":
        """Make the movement that follows on a stock.

        Raises:
            InvalidField: when a value breaks the rule for its member.
            InsufficientStock: when there are fewer pieces than are to be taken.
        """
        quantity = validate(QUANTITY, "quantity", quantity)
        if stock_before + quantity < 0:
            raise InsufficientStock(stock_before)
        if stock_before + quantity > MAX_STOCK:
            raise InvalidField("quantity", _no_room(MAX_STOCK - stock_before))
        return cls(
            id=id,
            created_at=now,
            updated_at=now,
            product_id=product_id,
            quantity=quantity,
            reason=reason,
            note=validate(NOTE, "note", note),
            stock_after=stock_before + quantity,
            created_by_id=id_of(by),
        )


def _no_room(room: int) -> str:
    """Return the message about more pieces than a stock can hold."""
    fits = f"{room:,} more can be added" if room else "nothing can be added"
    return f"A stock holds at most {MAX_STOCK:,}; {fits}."


@dataclass(frozen=True, kw_only=True)
class MovementFilter:
    """Which movements are meant: those of one product."""

    product_id: UUID

    def matches(self, movement: Movement) -> bool:
        """Whether the movement is among those meant."""
        return movement.product_id == self.product_id


SORTS: Mapping[str, Callable[[Movement], Any]] = {
    "created_at": lambda movement: movement.created_at
}
"""The orders a list of movements can have, each with the value it compares."""


class MovementRepository(Repository[Movement]):
    """The ledger, in which movements are kept."""

    entity_name = Movement.entity_name

    @abstractmethod
    def exists_for_product(self, product_id: UUID) -> bool:
        """Whether there is any movement of a product."""

    @abstractmethod
    def references_user(self, user_id: UUID) -> bool:
        """Whether a user entered any movement."""
