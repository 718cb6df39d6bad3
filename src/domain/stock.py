"""Stock: the ledger of movements, which are the only changes of a product's stock."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from domain.base import Context, Entity, Event, Repository, validate
from domain.errors import DomainError, InvalidField
from domain.values import IntegerRule, TextRule

MAX_STOCK = 1_000_000_000
"""Maximum stock of one product in pieces; it fits a 32-bit integer column."""

STOCK = IntegerRule(0, MAX_STOCK)
QUANTITY = IntegerRule(-MAX_STOCK, MAX_STOCK, zero=False)
NOTE = TextRule(0, 200)


class Reason(StrEnum):
    """The reason of a movement; `COUNTED` is reserved for adjustments by a stock count."""

    RECEIVED = "received"
    SOLD = "sold"
    USED = "used"
    RETURNED = "returned"
    LOST = "lost"
    COUNTED = "counted"


@dataclass(frozen=True, kw_only=True)
class StockMoved(Event):
    """A movement changed the stock of a product by `quantity`."""

    quantity: int
    reason: Reason
    stock_after: int


@dataclass(frozen=True, kw_only=True)
class StockRanLow(Event):
    """A product on offer needs a reorder since a change of its stock, level or offer."""

    stock: int


@dataclass(frozen=True, kw_only=True)
class StockRecovered(Event):
    """A product on offer is above its reorder level since a change of its stock or level."""

    stock: int


class InsufficientStock(DomainError):
    """A movement would make the stock negative; `available` is the stock."""

    def __init__(self, available: int) -> None:
        super().__init__(f"Only {available} in stock.")
        self.available = available


@dataclass(eq=False, kw_only=True)
class Movement(Entity):
    """A change of a product's stock by `quantity` pieces, which is immutable.

    Each reason permits either sign, because an erroneous movement is corrected by its opposite.
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
        ctx: Context,
        *,
        product_id: UUID,
        quantity: int,
        reason: Reason,
        note: str | None,
        stock_before: int,
    ) -> "Movement":
        """Create the movement that follows on a stock of `stock_before`.

        Raises:
            InvalidField: when a value breaks the rule for its field, or the stock would be too
                large.
            InsufficientStock: when the stock would become negative.
        """
        quantity = validate(QUANTITY, "quantity", quantity)
        if stock_before + quantity < 0:
            raise InsufficientStock(stock_before)
        if stock_before + quantity > MAX_STOCK:
            raise InvalidField("quantity", _no_room(MAX_STOCK - stock_before))
        return cls(
            id=id,
            created_at=ctx.now,
            updated_at=ctx.now,
            product_id=product_id,
            quantity=quantity,
            reason=reason,
            note=validate(NOTE, "note", note),
            stock_after=stock_before + quantity,
            created_by_id=ctx.by,
        )


def _no_room(room: int) -> str:
    fits = f"{room:,} more can be added" if room else "nothing can be added"
    return f"A stock holds at most {MAX_STOCK:,}; {fits}."


@dataclass(frozen=True, kw_only=True)
class MovementFilter:
    """The movements of one product."""

    product_id: UUID

    def matches(self, movement: Movement) -> bool:
        """Return whether the movement satisfies the filter."""
        return movement.product_id == self.product_id


SORTS: Mapping[str, Callable[[Movement], Any]] = {
    "created_at": lambda movement: movement.created_at
}
"""Sort names of a list of movements, each with its sort key."""


class MovementRepository(Repository[Movement]):
    """Repository of movements: the ledger."""

    entity_name = Movement.entity_name

    @abstractmethod
    def exists_for_product(self, product_id: UUID) -> bool:
        """Return whether the product has movements."""

    @abstractmethod
    def references_user(self, user_id: UUID) -> bool:
        """Return whether the user created any movement."""
