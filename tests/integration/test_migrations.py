"""The migrations: one chain for both databases, up and down, and nothing drifts."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, insert, select, text

from adapters.sql import postgres, sqlite
from adapters.sql.database import REVISIONS as KNOWN
from adapters.sql.migrations import config, migrate
from adapters.sql.search import SEARCHED, keeps
from adapters.sql.tables import metadata
from domain.values import CENT
from service_layer import planning
from service_layer.errors import MigrationFailed
from service_layer.ports import Schema
from support.backends import NOON, database_at, sql_backend
from support.databases import execute, new_postgres

OLD = UUID("01900000-0000-7000-8000-000000000001")

SEARCH_TRIGGERS = {
    f"{table}_search_{change}" for table in SEARCHED for change in ("insert", "update", "delete")
}

REVISIONS = [
    script.revision
    for script in reversed(list(ScriptDirectory.from_config(config()).walk_revisions()))
]


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | URL]:
    """A database without tables."""
    if request.param == "sqlite":
        yield tmp_path / "empty.db"
        return
    server: URL = request.getfixturevalue("postgres")
    url = new_postgres(server)
    yield url
    execute(server, f"DROP DATABASE {url.database} WITH (FORCE)")


def engine_of(place: Path | URL) -> Engine:
    if isinstance(place, Path):
        return sqlite.make_engine(place, "rwc")
    return postgres.make_engine(place)


def described(engine: Engine) -> set[tuple[Any, ...]]:
    """Return what the database itself says of its tables: columns, constraints, indexes."""
    if engine.dialect.name == "sqlite":
        statement = (
            "SELECT type, name, tbl_name, sql FROM sqlite_schema"
            " WHERE name NOT LIKE 'sqlite_%' AND tbl_name <> 'alembic_version'"
        )
    else:
        statement = (
            "SELECT 'column', table_name, column_name, data_type || coalesce(collation_name, '')"
            " || is_nullable || coalesce(column_default, '') FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
            " UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes"
            " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            " UNION ALL SELECT 'constraint', conrelid::regclass::text, conname,"
            " pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace"
            " AND conrelid::regclass::text <> 'alembic_version'"
        )
    with engine.connect() as connection:
        return {tuple(map(_plain, row)) for row in connection.execute(text(statement))}


def _plain(value: Any) -> Any:
    """Even out white space, and the order in which a CREATE TABLE names its constraints."""
    if not isinstance(value, str):
        return value
    flat = re.sub(r"\s+", " ", value).strip()
    if not flat.startswith("CREATE TABLE"):
        return flat
    head, _, body = flat.partition("(")
    parts = re.split(r", (?=[A-Z\"a-z_])", body.removesuffix(")").strip())
    # A table that was made anew and then renamed has its name in quotes.
    return head.replace('"', ""), tuple(sorted(part.strip() for part in parts))


def test_the_service_works_with_the_newest_revision() -> None:
    assert tuple(REVISIONS) == KNOWN


def test_every_migration_goes_up_down_and_up_again(empty: Path | URL) -> None:
    engine = engine_of(empty)
    for number, revision in enumerate(REVISIONS):
        migrate(engine, revision)
        up = described(engine)
        migrate(engine, REVISIONS[number - 1] if number else "base")
        if number == 0:
            assert described(engine) == set()
        migrate(engine, revision)
        assert described(engine) == up
    engine.dispose()


def test_the_migrated_schema_is_that_of_the_tables(empty: Path | URL, tmp_path: Path) -> None:
    engine = engine_of(empty)
    migrate(engine)
    # What is kept beside the tables for searching only migrations make.
    migrated = {row for row in described(engine) if not any(map(keeps, row[1:3]))}
    migrate(engine, "base")
    metadata.create_all(engine)
    assert migrated == described(engine)
    assert len(migrated) >= 5
    engine.dispose()


def test_alembic_finds_nothing_left_to_migrate(empty: Path | URL) -> None:
    engine = engine_of(empty)
    migrate(engine)
    with engine.connect() as connection:
        command.check(config(connection))
    engine.dispose()


def test_migrating_again_changes_nothing_and_loses_no_row(empty: Path | URL) -> None:
    engine = engine_of(empty)
    migrate(engine)
    with sql_backend(database_at(empty)) as backend, backend.open() as uow:
        planning.add_task(uow, title="Kept", now=NOON)
        uow.commit()
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT title FROM tasks")).scalars().all() == ["Kept"]
    engine.dispose()


def test_a_schema_tells_how_it_stands(empty: Path | URL) -> None:
    database = database_at(empty)

    def ask() -> Schema:
        import asyncio

        async def asked() -> Schema:
            fresh = database_at(empty)
            try:
                return await fresh.schema()
            finally:
                await fresh.close()

        return asyncio.run(asked())

    assert ask() is Schema.EMPTY
    engine = engine_of(empty)
    migrate(engine)
    assert ask() is Schema.CURRENT
    for revision, schema in ((REVISIONS[-2], Schema.BEHIND), ("9999", Schema.AHEAD)):
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))
        assert ask() is schema
    with pytest.raises(MigrationFailed):
        migrate(engine)
    engine.dispose()
    database.engine.dispose()


def test_tasks_from_before_there_were_people_are_kept_and_name_nobody(empty: Path | URL) -> None:
    engine = engine_of(empty)
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO tasks (id, version, created_at, updated_at, title, priority,"
                " title_key, search_text) VALUES (:id, 3, :now, :now, 'Old', 5, 'old', 'old')"
            ),
            {"id": OLD.hex if isinstance(empty, Path) else OLD, "now": "2026-03-01 12:00:00+00:00"},
        )
    migrate(engine)
    engine.dispose()
    with sql_backend(database_at(empty)) as backend:
        found = backend.ask(backend.tasks.get(OLD, NOON))
        assert found is not None
        assert (found.title, found.priority, found.version) == ("Old", 5, 3)
        assert (found.created_by, found.assignee) == (None, None)
        with backend.open() as uow:
            uow.tasks.get(OLD).edit({"priority": 6}, NOON)
            uow.commit()


def test_every_migration_since_the_search_index_keeps_its_triggers(tmp_path: Path) -> None:
    engine = sqlite.make_engine(tmp_path / "empty.db", "rwc")
    migrate(engine)
    for revision in reversed(REVISIONS[REVISIONS.index("0006") :]):
        migrate(engine, revision)
        assert {row[1] for row in described(engine) if row[0] == "trigger"} == SEARCH_TRIGGERS
    engine.dispose()


def test_open_tasks_of_a_products_exact_title_refer_to_it_and_doubles_are_completed(
    empty: Path | URL,
) -> None:
    long_name = "x" * 100
    names = ["Glue", "Nails", "Nails", long_name, "Saw"]
    titles = ["Reorder Glue", "Reorder Glue", "Reorder glue", "Reorder Nails", "Reorder Nails",
              f"Reorder {'x' * 91}…", "Reorder Saw", "Glue"]  # fmt: skip
    ids = [UUID(int=number + 1) for number in range(20)]
    engine = engine_of(empty)
    migrate(engine, "0009")
    with engine.begin() as connection:
        for id, name in zip(ids, names, strict=False):
            row = {"id": id, "version": 1, "created_at": NOON, "updated_at": NOON, "name": name,
                   "price": CENT, "stock": 0, "reorder_level": 0, "archived": False,
                   "name_key": name, "search_text": name}  # fmt: skip
            connection.execute(insert(metadata.tables["products"]).values(row))
        for id, title in zip(ids, titles, strict=False):
            done = NOON if title == "Reorder Saw" else None
            row = {"id": id, "version": 3, "created_at": NOON, "updated_at": NOON, "title": title,
                   "priority": 0, "completed_at": done, "title_key": title,
                   "search_text": title}  # fmt: skip
            connection.execute(insert(metadata.tables["tasks"]).values(row))
    migrate(engine)
    tasks = metadata.tables["tasks"]
    with engine.connect() as connection:
        found = connection.execute(select(tasks).order_by(tasks.c.id)).mappings().all()
    assert [row["product_id"] for row in found] == [
        ids[0], ids[0], None, None, None, ids[3], None, None
    ]  # fmt: skip
    assert [row["completed_at"] is not None for row in found] == [
        False, True, False, False, False, False, True, False
    ]  # fmt: skip
    assert [row["version"] for row in found] == [4, 4, 3, 3, 3, 4, 3, 3]
    assert [row["title"] for row in found] == titles
    # Back again nothing but the reference is gone.
    migrate(engine, "0009")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tasks")).scalar() == len(titles)
    engine.dispose()


PRODUCT = text(
    "INSERT INTO products (id, version, created_at, updated_at, name, price, stock, reorder_level,"
    " archived, name_key, search_text)"
    " VALUES (:id, 3, :now, :now, 'Oak', :price, 0, 0, :archived, 'oak', 'oak')"
)


def test_prices_from_before_currencies_had_decimals_of_their_own_are_kept(
    empty: Path | URL,
) -> None:
    engine = engine_of(empty)
    migrate(engine, "0009")
    is_sqlite = isinstance(empty, Path)
    product = {
        "id": OLD.hex if is_sqlite else OLD,
        "now": "2026-03-01 12:00:00+00:00",
        "price": 1250 if is_sqlite else Decimal("12.50"),
        "archived": False,
    }
    with engine.begin() as connection:
        connection.execute(PRODUCT, product)

    migrate(engine)

    with sql_backend(database_at(empty)) as backend:
        found = backend.ask(backend.products.get(OLD, NOON))
        assert found is not None
        assert (str(found.price), found.version) == ("12.50", 3)
    migrate(engine, "0009")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT price FROM products")).scalar() == product["price"]
    migrate(engine)
    finer = 125_050 if is_sqlite else Decimal("12.505")
    with engine.begin() as connection:
        connection.execute(text("UPDATE products SET price = :price"), {"price": finer})
    with pytest.raises(MigrationFailed, match="more than two decimals"):
        migrate(engine, "0009")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT price FROM products")).scalar() == finer
    engine.dispose()
