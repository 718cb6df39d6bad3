"""The catalogue: products, what they cost, and how many there are."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar, NotRequired, TypedDict, Unpack
from uuid import UUID

from domain.actors import Actor, id_of
from domain.base import Entity, Event, Repository, validate
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
from domain.values import MoneyRule, TextRule, casefold_nfc, search_fold, search_text

NAME = TextRule(1, 100, if_empty="Enter a name.")
SKU = TextRule(1, 40)
DESCRIPTION = TextRule(0, 500, lines=True)
PRICE = MoneyRule(Decimal("9999999999.99"))
REORDER_LEVEL = STOCK


@lru_cache(maxsize=8)
def price_rule(currency: Currency) -> MoneyRule:
    """Return the rule for prices in a currency."""
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
    """Return the rules for the members of a product that is priced in a currency."""
    return {**RULES, "price": price_rule(currency)}


class PricesTooFine(DomainError):
    """There are prices with more decimals than the currency has."""

    def __init__(self, currency: Currency) -> None:
        super().__init__(
            f"There are prices with more decimals than {currency} has ({currency.digits})."
        )


class ProductCreated(Event):
    """There is one more product."""


@dataclass(frozen=True, kw_only=True)
class ProductEdited(Event):
    """Members of a product were given other values."""

    changed_fields: tuple[str, ...]


class ProductArchived(Event):
    """A product is no longer offered."""


class ProductRestored(Event):
    """A product that was archived is offered again."""


class ProductDeleted(Event):
    """A product was struck off the list."""


class ProductDetails(TypedDict):
    """What is said of a product as it is added."""

    name: str
    sku: NotRequired[str | None]
    description: NotRequired[str | None]
    price: Decimal
    reorder_level: NotRequired[int]
    category_id: NotRequired[UUID | None]


class ProductChanges(TypedDict, total=False):
    """The members that an edit may set; absent ones are kept."""

    name: str
    sku: str | None
    description: str | None
    price: Decimal
    reorder_level: int
    category_id: UUID | None


@dataclass(eq=False, kw_only=True)
class Product(Entity):
    """Something that the workshop has pieces of.

    `price` is in the workshop's currency. `stock` counts pieces: it is the sum of the product's
    movements, and changes by them alone. At `reorder_level`, or below, more have to be ordered.
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
        now: datetime,
        *,
        by: Actor | None = None,
        products: "ProductRepository",
        currency: Currency = DEFAULT,
        **details: Unpack[ProductDetails],
    ) -> "Product":
        """Add a product, of which there are no pieces yet; its price is in a currency.

        Raises:
            InvalidField: when a value breaks the rule for its member.
            NotUnique: when another product has the SKU, in whatever case.
        """
        rules = rules_in(currency)
        kept: Any = {
            name: validate(rules.get(name), name, value) for name, value in details.items()
        }
        product = cls(id=id, created_at=now, updated_at=now, **kept)
        product._require_own_sku(products)
        product.record(ProductCreated(aggregate_id=id, at=now, by=id_of(by)))
        return product

    @property
    def name_key(self) -> str:
        """What sorting by name compares: enough of it to keep an index entry small."""
        return search_fold(self.name)[:200]

    @property
    def sku_key(self) -> str | None:
        """What makes a SKU another's: it is no other product's, whatever the case."""
        return None if self.sku is None else casefold_nfc(self.sku)

    @property
    def search_text(self) -> str:
        """What a search looks into: name, SKU and description, a line each."""
        return search_text(self.name, self.sku, self.description)

    @property
    def low_stock(self) -> bool:
        """Whether more have to be ordered."""
        return self.stock <= self.reorder_level

    @property
    def needs_reorder(self) -> bool:
        """Whether more have to be ordered of a product that is still offered."""
        return self.low_stock and not self.archived

    def edit(
        self,
        changes: ProductChanges,
        now: datetime,
        *,
        by: Actor | None = None,
        products: "ProductRepository",
        currency: Currency = DEFAULT,
    ) -> None:
        """Give members other values; a change to what they are already changes nothing.

        Raises:
            InvalidField: when a value breaks the rule for its member.
            NotUnique: when another product has the SKU, in whatever case.
        """
        needed_reorder = self.needs_reorder
        different = self.assign(changes, rules_in(currency))
        if not different:
            return
        if "sku" in different:
            self._require_own_sku(products)
        self.updated_at = self._not_before_the_last(now)
        members = tuple(different)
        self.record(
            ProductEdited(aggregate_id=self.id, at=now, by=id_of(by), changed_fields=members)
        )
        self._record_reorder_need(needed_reorder, by)

    def set_opening_stock(
        self,
        id: UUID,
        stock: int,
        now: datetime,
        *,
        by: Actor | None = None,
        movements: MovementRepository,
    ) -> None:
        """Take in what there is already of a product that was just added, if there is any.

        A product that is low then needs a reorder, unless it has no reorder level: then nothing is
        low about having none of it yet.

        Raises:
            InvalidField: when there cannot be so many.
        """
        if validate(STOCK, "stock", stock):
            self._move(id, stock, Reason.RECEIVED, now, by=by, movements=movements)
        if self.low_stock and self.reorder_level:
            self._record_reorder_need(False, by)

    def move(
        self,
        id: UUID,
        quantity: int,
        reason: Reason,
        now: datetime,
        *,
        note: str | None = None,
        by: Actor | None = None,
        movements: MovementRepository,
    ) -> Movement:
        """Take pieces in, or give them out if `quantity` is negative; return the movement.

        The movement has the id, and is kept in the ledger: there is no change of stock without one.
        What is archived may still lie on a shelf, so its stock moves like any other.

        Raises:
            InvalidField: when a value breaks the rule for its member, or the reason is a count.
            InsufficientStock: when there are fewer pieces than are to be taken.
        """
        if reason is Reason.COUNTED:
            raise InvalidField("reason", "To record a count, set the stock of the product.")
        needed_reorder = self.needs_reorder
        movement = self._move(id, quantity, reason, now, note=note, by=by, movements=movements)
        self._record_reorder_need(needed_reorder, by)
        return movement

    def count(
        self,
        id: UUID,
        counted: int,
        now: datetime,
        *,
        by: Actor | None = None,
        movements: MovementRepository,
    ) -> None:
        """Set the stock to what was counted, by a movement of the difference if there is one.

        Raises:
            InvalidField: when there cannot be so many.
        """
        difference = validate(STOCK, "stock", counted) - self.stock
        if difference:
            needed_reorder = self.needs_reorder
            self._move(id, difference, Reason.COUNTED, now, by=by, movements=movements)
            self._record_reorder_need(needed_reorder, by)

    def _move(
        self,
        id: UUID,
        quantity: int,
        reason: Reason,
        now: datetime,
        *,
        note: str | None = None,
        by: Actor | None,
        movements: MovementRepository,
    ) -> Movement:
        movement = Movement.create(
            id,
            self._not_before_the_last(now),
            product_id=self.id,
            quantity=quantity,
            reason=reason,
            note=note,
            stock_before=self.stock,
            by=by,
        )
        movements.add(movement)
        self.stock = after = movement.stock_after
        self.updated_at = at = movement.created_at
        self.record(
            StockMoved(
                aggregate_id=self.id,
                at=at,
                by=id_of(by),
                quantity=movement.quantity,
                reason=reason,
                stock_after=after,
            )
        )
        return movement

    def _record_reorder_need(self, needed_before: bool, by: Actor | None) -> None:
        """Record that a reorder has become necessary or unnecessary.

        A change back within one use case, as by a new level and a count, cancels the first.
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
            self.record(event(aggregate_id=self.id, at=at, by=id_of(by), stock=self.stock))

    def archive(self, now: datetime, by: Actor | None = None) -> None:
        """Be offered no longer."""
        if not self.archived:
            self.archived = True
            self.updated_at = self._not_before_the_last(now)
            self.record(ProductArchived(aggregate_id=self.id, at=now, by=id_of(by)))

    def restore(self, now: datetime, by: Actor | None = None) -> None:
        """Be offered again."""
        if self.archived:
            self.archived = False
            self.updated_at = self._not_before_the_last(now)
            self.record(ProductRestored(aggregate_id=self.id, at=now, by=id_of(by)))
            self._record_reorder_need(False, by)

    def delete(self, now: datetime, *, by: Actor | None = None, has_movements: bool) -> None:
        """Be struck off the list, unless the ledger tells of it.

        Raises:
            StillReferenced: when it does: archiving is what is left.
        """
        if has_movements:
            raise StillReferenced("This product has movements. Archive it instead.")
        self.record(ProductDeleted(aggregate_id=self.id, at=now, by=id_of(by)))

    def _not_before_the_last(self, now: datetime) -> datetime:
        """Return when a change is made that is made now.

        Clocks differ, and whoever waited for others has an older time than they. That the ledger,
        whose order is by time, tells of movements as they happened, no time is before the last.
        """
        return max(now, self.updated_at)

    def _require_own_sku(self, products: "ProductRepository") -> None:
        key = self.sku_key
        if key is not None and products.id_by_sku(key) not in (None, self.id):
            raise NotUnique("sku", "another product")


@dataclass(frozen=True, kw_only=True)
class ProductFilter:
    """Which products are meant; every member that is not `None` must hold."""

    archived: bool | None = None
    category_id: UUID | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    in_stock: bool | None = None
    low_stock: bool | None = None
    q: str | None = None

    def matches(self, product: Product) -> bool:
        """Whether the product is among those meant."""
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
"""The orders a list of products can have, each with the value it compares."""


class ProductRepository(Repository[Product]):
    """Where products are kept.

    Until the unit of work ends nobody else changes a product that was found: many take from one
    stock at once, and would only ever collide.
    """

    entity_name = Product.entity_name

    @abstractmethod
    def id_by_sku(self, sku_key: str) -> UUID | None:
        """Return which product has a SKU, by its key."""

    @abstractmethod
    def exists_finer_than(self, digits: int) -> bool:
        """Whether there are prices with more decimals than that."""

    @abstractmethod
    def exists_in_category(self, category_id: UUID) -> bool:
        """Whether there are products in a category."""
