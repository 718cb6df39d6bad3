"""Reads of products and categories."""

from adapters.memory.queries.base import MemoryQueries
from domain import catalogue, categories
from domain.catalogue import Product, ProductFilter
from domain.categories import Category, CategoryFilter
from service_layer.queries.catalogue import (
    CategoryQueries,
    CategoryView,
    ProductCategory,
    ProductQueries,
    ProductView,
)


class MemoryCategoryQueries(MemoryQueries[Category, CategoryView, CategoryFilter], CategoryQueries):
    """Read categories in a dictionary."""

    type = Category
    sorts = categories.SORTS

    def _view(self, entity: Category, at: None) -> CategoryView:
        return CategoryView.of(entity)


class MemoryProductQueries(MemoryQueries[Product, ProductView, ProductFilter], ProductQueries):
    """Read products in a dictionary."""

    type = Product
    sorts = catalogue.SORTS

    def _view(self, entity: Product, at: None) -> ProductView:
        found = [one for one in self._store.all(Category) if one.id == entity.category_id]
        return ProductView.of(entity, ProductCategory.of(found[0] if found else None))
