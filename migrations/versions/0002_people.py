"""Users, tokens and counters of failed sign-ins; the creator and the assignee of a task."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.schema.types import UtcDateTime

revision = "0002"
down_revision = "0001"


def entity_columns() -> list[sa.Column[object]]:
    """Return the columns that every aggregate has."""
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    ]


def upgrade() -> None:
    folded = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "users",
        *entity_columns(),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("age", sa.Integer()),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("image_file", sa.Text()),
        sa.Column("username_key", folded, nullable=False),
        sa.Column("name_key", folded, nullable=False),
        sa.Column("city_key", folded, nullable=False),
        sa.Column("search_text", folded, nullable=False),
        sa.CheckConstraint(
            "length(username) BETWEEN 1 AND 50", name=op.f("ck_users_username_length")
        ),
        sa.CheckConstraint(
            "length(email) <= 120 AND email = lower(email)", name=op.f("ck_users_email_form")
        ),
        sa.CheckConstraint("length(name) BETWEEN 2 AND 50", name=op.f("ck_users_name_length")),
        sa.CheckConstraint("age BETWEEN 0 AND 150", name=op.f("ck_users_age_range")),
        sa.CheckConstraint("length(city) <= 50", name=op.f("ck_users_city_length")),
        sa.CheckConstraint("role IN ('admin', 'member')", name=op.f("ck_users_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username_key", name=op.f("uq_users_username_key")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"])
    op.create_index("ix_users_username_key_id", "users", ["username_key", "id"])
    op.create_index("ix_users_name_key_id", "users", ["name_key", "id"])
    op.create_table(
        "tokens",
        *entity_columns(),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("name", sa.Text()),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("expires_at", UtcDateTime()),
        sa.Column("last_used_at", UtcDateTime()),
        sa.CheckConstraint(
            "purpose IN ('session', 'personal', 'setup')", name=op.f("ck_tokens_purpose_known")
        ),
        sa.CheckConstraint("scope IN ('read', 'write')", name=op.f("ck_tokens_scope_known")),
        sa.CheckConstraint(
            "(purpose = 'setup') = (user_id IS NULL)", name=op.f("ck_tokens_user_known")
        ),
        sa.CheckConstraint(
            "(purpose = 'personal') = (name IS NOT NULL)", name=op.f("ck_tokens_name_given")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_tokens_user_id"),
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
    )
    op.create_index(
        "ix_tokens_user_id_purpose_created_at_id",
        "tokens",
        ["user_id", "purpose", "created_at", "id"],
    )
    op.create_table(
        "attempts",
        *entity_columns(),
        sa.Column("times", sa.JSON(), nullable=False),
        sa.Column("forget_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index("ix_attempts_forget_at", "attempts", ["forget_at"])
    with op.batch_alter_table("tasks") as tasks:
        for name in ("assignee_id", "created_by_id"):
            tasks.add_column(sa.Column(name, sa.Uuid()))
            tasks.create_foreign_key(
                op.f(f"fk_tasks_{name}"),
                "users",
                [name],
                ["id"],
                deferrable=True,
                initially="DEFERRED",
            )
            tasks.create_index(f"ix_tasks_{name}", [name])


def downgrade() -> None:
    with op.batch_alter_table("tasks") as tasks:
        for name in ("assignee_id", "created_by_id"):
            tasks.drop_index(f"ix_tasks_{name}")
            tasks.drop_constraint(op.f(f"fk_tasks_{name}"), type_="foreignkey")
            tasks.drop_column(name)
    for table in ("attempts", "tokens", "users"):
        op.drop_table(table)
