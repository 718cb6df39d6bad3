"""Reads of stock movements."""

from uuid import UUID

from adapters.memory.queries.base import MemoryQueries
from domain import stock
from domain.stock import Movement, MovementFilter
from service_layer.queries.stock import MovementQueries, MovementView, StockLevel


class MemoryMovementQueries(MemoryQueries[Movement, MovementView, MovementFilter], MovementQueries):
    """Read movements in a dictionary."""

    type = Movement
    sorts = stock.SORTS

    def _view(self, entity: Movement, at: None) -> MovementView:
        return MovementView.of(entity, self._people())

    async def stock_history(self, product_id: UUID, limit: int) -> tuple[StockLevel, ...]:
        meant = self._meant(MovementFilter(product_id=product_id))
        return tuple(
            StockLevel(each.created_at, each.stock_after, each.stock_after - each.quantity)
            for each in sorted(meant, key=lambda one: (one.created_at, one.id))[-limit:]
        )
