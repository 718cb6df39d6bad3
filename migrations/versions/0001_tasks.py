"""Tasks."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.schema.types import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    folded = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date()),
        sa.Column("completed_at", UtcDateTime()),
        sa.Column("title_key", folded, nullable=False),
        sa.Column("search_text", folded, nullable=False),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 100", name=op.f("ck_tasks_title_length")),
        sa.CheckConstraint("length(description) <= 500", name=op.f("ck_tasks_description_length")),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name=op.f("ck_tasks_priority_range")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index("ix_tasks_created_at_id", "tasks", ["created_at", "id"])
    op.create_index("ix_tasks_priority_id", "tasks", ["priority", "id"])
    op.create_index("ix_tasks_due_on_id", "tasks", ["due_on", "id"])
    op.create_index("ix_tasks_title_key_id", "tasks", ["title_key", "id"])


def downgrade() -> None:
    op.drop_table("tasks")
