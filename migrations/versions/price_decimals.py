"""Prices with up to four decimals: unlimited in PostgreSQL, ten-thousandths in SQLite."""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "price_decimals"
down_revision = "reorder_tasks"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE products SET price = price * 100")
    else:
        # Removing the limit rewrites no rows.
        op.alter_column("products", "price", type_=sa.Numeric(), existing_nullable=False)


def downgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    finer = "price % 100 <> 0" if is_sqlite else "price <> round(price, 2)"
    if op.get_bind().scalar(sa.text(f"SELECT EXISTS (SELECT 1 FROM products WHERE {finer})")):  # noqa: S608
        raise CommandError("There are prices with more than two decimals, which would be lost.")
    if is_sqlite:
        op.execute("UPDATE products SET price = price / 100")
    else:
        op.alter_column("products", "price", type_=sa.Numeric(12, 2), existing_nullable=False)
