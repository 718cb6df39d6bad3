"""Catalogue and stock: categories, products, and stock movements."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.schema.types import UtcDateTime

revision = "0004"
down_revision = "0003"


def entity_columns() -> list[sa.Column[object]]:
    """Return the columns that every aggregate has."""
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    ]


def reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    """Return a foreign key that is checked at the end of a transaction."""
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=name, deferrable=True, initially="DEFERRED"
    )


def upgrade() -> None:
    folded = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    hundredths = sa.Numeric(12, 2).with_variant(sa.BigInteger(), "sqlite")
    op.create_table(
        "categories",
        *entity_columns(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("own_key", folded, nullable=False),
        sa.Column("name_key", folded, nullable=False),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 50", name=op.f("ck_categories_name_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("own_key", name=op.f("uq_categories_own_key")),
    )
    op.create_index("ix_categories_created_at_id", "categories", ["created_at", "id"])
    op.create_index("ix_categories_name_key_id", "categories", ["name_key", "id"])
    op.create_table(
        "products",
        *entity_columns(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text()),
        sa.Column("description", sa.Text()),
        sa.Column("price", hundredths, nullable=False),
        sa.Column("stock", sa.Integer(), nullable=False),
        sa.Column("reorder_level", sa.Integer(), nullable=False),
        sa.Column("category_id", sa.Uuid()),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("name_key", folded, nullable=False),
        sa.Column("sku_key", folded),
        sa.Column("search_text", folded, nullable=False),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name=op.f("ck_products_name_length")),
        sa.CheckConstraint("length(sku) BETWEEN 1 AND 40", name=op.f("ck_products_sku_length")),
        sa.CheckConstraint(
            "length(description) <= 500", name=op.f("ck_products_description_length")
        ),
        sa.CheckConstraint("price >= 0", name=op.f("ck_products_price_range")),
        sa.CheckConstraint("stock BETWEEN 0 AND 1000000000", name=op.f("ck_products_stock_range")),
        sa.CheckConstraint(
            "reorder_level BETWEEN 0 AND 1000000000", name=op.f("ck_products_reorder_level_range")
        ),
        reference("products", "category_id", "categories"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("sku_key", name=op.f("uq_products_sku_key")),
    )
    for sort in ("created_at", "name_key", "price", "stock"):
        op.create_index(f"ix_products_archived_{sort}_id", "products", ["archived", sort, "id"])
    op.create_index("ix_products_category_id", "products", ["category_id"])
    op.create_table(
        "movements",
        *entity_columns(),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("stock_after", sa.Integer(), nullable=False),
        sa.Column("created_by_id", sa.Uuid()),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_movements_quantity_moves")),
        sa.CheckConstraint(
            "reason IN ('received', 'sold', 'used', 'returned', 'lost', 'counted')",
            name=op.f("ck_movements_reason_known"),
        ),
        sa.CheckConstraint("length(note) <= 200", name=op.f("ck_movements_note_length")),
        sa.CheckConstraint(
            "stock_after BETWEEN 0 AND 1000000000", name=op.f("ck_movements_stock_after_range")
        ),
        reference("movements", "product_id", "products"),
        reference("movements", "created_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_movements")),
    )
    op.create_index(
        "ix_movements_product_id_created_at_id", "movements", ["product_id", "created_at", "id"]
    )
    op.create_index("ix_movements_created_by_id", "movements", ["created_by_id"])


def downgrade() -> None:
    for table in ("movements", "products", "categories"):
        op.drop_table(table)
