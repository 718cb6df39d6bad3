"""The views of products and their categories, and the ports that answer with them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from domain.catalogue import Product, ProductFilter
from domain.categories import Category, CategoryFilter
from service_layer.queries.base import Queries, View


@dataclass(frozen=True, kw_only=True)
class CategoryView(View):
    """A category."""

    collection: ClassVar[str] = "categories"

    name: str

    @classmethod
    def of(cls, category: Category) -> "CategoryView":
        """The view of an aggregate in hand."""
        return cls.from_entity(category)


@dataclass(frozen=True, kw_only=True)
class ProductCategory:
    """A category beside a product that is in it."""

    id: UUID
    name: str

    @classmethod
    def of(cls, category: Category | CategoryView | None) -> "ProductCategory | None":
        """What is told of a category, if there is one."""
        return None if category is None else cls(id=category.id, name=category.name)


@dataclass(frozen=True, kw_only=True)
class ProductView(View):
    """A product; `low_stock` tells that more have to be ordered."""

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
        """The view of an aggregate in hand, beside the category it is in."""
        return cls.from_entity(product, category=category)


class CategoryQueries(Queries[CategoryView, CategoryFilter]):
    """The reads of categories."""

    entity_name = Category.entity_name


class ProductQueries(Queries[ProductView, ProductFilter]):
    """The reads of products."""

    entity_name = Product.entity_name
