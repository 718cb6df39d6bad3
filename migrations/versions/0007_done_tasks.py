"""Partial index of completed tasks by time of completion."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    done = sa.text("completed_at IS NOT NULL")
    op.create_index(
        "ix_tasks_completed_at",
        "tasks",
        ["completed_at"],
        sqlite_where=done,
        postgresql_where=done,
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_completed_at", "tasks")
