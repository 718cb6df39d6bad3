"""How Alembic runs the migrations; `adapters.sql.schema.migrations` gives it the connection."""

from typing import Any, Literal

from alembic import context, op
from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CHAR, DateTime, text

from adapters.sql.schema import types
from adapters.sql.schema.search import keeps
from adapters.sql.schema.tables import PARTIAL_INDEXES, metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run migrations with `atelier migrate`.")


def render_item(kind: str, item: Any, autogen_context: AutogenContext) -> str | Literal[False]:
    """Write the tables' own column types by their names in a new migration.

    A member of an enumeration is text to a migration, since the enumeration may change after it.
    """
    if kind != "type":
        return False
    # A column that is removed has the type that SQLite tells of it.
    if isinstance(item, CHAR) and item.length == 32:
        return "sa.Uuid()"
    if isinstance(item, DateTime):
        item = types.UtcDateTime()
    if type(item).__module__ != types.__name__:
        return False
    if isinstance(item, types.EnumText):
        return "sa.Text()"
    name = type(item).__name__
    autogen_context.imports.add(f"from adapters.sql.schema.types import {name}")
    return f"{name}()"


def include_object(thing: Any, name: str | None, *_: Any) -> bool:
    """Leave out what the tables do not know of: what statements make beside them."""
    return name is None or not (name in PARTIAL_INDEXES or keeps(name))


def check_references(ctx: MigrationContext, *_: Any, **__: Any) -> None:
    """Check deferred foreign keys after each revision.

    PostgreSQL alters no table and makes no index on one with rows whose check is pending, so a
    revision that changes rows would stop those after it in the same transaction.
    """
    if ctx.dialect.name == "postgresql":
        for when in ("IMMEDIATE", "DEFERRED"):
            op.execute(f"SET CONSTRAINTS ALL {when}")


context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    render_item=render_item,
    include_object=include_object,
    compare_type=True,
    autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    transaction_per_migration=False,
    on_version_apply=check_references,
)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        # Of two that migrate at once the second waits, and finds nothing left to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(827317)"))
    context.run_migrations()
