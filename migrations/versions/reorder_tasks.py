"""The product of a reorder task; at most one reorder task per product is open."""

from collections import Counter
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from migrations.alter import alter_table

from adapters.sql.schema.types import UtcDateTime

revision = "reorder_tasks"
down_revision = "0009"

products = sa.table("products", sa.column("id", sa.Uuid), sa.column("name", sa.Text))
tasks = sa.table(
    "tasks",
    sa.column("id", sa.Uuid),
    sa.column("version", sa.Integer),
    sa.column("created_at", UtcDateTime),
    sa.column("updated_at", UtcDateTime),
    sa.column("title", sa.Text),
    sa.column("completed_at", UtcDateTime),
    sa.column("product_id", sa.Uuid),
)


def upgrade() -> None:
    with alter_table("tasks") as table:
        table.add_column(sa.Column("product_id", sa.Uuid(), nullable=True))
        table.create_foreign_key(
            op.f("fk_tasks_product_id"),
            "products",
            ["product_id"],
            ["id"],
            deferrable=True,
            initially="DEFERRED",
        )
    _create_index("ix_tasks_product_id", "product_id IS NOT NULL")
    _create_index("uq_tasks_product_id", "completed_at IS NULL", unique=True)
    _refer_to_products(op.get_bind())


def downgrade() -> None:
    op.drop_index("uq_tasks_product_id", "tasks")
    op.drop_index("ix_tasks_product_id", "tasks")
    with alter_table("tasks") as table:
        table.drop_constraint("fk_tasks_product_id", type_="foreignkey")
        table.drop_column("product_id")


def _create_index(name: str, condition: str, *, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(
        name, "tasks", ["product_id"], unique=unique, sqlite_where=where, postgresql_where=where
    )


def _refer_to_products(connection: sa.Connection) -> None:
    """Set the product of open tasks whose title matches exactly one; complete all but the oldest.

    Completed duplicates refer to the product too, so that they cannot be reopened beside the open
    one.
    """
    now = datetime.now(UTC)
    named = [(_title(name), id) for id, name in connection.execute(sa.select(products))]
    counts = Counter(title for title, _ in named)
    by_title = {title: id for title, id in named if counts[title] == 1}
    open_ones = (
        sa.select(tasks.c.id, tasks.c.title)
        .where(
            tasks.c.completed_at.is_(None), tasks.c.title.startswith("Reorder ", autoescape=True)
        )
        .order_by(tasks.c.created_at, tasks.c.id)
    )
    tied = set()
    for id, title in connection.execute(open_ones).all():
        product_id = by_title.get(title)
        if product_id is None:
            continue
        changes = {"product_id": product_id, "version": tasks.c.version + 1, "updated_at": now}
        if product_id in tied:
            changes["completed_at"] = now
        tied.add(product_id)
        connection.execute(sa.update(tasks).where(tasks.c.id == id).values(changes))


def _title(name: str) -> str:
    """Return a reorder task's title in the format used until this revision."""
    title = f"Reorder {name}"
    return title if len(title) <= 100 else f"{title[:99]}…"
