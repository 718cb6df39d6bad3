"""Views of movements, and their query port."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.stock import Movement, MovementFilter, Reason
from service_layer.queries.base import Queries, View
from service_layer.queries.users import PublicUser


@dataclass(kw_only=True)
class MovementView(View):
    """A movement, with the stock after it."""

    collection: ClassVar[str] = "movements"

    product_id: UUID
    quantity: int
    reason: Reason
    note: str | None
    stock_after: int
    created_by: PublicUser | None

    @property
    def path(self) -> str:
        # A movement is part of its product's ledger and has no path of its own. A GET of this path
        # returns the ledger, which contains it.
        return f"products/{self.product_id}/movements"

    @classmethod
    def of(cls, movement: Movement, people: Mapping[UUID, PublicUser]) -> "MovementView":
        """Return the view of a loaded aggregate with its creator."""
        by = movement.created_by_id
        return cls._of(movement, created_by=people.get(by) if by else None)


@dataclass(frozen=True)
class StockLevel:
    """The stock of a product from a time on, and before that time."""

    at: datetime
    stock: int
    before: int


class MovementQueries(Queries[MovementView, MovementFilter]):
    """Query port of movements."""

    entity_name = Movement.entity_name

    @abstractmethod
    async def stock_history(self, product_id: UUID, limit: int) -> tuple[StockLevel, ...]:
        """Return the stock levels after the product's latest movements, oldest first."""
