"""The catalogue: products, their prices and their stock levels."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar, NotRequired, TypedDict, Unpack
from uuid import UUID

from domain.base import Context, Entity, Event, Repository, validate
from domain.currencies import DEFAULT, Currency
from domain.errors import DomainError, InvalidField, NotUnique, StillReferenced
from domain.stock import (
    STOCK,
    Movement,
    MovementRepository,
    Reason,
    StockMoved,
    StockRanLow,
    StockRecovered,
)
from domain.text import casefold_nfc, search_fold, search_text
from domain.values import MoneyRule, TextRule

NAME = TextRule(1, 100, if_empty="Enter a name.")
SKU = TextRule(1, 40)
DESCRIPTION = TextRule(0, 500, lines=True)
PRICE = MoneyRule(Decimal("9999999999.99"))
REORDER_LEVEL = STOCK


@lru_cache(maxsize=8)
def price_rule(currency: Currency) -> MoneyRule:
    """Return the price rule with the currency's number of decimals."""
    return replace(PRICE, digits=currency.digits)


RULES: Mapping[str, Callable[[Any], Any]] = {
    "name": NAME,
    "sku": SKU,
    "description": DESCRIPTION,
    "price": PRICE,
    "reorder_level": REORDER_LEVEL,
}


@lru_cache(maxsize=8)
def rules_in(currency: Currency) -> Mapping[str, Callable[[Any], Any]]:
    """Return the field rules of a product, with the price rule of the currency."""
    return {**RULES, "price": price_rule(currency)}


class PricesTooFine(DomainError):
    """At least one price has more decimals than the currency."""

    def __init__(self, currency: Currency) -> None:
        super().__init__(
            f"There are prices with more decimals than {currency} has ({currency.digits})."
        )


class ProductCreated(Event):
    """A product was created."""


@dataclass(frozen=True, kw_only=True)
class ProductEdited(Event):
    """Fields of a product were changed."""

    changed_fields: tuple[str, ...]


class ProductArchived(Event):
    """A product was archived: it is no longer on offer."""


class ProductRestored(Event):
    """An archived product was restored."""


class ProductDeleted(Event):
    """A product was deleted."""


class ProductDetails(TypedDict):
    """The fields of a new product."""

    name: str
    sku: NotRequired[str | None]
    description: NotRequired[str | None]
    price: Decimal
    reorder_level: NotRequired[int]
    category_id: NotRequired[UUID | None]


class ProductChanges(TypedDict, total=False):
    """The fields that an edit may set; absent ones keep their values."""

    name: str
    sku: str | None
    description: str | None
    price: Decimal
    reorder_level: int
    category_id: UUID | None


