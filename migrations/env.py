"""How Alembic runs the migrations; `adapters.sql.migrations` gives it the connection."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import text

from adapters.sql.search import keeps
from adapters.sql.tables import PARTIAL_INDEXES, metadata
from adapters.sql.types import Money, Time

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run migrations with `atelier migrate`.")


def render_item(kind: str, item: Any, autogen_context: AutogenContext) -> str | Literal[False]:
    """Write the tables' own column types by their names in a new migration."""
    if kind == "type" and isinstance(item, Time | Money):
        name = type(item).__name__
        autogen_context.imports.add(f"from adapters.sql.tables import {name}")
        return f"{name}()"
    return False


def include_object(thing: Any, name: str | None, *_: Any) -> bool:
    """Leave out what the tables do not know of: what statements make beside them."""
    return name is None or not (name in PARTIAL_INDEXES or keeps(name))


context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    render_item=render_item,
    include_object=include_object,
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        # Of two that migrate at once the second waits, and finds nothing left to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(827317)"))
    context.run_migrations()
