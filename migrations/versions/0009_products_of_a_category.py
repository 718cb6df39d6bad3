"""Index of products by category, archived and price, which replaces the one by category."""

from alembic import op

revision = "0009"
down_revision = "0008"

COLUMNS = ["category_id", "archived", "price", "id"]


def upgrade() -> None:
    op.create_index("ix_products_category_id_archived_price_id", "products", COLUMNS)
    op.drop_index("ix_products_category_id", "products")


def downgrade() -> None:
    op.create_index("ix_products_category_id", "products", ["category_id"])
    op.drop_index("ix_products_category_id_archived_price_id", "products")
