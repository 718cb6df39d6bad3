"""The migrations: one chain for both databases, up and down, and nothing drifts."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from adapters.sql.database import REVISIONS as KNOWN
from adapters.sql.postgres import database as postgres
from adapters.sql.schema.migrations import config, migrate
from adapters.sql.schema.search import SEARCHED, is_search_object
from adapters.sql.schema.tables import metadata
from adapters.sql.sqlite import engine as sqlite
from domain.base import PageRequest
from domain.catalogue import ProductFilter
from domain.tasks import TaskFilter
from domain.text import casefold_nfc, search_fold
from domain.values import CENT
from service_layer import tasks as task_use_cases
from service_layer.errors import MigrationFailed
from service_layer.ports import Schema
from support.backends import NOON, database_at, sql_backend
from support.databases import execute, new_postgres
from support.databases import text as database_text
from support.people import CTX

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
    migrated = {row for row in described(engine) if not any(map(is_search_object, row[1:3]))}
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
        task_use_cases.create_task(uow, title="Kept", ctx=CTX)
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
            uow.tasks.get(OLD).edit({"priority": 6}, CTX)
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


class Before:
    """A database at the revision before another one, with rows that are inserted by statements."""

    def __init__(self, place: Path | URL, revision: str) -> None:
        self.engine = engine_of(place)
        self.at = revision
        self._is_file = isinstance(place, Path)
        migrate(self.engine, REVISIONS[REVISIONS.index(revision) - 1])
        self._number = 0

    def add(self, table: str, **values: Any) -> UUID:
        """Insert a row; those that are added later have lower ids, and are later."""
        self._number += 1
        id = UUID(int=OLD.int + 1_000_000 - self._number)
        at = NOON + timedelta(seconds=self._number)
        entity = {
            "id": id.hex if self._is_file else id,
            "version": 1,
            "created_at": str(at)[:19] + ".000000" if self._is_file else at,
            "updated_at": str(at)[:19] + ".000000" if self._is_file else at,
        }
        made = {**entity, **values}
        names = ", ".join(made)
        places = ", ".join(f":{name}" for name in made)
        with self.engine.begin() as connection:
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), made)
        return id

    def add_user(self, username: str, email: str, **values: Any) -> UUID:
        known = {"name": "Somebody", "name_key": "x", "city": "", "city_key": "", "role": "member"}
        known |= {"password_hash": "x", "search_text": "x"}
        keys = {"username_key": username.lower(), "is_active": True}
        return self.add("users", username=username, email=email, **{**known, **keys, **values})

    def add_category(self, name: str, key: str | None = None) -> UUID:
        key = name.lower() if key is None else key
        return self.add("categories", name=name, own_key=key, name_key=key)

    def row(self, table: str, id: UUID) -> Any:
        with self.engine.connect() as connection:
            found = text(f"SELECT * FROM {table} WHERE id = :id")
            return connection.execute(found, {"id": id.hex if self._is_file else id}).one()


@pytest.fixture
def before_text_rules(empty: Path | URL) -> Iterator[Before]:
    made = Before(empty, "text_rules")
    yield made
    made.engine.dispose()


def test_texts_of_before_lose_their_control_characters_and_nothing_else(
    before_text_rules: Before,
) -> None:
    old = before_text_rules
    author = old.add_user("ella", "ella@example.org", name="Ella\tM.\x9f", city="Ulm\r\nEast")
    post = old.add(
        "posts",
        title="Circular\u00adsaw\u2028news",
        content="one\r\ntwo\rthree\u2029\x0b\tfour",
        slug="saw",
        author_id=author.hex if old._is_file else author,
        published=True,
        published_at="2026-03-01 12:00:00.000000" if old._is_file else NOON,
        title_key="x",
        search_text="circular\u00adsaw\u2028news\none\r\ntwo",
    )
    unseen = old.add(
        "tasks", title="\u200b", description="\x01", priority=0, title_key="x", search_text="x"
    )
    plain = old.add(
        "tasks", title="Öl", description="a\nb", priority=0, title_key="ol", search_text="ol\na b"
    )
    migrate(old.engine, "text_rules")
    assert (old.row("users", author).name, old.row("users", author).city) == ("Ella M.", "Ulm East")
    row = old.row("posts", post)
    assert (row.title, row.content) == ("Circular\u00adsaw news", "one\ntwo\nthree\n \tfour")
    assert (row.title_key, row.search_text) == (
        "circularsaw news",
        "circularsaw news\none two three four",
    )
    assert (row.version, row.slug) == (2, "saw")
    row = old.row("tasks", unseen)
    assert (row.title, row.description, row.version) == ("(\u200b)", "", 2)
    assert old.row("tasks", plain).version == 1

    migrate(old.engine, REVISIONS[REVISIONS.index("text_rules") - 1])
    row = old.row("posts", post)
    assert row.title == "Circular\u00adsaw news"
    assert row.search_text == "circular\u00adsaw news\none\ntwo\nthree\n \tfour"


def test_a_text_of_before_is_found_by_the_new_folding(
    before_text_rules: Before, empty: Path | URL
) -> None:
    old = before_text_rules
    id = old.add(
        "products",
        name="Circular\u00adsaw",
        price=100,
        stock=0,
        reorder_level=0,
        archived=False,
        name_key="circular\u00adsaw",
        search_text="circular\u00adsaw\n\n",
    )
    migrate(old.engine)
    with sql_backend(database_at(empty)) as backend:
        for q in ("circularsaw", "larsaw", "ls"):
            wanted = ProductFilter(q=q), PageRequest(sort="name")
            page = backend.ask(backend.products.list_page(*wanted))
            assert [each.id for each in page.items] == ([] if q == "ls" else [id])


def test_of_names_that_are_the_same_now_the_later_ones_are_numbered(
    before_text_rules: Before,
) -> None:
    old = before_text_rules
    names = (
        *("Saws", "saws\u200b", "Hand  saws", "\u00adSAWS", "Hand saws", "saws (2)", "Oils"),
        *("\u200b", "\u00ad", "x" * 50, "x" * 49 + "\u200b", "x" * 49),
    )
    ids = [old.add_category(name) for name in names]
    migrate(old.engine, "text_rules")
    after = [old.row("categories", id) for id in ids]
    assert [row.name for row in after] == [
        *("Saws", "saws\u200b (3)", "Hand  saws", "\u00adSAWS (4)", "Hand saws (2)", "saws (2)"),
        *("Oils", "(\u200b)", "(\u00ad) (2)", "x" * 50, "x" * 49 + "\u200b", "x" * 46 + " (2)"),
    ]
    assert [row.own_key for row in after] == [casefold_nfc(row.name) for row in after]
    assert [row.name_key for row in after] == [search_fold(row.name) for row in after]
    assert [row.version for row in after] == [1, 2, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2]


def test_a_serial_number_is_numbered_as_well_and_found_so(before_text_rules: Before) -> None:
    old = before_text_rules
    ids = [
        old.add(
            "devices",
            name="Lathe",
            status="active",
            heartbeat_every=60,
            serial=serial,
            serial_key=key,
            name_key="lathe",
            search_text=f"lathe\n\n{key or ''}\n",
        )
        for serial, key in (("A\u200b1", "a\u200b1"), ("A1", "a1"), (None, None), (None, None))
    ]
    migrate(old.engine, "text_rules")
    rows = [old.row("devices", id) for id in ids]
    assert [row.serial for row in rows] == ["A\u200b1", "A1 (2)", None, None]
    assert [row.serial_key for row in rows] == ["a1", "a1 (2)", None, None]
    assert rows[1].search_text == "lathe\n\na1 (2)\n"


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (("ada", "a@example.org"), ("ada\u200b", "b@example.org"), "usernames"),
        (("ada", "a@example.org"), ("eve", "a@example\u00ad.org"), "e-mail addresses"),
    ],
)
def test_users_who_cannot_be_told_apart_stop_the_migration(
    before_text_rules: Before, first: tuple[str, str], second: tuple[str, str], what: str
) -> None:
    old = before_text_rules
    ids = [old.add_user(*first), old.add_user(*second)]
    task = old.add("tasks", title="a\nb", priority=0, title_key="x", search_text="x")
    with pytest.raises(MigrationFailed, match=f"These {what} differ in invisible") as failed:
        migrate(old.engine)
    assert all(str(id) in str(failed.value) for id in ids)
    assert old.row("tasks", task).title == "a\nb"


def test_texts_are_migrated_in_batches(
    before_text_rules: Before, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = before_text_rules
    module = ScriptDirectory.from_config(config()).get_revision("text_rules").module
    names = [f"{number}\u200b" if number % 3 else f"{number % 4}" for number in range(12)]
    ids = [old.add_category(f"{name}-{n % 2}", f"{n}") for n, name in enumerate(names)]
    monkeypatch.setattr(module, "BATCH", 2)
    migrate(old.engine, "text_rules")
    rows = [old.row("categories", id) for id in ids]
    assert [row.own_key for row in rows] == [casefold_nfc(row.name) for row in rows]
    assert len({row.own_key for row in rows}) == 12
    assert sum(row.name.endswith(")") for row in rows) == 12 - len(
        {casefold_nfc(f"{name}-{n % 2}") for n, name in enumerate(names)}
    )


# A contributor's new column, in a copy of the source.

TABLES = "src/adapters/sql/schema/tables.py"
MIGRATE = """
import sys
from pathlib import Path
from alembic import command
from sqlalchemy import make_url
from adapters.sql.postgres import database as postgres
from adapters.sql.sqlite import engine as sqlite
from adapters.sql.schema.migrations import config, migrate