@dataclass(eq=False, kw_only=True)
class Product(Entity):
    """A product with its stock.

    `price` is in the service's currency. `stock` is in pieces: the sum of the product's movements,
    and only movements change it. Stock is low at `reorder_level` or below.
    """

    entity_name: ClassVar[str] = "product"

    name: str
    sku: str | None = None
    description: str | None = None
    price: Decimal
    stock: int = 0
    reorder_level: int = 0
    category_id: UUID | None = None
    archived: bool = False

    @classmethod
    def create(
        cls,
        id: UUID,
        ctx: Context,
        *,
        products: "ProductRepository",
        currency: Currency = DEFAULT,
        **details: Unpack[ProductDetails],
    ) -> "Product":
        """Create a product with a stock of 0.

        Raises:
            InvalidField: when a value breaks the rule for its field.
            NotUnique: when another product has the SKU, compared without case.
        """
        rules = rules_in(currency)
        kept: Any = {
            name: validate(rules.get(name), name, value) for name, value in details.items()
        }
        product = cls(id=id, created_at=ctx.now, updated_at=ctx.now, **kept)
        product._require_own_sku(products)
        product.record(ProductCreated(aggregate_id=id, at=ctx.now, by=ctx.by))
        return product

    @property
    def name_key(self) -> str:
        """Sort key of the name, truncated to bound the size of index entries."""
        return search_fold(self.name)[:200]

    @property
    def sku_key(self) -> str | None:
        """Unique key of the SKU, without case."""
        return None if self.sku is None else casefold_nfc(self.sku)

    @property
    def search_text(self) -> str:
        """Search text: folded name, SKU and description, one line each."""
        return search_text(self.name, self.sku, self.description)

    @property
    def low_stock(self) -> bool:
        """Whether the stock is at the reorder level or below."""
        return self.stock <= self.reorder_level

    @property
    def needs_reorder(self) -> bool:
        """Whether stock is low and the product is not archived."""
        return self.low_stock and not self.archived

    def edit(
        self,
        changes: ProductChanges,
        ctx: Context,
        *,
        products: "ProductRepository",
        currency: Currency = DEFAULT,
    ) -> None:
        """Set the given fields; equal values leave the product unchanged.

        Raises:
            InvalidField: when a value breaks the rule for its field.
            NotUnique: when another product has the SKU, compared without case.
        """
        needed_reorder = self.needs_reorder
        different = self.assign(changes, rules_in(currency))
        if not different:
            return
        if "sku" in different:
            self._require_own_sku(products)
        self.updated_at = self._monotonic(ctx.now)
        members = tuple(different)
        self.record(
            ProductEdited(aggregate_id=self.id, at=ctx.now, by=ctx.by, changed_fields=members)
        )
        self._record_reorder_need(needed_reorder, ctx)

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

    def archive(self, ctx: Context) -> None:
        """Archive the product; repeating this has no effect."""
        if not self.archived:
            self.archived = True
            self.updated_at = self._monotonic(ctx.now)
            self.record(ProductArchived(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def restore(self, ctx: Context) -> None:
        """Restore an archived product; repeating this has no effect."""
        if self.archived:
            self.archived = False
            self.updated_at = self._monotonic(ctx.now)
            self.record(ProductRestored(aggregate_id=self.id, at=ctx.now, by=ctx.by))
            self._record_reorder_need(False, ctx)

    def delete(self, ctx: Context, *, has_movements: bool) -> None:
        """Record the deletion of a product without movements.

        Raises:
            StillReferenced: when it has movements; archiving remains possible.
        """
        if has_movements:
            raise StillReferenced("This product has movements. Archive it instead.")
        self.record(ProductDeleted(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def _monotonic(self, now: datetime) -> datetime:
        """Return the time of a change: now, but not before the last change.

        Clocks of servers differ, and a use case that waited for a lock has an older time. The
        ledger is sorted by time, so times must follow the order of movements.
        """
        return max(now, self.updated_at)

    def _require_own_sku(self, products: "ProductRepository") -> None:
        key = self.sku_key
        if key is not None and products.id_by_sku(key) not in (None, self.id):
            raise NotUnique("sku", "another product")


@dataclass(frozen=True, kw_only=True)
class ProductFilter:
    """Conditions on products, combined with AND; `None` is no condition."""

    archived: bool | None = None
    category_id: UUID | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    in_stock: bool | None = None
    low_stock: bool | None = None
    q: str | None = None

    def matches(self, product: Product) -> bool:
        """Return whether the product satisfies the filter."""
        return (
            (self.archived is None or product.archived == self.archived)
            and (self.category_id is None or product.category_id == self.category_id)
            and (self.min_price is None or product.price >= self.min_price)
            and (self.max_price is None or product.price <= self.max_price)
            and (self.in_stock is None or (product.stock > 0) == self.in_stock)
            and (self.low_stock is None or product.low_stock == self.low_stock)
            and (self.q is None or search_fold(self.q) in product.search_text)
        )


SORTS: Mapping[str, Callable[[Product], Any]] = {
    "created_at": lambda product: product.created_at,
    "name": lambda product: product.name_key,
    "price": lambda product: product.price,
    "stock": lambda product: product.stock,
}
"""Sort names of a list of products, each with its sort key."""


class ProductRepository(Repository[Product]):
    """Repository of products.

    Each load takes a pessimistic lock until the unit of work ends. Sales of one product are
    frequent, so the optimistic lock alone would mostly end in concurrency conflicts.
    """

    entity_name = Product.entity_name

    @abstractmethod
    def id_by_sku(self, sku_key: str) -> UUID | None:
        """Return the id of the product with this `sku_key`."""

    @abstractmethod
    def exists_finer_than(self, digits: int) -> bool:
        """Return whether a price has more than `digits` decimals."""

    @abstractmethod
    def exists_in_category(self, category_id: UUID) -> bool:
        """Return whether the category has products."""
