"""Products in a backend: created, moved and read through its ports."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.stock import MovementFilter, Reason
from service_layer import catalogue
from service_layer import stock as stock_use_cases
from service_layer.queries.catalogue import ProductView
from service_layer.queries.stock import MovementView
from support.backends import NOON, Backend
from support.pagination import FIRST_PAGE
from support.use_cases import perform_as_service


def add_product(backend: Backend, name: str = "Sandpaper", **members: Any) -> UUID:
    members.setdefault("price", Decimal("12.50"))
    id: UUID = perform_as_service(backend, catalogue.create_product, name=name, **members).id
    return id


def add_category(backend: Backend, name: str = "Tools") -> UUID:
    id: UUID = perform_as_service(backend, catalogue.create_category, name=name).id
    return id


def record_movement(backend: Backend, id: UUID, quantity: int, **members: Any) -> Any:
    members.setdefault("reason", Reason.RECEIVED if quantity > 0 else Reason.SOLD)
    return perform_as_service(
        backend, stock_use_cases.record_movement, id, quantity=quantity, **members
    )


def get_product(backend: Backend, id: UUID) -> ProductView:
    return backend.ask(backend.products.one(id, NOON))


def list_movements(backend: Backend, id: UUID) -> list[MovementView]:
    return backend.ask(backend.movements.list_page(MovementFilter(product_id=id), FIRST_PAGE)).items


def stock_by_ledger(backend: Backend, id: UUID) -> int:
    """Assert that a product's stock is the sum of its ledger, and return it."""
    stock = 0
    for movement in list_movements(backend, id):
        stock += movement.quantity
        assert movement.stock_after == stock >= 0
    assert get_product(backend, id).stock == stock
    return stock
