"""Queries of products and categories: filters, sorts, keyset pagination."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import categories
from domain.base import PageRequest
from domain.catalogue import SORTS
from domain.categories import CategoryFilter
from service_layer import catalogue
from service_layer.queries.catalogue import ProductCategory, ProductView
from support.backends import Backend
from support.filters import make_products, product_filters, some_products
from support.pagination import in_order, walk
from support.people import CTX
from support.products import add_category


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(some=some_products, sort=st.sampled_from(list(SORTS)), data=st.data())
def test_filters_orders_and_pages_of_products_agree_with_the_domain(
    backend: Backend, some: list[Any], sort: str, data: st.DataObject
) -> None:
    # Each example works in products of its own and leaves none behind.
    with backend.open() as uow:
        category = catalogue.create_category(uow, name="Tools", ctx=CTX)
        uow.commit()
    with backend.open() as uow:
        kept = make_products(uow, some, category.id)
        uow.commit()
    try:
        filter = data.draw(product_filters(category.id))
        descending = data.draw(st.booleans())
        order = PageRequest(sort=sort, descending=descending, limit=data.draw(st.integers(1, 5)))
        meant = in_order([one for one in kept if filter.matches(one)], SORTS[sort], descending)
        within_ = ProductCategory.of(category)
        expected = [ProductView.of(one, within_ if one.category_id else None) for one in meant]
        assert walk(backend.products, backend, filter, order) == expected

        skip = data.draw(st.integers(0, 6))
        page = backend.ask(
            backend.products.list_page(filter, replace(order, skip=skip, count=True))
        )
        assert page.items == expected[skip : skip + order.limit]
        assert page.total == len(expected)
    finally:
        with backend.open() as uow:
            for product in kept:
                uow.products.remove(uow.products.get(product.id))
            uow.categories.remove(uow.categories.get(category.id))
            uow.commit()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", list(categories.SORTS))
def test_categories_are_found_sorted_and_walked(
    backend: Backend, sort: str, descending: bool
) -> None:
    for name in ("zinc", "Äpfel", "Brass", "20%", "_", "apple"):
        add_category(backend, name)
    order = PageRequest(sort=sort, descending=descending, limit=2)
    found = walk(backend.categories, backend, CategoryFilter(), order)
    names = {
        "created_at": ["zinc", "Äpfel", "Brass", "20%", "_", "apple"],
        "name": ["20%", "_", "Äpfel", "apple", "Brass", "zinc"],
    }[sort]
    assert [one.name for one in found] == (names[::-1] if descending else names)
    for q, meant in (("A", {"Äpfel", "Brass", "apple"}), ("%", {"20%"}), ("_", {"_"})):
        assert {
            one.name for one in walk(backend.categories, backend, CategoryFilter(q=q), order)
        } == meant