url = make_url(sys.argv[1])
if url.drivername == "sqlite":
    engine = sqlite.make_engine(Path(url.database), "rw")
else:
    engine = postgres.make_engine(url)
for revision in sys.argv[2:]:
    migrate(engine, revision)
    if revision == "head":
        with engine.connect() as connection:
            command.check(config(connection))
"""


@dataclass(frozen=True)
class Copy:
    """A copy of the source, in which a contributor works."""

    folder: Path

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": f"{self.folder / 'src'}:{self.folder}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def migrate(self, place: Path | URL, *revisions: str) -> None:
        url = f"sqlite:///{place}" if isinstance(place, Path) else database_text(place)
        self.run("-c", MIGRATE, url, *revisions)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, Copy]:
    """A copy with a migration that adds columns, and one with another that removes them."""
    root = Path(__file__).parents[2]
    adding = Copy(tmp_path_factory.mktemp("adding") / "copy")
    for name in ("src", "migrations"):
        shutil.copytree(root / name, adding.folder / name)
    tables = adding.folder / TABLES
    before = tables.read_text()
    after = before.replace(
        'id_column("product_id", "products", nullable=True),\n',
        """id_column("product_id", "products", nullable=True),
        Column("colour", FoldedText),
        Column("seen_at", UtcDateTime),
        Column("cost", Money),
        CheckConstraint("length(colour) <= 10", name="colour_length"),
        Index(None, "colour"),\n""",
        1,
    )
    assert after.count('"colour"') == 2
    tables.write_text(after)
    adding.run("-m", "migrations.make", "add_colour")
    removing = Copy(tmp_path_factory.mktemp("removing") / "copy")
    shutil.copytree(adding.folder, removing.folder)
    (removing.folder / TABLES).write_text(before)
    removing.run("-m", "migrations.make", "remove_colour")
    return adding, removing


def test_a_column_is_added_and_removed_by_the_migrations_that_are_written_for_it(
    empty: Path | URL, copies: tuple[Copy, Copy]
) -> None:
    adding, removing = copies
    engine = engine_of(empty)
    migrate(engine)
    before = described(engine)
    with sql_backend(database_at(empty)) as backend:

        def add_and_find(title: str) -> int:
            backend.default_runner.perform(task_use_cases.create_task, title=title, ctx=CTX)
            wanted = TaskFilter(today=NOON.date(), q="saw")
            return len(
                backend.ask(backend.tasks.list_page(wanted, PageRequest(sort="title"))).items
            )

        assert add_and_find("Sharpen the saw") == 1
        adding.migrate(empty, "head")
        names = {row[1:3] for row in described(engine)}
        assert any("ix_tasks_colour" in row for row in names)
        assert add_and_find("Oil the saw") == 2
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text("UPDATE tasks SET colour = 'ultramarine blue'"))
        removing.migrate(empty, "head")
        assert described(engine) == before
        assert add_and_find("Sell the saw") == 3
        removing.migrate(empty, "add_colour", KNOWN[-1])
        assert described(engine) == before
        assert add_and_find("Buy a saw") == 4
    engine.dispose()
