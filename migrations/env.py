"""Alembic's environment; `adapters.sql.schema.migrations` passes the connection."""

from typing import Any, Literal

from alembic import context, op
from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CHAR, DateTime, text

from adapters.sql.schema import types
from adapters.sql.schema.search import is_search_object
from adapters.sql.schema.tables import PARTIAL_INDEXES, metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run migrations with `atelier migrate`.")


def render_item(kind: str, item: Any, autogen_context: AutogenContext) -> str | Literal[False]:
    """Render the service's own column types by name in a new migration.

    An enumeration is rendered as text, because its members may change later.
    """
    if kind != "type":
        return False
    # A dropped column has the type that SQLite reports.
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
    """Exclude objects that are not in the table metadata because statements create them."""
    return name is None or not (name in PARTIAL_INDEXES or is_search_object(name))


def check_references(ctx: MigrationContext, *_: Any, **__: Any) -> None:
    """Check deferred foreign keys after each revision.

    PostgreSQL refuses to alter or index a table with pending foreign key checks. A revision that
    changes rows would block later ones in the same transaction.
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
        # Of two concurrent migrations, the second waits and finds nothing to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(827317)"))
    context.run_migrations()
