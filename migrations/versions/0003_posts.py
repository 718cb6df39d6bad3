"""Posts."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.schema.types import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    folded = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "posts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("published_at", UtcDateTime()),
        sa.Column("title_key", folded, nullable=False),
        sa.Column("search_text", folded, nullable=False),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 100", name=op.f("ck_posts_title_length")),
        sa.CheckConstraint(
            "length(content) BETWEEN 1 AND 50000", name=op.f("ck_posts_content_length")
        ),
        sa.CheckConstraint(
            "published_at IS NOT NULL OR NOT published", name=op.f("ck_posts_published_once")
        ),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["users.id"],
            name=op.f("fk_posts_author_id"),
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.UniqueConstraint("slug", name=op.f("uq_posts_slug")),
    )
    op.create_index("ix_posts_created_at_id", "posts", ["created_at", "id"])
    op.create_index("ix_posts_published_at_id", "posts", ["published_at", "id"])
    op.create_index("ix_posts_title_key_id", "posts", ["title_key", "id"])
    op.create_index("ix_posts_author_id_created_at_id", "posts", ["author_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("posts")
