"""Trigram indexes in SQLite; `adapters.sql.schema.search` creates those of PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = ("tasks", "users", "posts", "products", "devices")

# The rows have explicit numbers, because the primary keys of the tables are not integers. SQLite's
# implicit row ids may change by VACUUM, by a dump and restore, or when the table is rebuilt.
INDEX = (
    "CREATE TABLE {name}_search_rows (number INTEGER NOT NULL, id CHAR(32) NOT NULL,"
    " CONSTRAINT pk_{name}_search_rows PRIMARY KEY (number),"
    " CONSTRAINT uq_{name}_search_rows_id UNIQUE (id))",
    # Matches are checked against the text itself, so the index stores no positions.
    "CREATE VIRTUAL TABLE {name}_search USING fts5("
    "text, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1')",
    "INSERT INTO {name}_search_rows (id) SELECT id FROM {name} ORDER BY created_at, id",
    "INSERT INTO {name}_search (rowid, text)"
    " SELECT number, search_text FROM {name}_search_rows JOIN {name} USING (id) ORDER BY number",
    "CREATE TRIGGER {name}_search_insert AFTER INSERT ON {name} BEGIN"
    " INSERT INTO {name}_search_rows (id) VALUES (new.id);"
    " INSERT INTO {name}_search (rowid, text)"
    " SELECT number, new.search_text FROM {name}_search_rows WHERE id = new.id; END",
    # A contentless index needs the old text to remove its entries.
    "CREATE TRIGGER {name}_search_update AFTER UPDATE OF search_text ON {name}"
    " WHEN old.search_text <> new.search_text BEGIN"
    " INSERT INTO {name}_search ({name}_search, rowid, text)"
    " SELECT 'delete', number, old.search_text FROM {name}_search_rows WHERE id = old.id;"
    " INSERT INTO {name}_search (rowid, text)"
    " SELECT number, new.search_text FROM {name}_search_rows WHERE id = old.id; END",
    "CREATE TRIGGER {name}_search_delete AFTER DELETE ON {name} BEGIN"
    " INSERT INTO {name}_search ({name}_search, rowid, text)"
    " SELECT 'delete', number, old.search_text FROM {name}_search_rows WHERE id = old.id;"
    " DELETE FROM {name}_search_rows WHERE id = old.id; END",
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in TABLES:
            for statement in INDEX:
                op.execute(sa.text(statement.format(name=name)))


def downgrade() -> None:
    for name in TABLES:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"DROP INDEX IF EXISTS ix_{name}_search_text")
        else:
            for trigger in ("insert", "update", "delete"):
                op.execute(f"DROP TRIGGER {name}_search_{trigger}")
            op.drop_table(f"{name}_search")
            op.drop_table(f"{name}_search_rows")
