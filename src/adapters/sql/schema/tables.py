"""The table definitions, identical in SQLite and PostgreSQL."""

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
)

from adapters.sql.schema.columns import entity_columns, id_column, user_column
from adapters.sql.schema.types import (
    DateTimeArray,
    EnumText,
    EpochMicros,
    FoldedText,
    Money,
    UtcDateTime,
)
from domain.access import Purpose, Scope
from domain.actors import Role
from domain.devices import LATE_FOR, ONLINE_FOR, Status
from domain.stock import Reason

# Every constraint has a name in both databases, so that migrations can refer to it.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = Table(
    "users",
    metadata,
    *entity_columns(),
    Column("username", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("age", Integer),
    Column("city", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("role", EnumText(Role), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("image_file", Text),
    Column("username_key", FoldedText, nullable=False),
    Column("name_key", FoldedText, nullable=False),
    Column("city_key", FoldedText, nullable=False),
    Column("search_text", FoldedText, nullable=False),
    UniqueConstraint("username_key"),
    UniqueConstraint("email"),
    CheckConstraint("length(username) BETWEEN 1 AND 50", name="username_length"),
    CheckConstraint("length(email) <= 120 AND email = lower(email)", name="email_form"),
    CheckConstraint("length(name) BETWEEN 2 AND 50", name="name_length"),
    CheckConstraint("age BETWEEN 0 AND 150", name="age_range"),
    CheckConstraint("length(city) <= 50", name="city_length"),
    CheckConstraint("role IN ('admin', 'member')", name="role_known"),
    Index(None, "created_at", "id"),
    Index(None, "username_key", "id"),
    Index(None, "name_key", "id"),
)

tokens = Table(
    "tokens",
    metadata,
    *entity_columns(),
    Column("purpose", EnumText(Purpose), nullable=False),
    user_column("user_id", nullable=True),
    Column("name", Text),
    Column("scope", EnumText(Scope), nullable=False),
    Column("digest", Text, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    UniqueConstraint("digest"),
    CheckConstraint("purpose IN ('session', 'personal', 'setup')", name="purpose_known"),
    CheckConstraint("scope IN ('read', 'write')", name="scope_known"),
    CheckConstraint("(purpose = 'setup') = (user_id IS NULL)", name="user_known"),
    CheckConstraint("(purpose = 'personal') = (name IS NOT NULL)", name="name_given"),
    Index(None, "user_id", "purpose", "created_at", "id"),
)

# The database keeps former names of tables and columns: `attempts`, `receipts`, `times` and others.
login_throttles = Table(
    "attempts",
    metadata,
    *entity_columns(),
    Column("times", DateTimeArray, key="failed_at", nullable=False),
    Column("forget_at", UtcDateTime, key="expires_at", nullable=False),
    Index(None, "expires_at"),
)

idempotency_records = Table(
    "receipts",
    metadata,
    *entity_columns(),
    Column("place", Text, key="location", nullable=False),
    Column("forget_at", UtcDateTime, key="expires_at", nullable=False),
    Index(None, "expires_at"),
)

posts = Table(
    "posts",
    metadata,
    *entity_columns(),
    Column("title", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("slug", Text, nullable=False),
    user_column("author_id", nullable=False),
    Column("published", Boolean, nullable=False),
    Column("published_at", UtcDateTime),
    Column("title_key", FoldedText, nullable=False),
    Column("search_text", FoldedText, nullable=False),
    UniqueConstraint("slug"),
    CheckConstraint("length(title) BETWEEN 1 AND 100", name="title_length"),
    CheckConstraint("length(content) BETWEEN 1 AND 50000", name="content_length"),
    CheckConstraint("published_at IS NOT NULL OR NOT published", name="published_once"),
    Index(None, "created_at", "id"),
    Index(None, "published_at", "id"),
    Index(None, "title_key", "id"),
    Index(None, "author_id", "created_at", "id"),
)

tasks = Table(
    "tasks",
    metadata,
    *entity_columns(),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("priority", Integer, nullable=False),
    Column("due_on", Date),
    user_column("assignee_id", nullable=True),
    user_column("created_by_id", nullable=True),
    Column("completed_at", UtcDateTime),
    id_column("product_id", "products", nullable=True),
    # Sort keys and search text are updated together with the columns they derive from.
    Column("title_key", FoldedText, nullable=False),
    Column("search_text", FoldedText, nullable=False),
    CheckConstraint("length(title) BETWEEN 1 AND 100", name="title_length"),
    CheckConstraint("length(description) <= 500", name="description_length"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority_range"),
    Index(None, "created_at", "id"),
    Index(None, "priority", "id"),
    Index(None, "due_on", "id"),
    Index(None, "title_key", "id"),
    Index(None, "assignee_id"),
    Index(None, "created_by_id"),
)

PARTIAL_INDEXES = {
    # Completed tasks by time. Open tasks, as all are at first, cost this index nothing.
    "ix_tasks_completed_at": "INDEX {} ON tasks (completed_at) WHERE completed_at IS NOT NULL",
    # Reorder tasks by product, also for the foreign key. Most tasks refer to no product.
    "ix_tasks_product_id": "INDEX {} ON tasks (product_id) WHERE product_id IS NOT NULL",
    # One open reorder task per product.
    "uq_tasks_product_id": "UNIQUE INDEX {} ON tasks (product_id) WHERE completed_at IS NULL",
}
"""Partial indexes by name, as statements.

An `Index` with a condition makes SQLAlchemy load both databases' dialects, a twentieth of the
service's memory. Alembic ignores these indexes.
"""

for _name, _index in PARTIAL_INDEXES.items():
    event.listen(
        tasks,
        "after_create",
        DDL(f"CREATE {_index.format(_name)}"),  # type: ignore[no-untyped-call]
    )

categories = Table(
    "categories",
    metadata,
    *entity_columns(),
    Column("name", Text, nullable=False),
    Column("own_key", FoldedText, key="unique_key", nullable=False),
    Column("name_key", FoldedText, nullable=False),
    UniqueConstraint("unique_key"),
    CheckConstraint("length(name) BETWEEN 1 AND 50", name="name_length"),
    Index(None, "created_at", "id"),
    Index(None, "name_key", "id"),
)

products = Table(
    "products",
    metadata,
    *entity_columns(),
    Column("name", Text, nullable=False),
    Column("sku", Text),
    Column("description", Text),
    Column("price", Money, nullable=False),
    Column("stock", Integer, nullable=False),
    Column("reorder_level", Integer, nullable=False),
    id_column("category_id", "categories", nullable=True),
    Column("archived", Boolean, nullable=False),
    Column("name_key", FoldedText, nullable=False),
    Column("sku_key", FoldedText),
    Column("search_text", FoldedText, nullable=False),
    UniqueConstraint("sku_key"),
    CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
    CheckConstraint("length(sku) BETWEEN 1 AND 40", name="sku_length"),
    CheckConstraint("length(description) <= 500", name="description_length"),
    CheckConstraint("price >= 0", name="price_range"),
    CheckConstraint("stock BETWEEN 0 AND 1000000000", name="stock_range"),
    CheckConstraint("reorder_level BETWEEN 0 AND 1000000000", name="reorder_level_range"),
    # Each list shows either archived or active products.
    Index(None, "archived", "created_at", "id"),
    Index(None, "archived", "name_key", "id"),
    Index(None, "archived", "price", "id"),
    Index(None, "archived", "stock", "id"),
    Index(None, "category_id", "archived", "price", "id"),
)

movements = Table(
    "movements",
    metadata,
    *entity_columns(),
    id_column("product_id", "products", nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("reason", EnumText(Reason), nullable=False),
    Column("note", Text),
    Column("stock_after", Integer, nullable=False),
    user_column("created_by_id", nullable=True),
    CheckConstraint("quantity <> 0", name="quantity_moves"),
    CheckConstraint(
        "reason IN ('received', 'sold', 'used', 'returned', 'lost', 'counted')",
        name="reason_known",
    ),
    CheckConstraint("length(note) <= 200", name="note_length"),
    CheckConstraint("stock_after BETWEEN 0 AND 1000000000", name="stock_after_range"),
    Index(None, "product_id", "created_at", "id"),
    Index(None, "created_by_id"),
)


def _after_heartbeat(times: float) -> Computed:
    """Return a computed column: the last heartbeat plus a multiple of `heartbeat_every`.

    The database computes it, because a heartbeat and an edit each write one of the two inputs.
    """
    return Computed(f"last_seen_at + heartbeat_every * {int(times * 1_000_000)}", persisted=True)


devices = Table(
    "devices",
    metadata,
    *entity_columns(),
    Column("name", Text, nullable=False),
    Column("kind", Text),
    Column("serial", Text),
    Column("location", Text),
    Column("status", EnumText(Status), nullable=False),
    # A day in microseconds exceeds 32 bits.
    Column("heartbeat_every", BigInteger, nullable=False),
    Column("key_digest", Text),
    Column("last_seen_at", EpochMicros),
    Column("agent_version", Text),
    Column("metrics", JSON(none_as_null=True)),
    Column("name_key", FoldedText, nullable=False),
    Column("kind_key", FoldedText),
    Column("serial_key", FoldedText),
    Column("search_text", FoldedText, nullable=False),
    Column("online_until", EpochMicros, _after_heartbeat(ONLINE_FOR)),
    Column("late_until", EpochMicros, _after_heartbeat(LATE_FOR)),
    UniqueConstraint("serial_key"),
    UniqueConstraint("key_digest"),
    CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
    CheckConstraint("length(kind) <= 50", name="kind_length"),
    CheckConstraint("length(serial) BETWEEN 1 AND 100", name="serial_length"),
    CheckConstraint("length(location) <= 100", name="location_length"),
    CheckConstraint("status IN ('active', 'maintenance', 'retired')", name="status_known"),
    CheckConstraint("heartbeat_every BETWEEN 10 AND 86400", name="heartbeat_every_range"),
    CheckConstraint("length(agent_version) <= 50", name="agent_version_length"),
    Index(None, "created_at", "id"),
    Index(None, "name_key", "id"),
    Index(None, "last_seen_at", "id"),
    # Offline devices. Most other devices are online, for which an index would not help.
    Index(None, "late_until"),
)
