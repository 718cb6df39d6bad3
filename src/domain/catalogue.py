"""The catalogue: products and their prices."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar, NotRequired, TypedDict, Unpack
from uuid import UUID

from domain.base import Context, Event, Repository, validate
from domain.currencies import DEFAULT, Currency
from domain.errors import DomainError, NotUnique, StillReferenced
from domain.stock import STOCK
from domain.stock_item import StockItem
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
class Product(StockItem):
    """A product, which is a stock item; `price` is in the service's currency."""

    entity_name: ClassVar[str] = "product"

    name: str
    sku: str | None = None
    description: str | None = None
    price: Decimal
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
