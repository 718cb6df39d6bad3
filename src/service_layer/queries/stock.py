"""The view of movements, and the port that answers with it."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.stock import Movement, MovementFilter, Reason
from service_layer.queries.base import Queries, View
from service_layer.queries.users import PublicUser


@dataclass(frozen=True, kw_only=True)
class MovementView(View):
    """A movement, and the stock that it left."""

    collection: ClassVar[str] = "movements"

    product_id: UUID
    quantity: int
    reason: Reason
    note: str | None
    stock_after: int
    created_by: PublicUser | None

    @property
    def path(self) -> str:
        # A movement is part of its product's ledger and has no address of its own: whoever follows
        # this finds it there, and can GET what they find.
        return f"products/{self.product_id}/movements"

    @classmethod
    def of(cls, movement: Movement, people: Mapping[UUID, PublicUser]) -> "MovementView":
        """The view of an aggregate in hand, beside the people it names."""
        by = movement.created_by_id
        return cls.from_entity(movement, created_by=people.get(by) if by else None)


@dataclass(frozen=True)
class StockLevel:
    """How many pieces of a product there were from a moment on, and how many before it."""

    at: datetime
    stock: int
    before: int


class MovementQueries(Queries[MovementView, MovementFilter]):
    """The reads of movements."""

    entity_name = Movement.entity_name

    @abstractmethod
    async def stock_history(self, product_id: UUID, limit: int) -> tuple[StockLevel, ...]:
        """Return how the stock of a product went, by its latest movements, the newest last."""
