"""Devices."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.schema.types import EpochMicros, UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    folded = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text()),
        sa.Column("serial", sa.Text()),
        sa.Column("location", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("heartbeat_every", sa.BigInteger(), nullable=False),
        sa.Column("key_digest", sa.Text()),
        sa.Column("last_seen_at", EpochMicros()),
        sa.Column("agent_version", sa.Text()),
        sa.Column("metrics", sa.JSON()),
        sa.Column("name_key", folded, nullable=False),
        sa.Column("kind_key", folded),
        sa.Column("serial_key", folded),
        sa.Column("search_text", folded, nullable=False),
        sa.Column(
            "online_until",
            EpochMicros(),
            sa.Computed("last_seen_at + heartbeat_every * 1500000", persisted=True),
        ),
        sa.Column(
            "late_until",
            EpochMicros(),
            sa.Computed("last_seen_at + heartbeat_every * 3000000", persisted=True),
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name=op.f("ck_devices_name_length")),
        sa.CheckConstraint("length(kind) <= 50", name=op.f("ck_devices_kind_length")),
        sa.CheckConstraint(
            "length(serial) BETWEEN 1 AND 100", name=op.f("ck_devices_serial_length")
        ),
        sa.CheckConstraint("length(location) <= 100", name=op.f("ck_devices_location_length")),
        sa.CheckConstraint(
            "status IN ('active', 'maintenance', 'retired')", name=op.f("ck_devices_status_known")
        ),
        sa.CheckConstraint(
            "heartbeat_every BETWEEN 10 AND 86400", name=op.f("ck_devices_heartbeat_every_range")
        ),
        sa.CheckConstraint(
            "length(agent_version) <= 50", name=op.f("ck_devices_agent_version_length")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("serial_key", name=op.f("uq_devices_serial_key")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_devices_key_digest")),
    )
    op.create_index("ix_devices_created_at_id", "devices", ["created_at", "id"])
    op.create_index("ix_devices_name_key_id", "devices", ["name_key", "id"])
    op.create_index("ix_devices_last_seen_at_id", "devices", ["last_seen_at", "id"])
    op.create_index("ix_devices_late_until", "devices", ["late_until"])


def downgrade() -> None:
    op.drop_table("devices")
