"""Stock items: the stock that movements change, and when it needs a reorder."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.base import Context, Entity, validate
from domain.errors import InvalidField
from domain.stock import (
    STOCK,
    Movement,
    MovementRepository,
    Reason,
    StockMoved,
    StockRanLow,
    StockRecovered,
)


@dataclass(eq=False, kw_only=True)
class StockItem(Entity):
    """An entity with a stock; the base class of `Product`.

    `stock` is in pieces: the sum of the movements, and only movements change it. Stock is low at
    `reorder_level` or below.
    """

    stock: int = 0
    reorder_level: int = 0

    @property
    def low_stock(self) -> bool:
        """Whether the stock is at the reorder level or below."""
        return self.stock <= self.reorder_level

    @property
    def needs_reorder(self) -> bool:
        """Whether stock is low; `Product` exempts archived products."""
        return self.low_stock

    def set_opening_stock(
        self, id: UUID, stock: int, ctx: Context, *, movements: MovementRepository
    ) -> None:
        """Receive the opening stock of a new product, unless it is 0.

        Record `StockRanLow` if the stock is low then. A reorder level of 0 is exempt: there an
        empty stock is no shortage.

        Raises:
            InvalidField: when the stock is out of range.
        """
        if validate(STOCK, "stock", stock):
            self._move(id, stock, Reason.RECEIVED, ctx, movements=movements)
        if self.low_stock and self.reorder_level:
            self._record_reorder_need(False, ctx)

    def move(
        self,
        id: UUID,
        quantity: int,
        reason: Reason,
        ctx: Context,
        *,
        note: str | None = None,
        movements: MovementRepository,
    ) -> Movement:
        """Add pieces to the stock, or remove them if `quantity` is negative; return the movement.

        The movement gets `id` and is added to the ledger. Archived products move too, because
        pieces may remain on the shelf.

        Raises:
            InvalidField: when a value breaks the rule for its field, or the reason is `COUNTED`.
            InsufficientStock: when the stock would become negative.
        """
        if reason is Reason.COUNTED:
            raise InvalidField("reason", "To record a count, set the stock of the product.")
        needed_reorder = self.needs_reorder
        movement = self._move(id, quantity, reason, ctx, note=note, movements=movements)
        self._record_reorder_need(needed_reorder, ctx)
        return movement

    def count(self, id: UUID, counted: int, ctx: Context, *, movements: MovementRepository) -> None:
        """Set the stock to a counted number; a difference becomes a movement.

        Raises:
            InvalidField: when the number is out of range.
        """
        difference = validate(STOCK, "stock", counted) - self.stock
        if difference:
            needed_reorder = self.needs_reorder
            self._move(id, difference, Reason.COUNTED, ctx, movements=movements)
            self._record_reorder_need(needed_reorder, ctx)

    def _move(
        self,
        id: UUID,
        quantity: int,
        reason: Reason,
        ctx: Context,
        *,
        note: str | None = None,
        movements: MovementRepository,
    ) -> Movement:
        ctx = replace(ctx, now=self._monotonic(ctx.now))
        movement = Movement.create(
            id,
            ctx,
            product_id=self.id,
            quantity=quantity,
            reason=reason,
            note=note,
            stock_before=self.stock,
        )
        movements.add(movement)
        self.stock = after = movement.stock_after
        self.updated_at = ctx.now
        self.record(
            StockMoved(
                aggregate_id=self.id,
                at=ctx.now,
                by=ctx.by,
                quantity=movement.quantity,
                reason=reason,
                stock_after=after,
            )
        )
        return movement

    def _record_reorder_need(self, needed_before: bool, ctx: Context) -> None:
        """Record an event if `needs_reorder` has changed.

        The opposite event of the same use case is retracted instead: a change there and back, such
        as a new level and then a count, triggers no reaction.
        """
        if self.needs_reorder == needed_before:
            return
        event: type[StockRanLow | StockRecovered]
        opposite: type[StockRanLow | StockRecovered]
        if needed_before:
            event, opposite = StockRecovered, StockRanLow
        else:
            event, opposite = StockRanLow, StockRecovered
        if not self.retract(opposite):
            at = self.updated_at
            self.record(event(aggregate_id=self.id, at=at, by=ctx.by, stock=self.stock))

    def _monotonic(self, now: datetime) -> datetime:
        """Return the time of a change: now, but not before the last change.

        Clocks of servers differ, and a use case that waited for a lock has an older time. The
        ledger is sorted by time, so times must follow the order of movements.
        """
        return max(now, self.updated_at)
