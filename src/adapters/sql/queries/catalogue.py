"""Reads of products and categories."""

from sqlalchemy import Uuid, bindparam, select

from adapters.sql.database import Row
from adapters.sql.queries.base import SqlQueries
from adapters.sql.queries.listing import SortColumn
from adapters.sql.schema.search import contains
from adapters.sql.schema.tables import categories, products
from adapters.sql.schema.types import Money
from domain.catalogue import ProductFilter
from domain.categories import CategoryFilter
from service_layer.queries.catalogue import (
    CategoryQueries,
    CategoryView,
    ProductCategory,
    ProductQueries,
    ProductView,
)

_low_stock = products.c.stock <= products.c.reorder_level


class SqlCategoryQueries(SqlQueries[CategoryView, CategoryFilter], CategoryQueries):
    """Read categories."""

    view_columns = (
        categories.c.id,
        categories.c.version,
        categories.c.created_at,
        categories.c.updated_at,
        categories.c.name,
    )
    columns = select(*view_columns)
    id = categories.c.id
    conditions = {"q": contains(categories.c.name_key, "q")}
    sorts = {
        "created_at": SortColumn(categories.c.created_at),
        "name": SortColumn(categories.c.name_key),
    }

    def view(self, row: Row) -> CategoryView:
        return CategoryView(**self.row_to_dict(row))


class SqlProductQueries(SqlQueries[ProductView, ProductFilter], ProductQueries):
    """Read products, each with its category."""

    view_columns = (
        products.c.id,
        products.c.version,
        products.c.created_at,
        products.c.updated_at,
        products.c.name,
        products.c.sku,
        products.c.description,
        products.c.price,
        products.c.stock,
        products.c.reorder_level,
        _low_stock.label("low_stock"),
        products.c.archived,
        products.c.category_id,
    )
    columns = select(*view_columns, categories.c.name.label("category_name")).select_from(
        products.outerjoin(categories, categories.c.id == products.c.category_id)
    )
    id = products.c.id
    search_table = products
    conditions = {
        "archived": lambda value: products.c.archived if value else ~products.c.archived,
        "category_id": lambda _: products.c.category_id == bindparam("category_id", type_=Uuid()),
        "min_price": lambda _: products.c.price >= bindparam("min_price", type_=Money()),
        "max_price": lambda _: products.c.price <= bindparam("max_price", type_=Money()),
        "in_stock": lambda value: products.c.stock > 0 if value else products.c.stock == 0,
        "low_stock": lambda value: _low_stock if value else ~_low_stock,
        "q": contains(products.c.search_text, "q"),
    }
    sorts = {
        "created_at": SortColumn(products.c.created_at),
        "name": SortColumn(products.c.name_key),
        "price": SortColumn(products.c.price),
        "stock": SortColumn(products.c.stock),
    }
    index_prefix = frozenset({"archived"})

    def view(self, row: Row) -> ProductView:
        members = self.row_to_dict(row)
        category, name = None, row[self.view_width]
        if name is not None:
            category = ProductCategory(id=members["category_id"], name=name)
        members["category"] = category
        return ProductView(**members)
