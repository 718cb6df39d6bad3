"""Views of products and categories, and their query ports."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from domain.catalogue import Product, ProductFilter
from domain.categories import Category, CategoryFilter
from service_layer.queries.base import Queries, View


@dataclass(kw_only=True)
class CategoryView(View):
    """A category."""

    collection: ClassVar[str] = "categories"

    name: str

    @classmethod
    def of(cls, category: Category) -> "CategoryView":
        """Return the view of a loaded aggregate."""
        return cls._of(category)


@dataclass(kw_only=True)
class ProductCategory:
    """A category as embedded in the view of a product."""

    id: UUID
    name: str

    @classmethod
    def of(cls, category: Category | CategoryView | None) -> "ProductCategory | None":
        """Return the embedded view, or `None` without a category."""
        return None if category is None else cls(id=category.id, name=category.name)


@dataclass(kw_only=True)
class ProductView(View):
    """A product; `low_stock` means a stock at the reorder level or below."""

    collection: ClassVar[str] = "products"

    name: str
    sku: str | None
    description: str | None
    price: Decimal
    stock: int
    reorder_level: int
    category_id: UUID | None
    category: ProductCategory | None
    low_stock: bool
    archived: bool

    @classmethod
    def of(cls, product: Product, category: ProductCategory | None) -> "ProductView":
        """Return the view of a loaded aggregate with its category."""
        return cls._of(product, category=category)


class CategoryQueries(Queries[CategoryView, CategoryFilter]):
    """Query port of categories."""

    entity_name = Category.entity_name


class ProductQueries(Queries[ProductView, ProductFilter]):
    """Query port of products."""

    entity_name = Product.entity_name
