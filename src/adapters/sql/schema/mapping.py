"""Imperative mapping of the aggregates to their tables, executed on import."""

from typing import Any

from sqlalchemy import Connection, Table, event
from sqlalchemy.orm import Mapper, registry

from adapters.sql.schema.tables import (
    categories,
    devices,
    idempotency_records,
    login_throttles,
    movements,
    posts,
    products,
    tasks,
    tokens,
    users,
)
from domain.access import Token
from domain.base import Entity
from domain.catalogue import Product
from domain.categories import Category
from domain.devices import Device
from domain.idempotency import IdempotencyRecord
from domain.login_throttle import LoginThrottle
from domain.posts import Post
from domain.stock import Movement
from domain.tasks import Task
from domain.users import User

_registry = registry()

TABLES: dict[type[Entity], Table] = {}

DERIVED: dict[type[Entity], tuple[str, ...]] = {}
"""The properties of each aggregate that are also stored in columns."""


def _map(entity: type[Entity], table: Table, derived: tuple[str, ...] = ()) -> None:
    """Map an aggregate; the stored value of a `derived` property is the attribute `_name`."""
    _registry.map_imperatively(
        entity,
        table,
        version_id_col=table.c.version,
        # Computed columns are for queries only.
        exclude_properties=[column.key for column in table.c if column.computed is not None],
        properties={f"_{name}": table.c[name] for name in derived},
    )
    TABLES[entity], DERIVED[entity] = table, derived
    if derived:
        event.listen(entity, "before_insert", _derive)
        event.listen(entity, "before_update", _derive)


def _derive(mapper: Mapper[Any], connection: Connection, entity: Any) -> None:
    """Set the stored values of derived properties before a flush."""
    for name in DERIVED[type(entity)]:
        setattr(entity, f"_{name}", getattr(entity, name))


_map(Task, tasks, derived=("title_key", "search_text"))
_map(User, users, derived=("username_key", "name_key", "city_key", "search_text"))
_map(Token, tokens)
_map(LoginThrottle, login_throttles)
_map(IdempotencyRecord, idempotency_records)
_map(Post, posts, derived=("title_key", "search_text"))
_map(Category, categories, derived=("unique_key", "name_key"))
_map(Product, products, derived=("name_key", "sku_key", "search_text"))
_map(Movement, movements)
_map(Device, devices, derived=("name_key", "kind_key", "serial_key", "search_text"))
