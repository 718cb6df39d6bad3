"""Apply the current text rules to stored texts, and recompute their folded columns.

Control characters in single-line texts become spaces, and lines of other texts end with a line
feed. All folded columns are recomputed, because folding now ignores invisible characters, repeated
white space, and the difference between typographic and plain quotes and dashes. If two names, SKUs
or serial numbers become equal, the later one gets a number.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from domain.text import NOT_IN_LINE, NOT_IN_LINES, VISIBLE, casefold_nfc, search_fold, search_text
from service_layer.errors import MigrationFailed

revision = "text_rules"
down_revision = "price_decimals"

BATCH = 1_000
"""Rows per batch."""

Row = Mapping[str, Any]
Folding = Callable[[str], str]


@dataclass(frozen=True)
class Line:
    """The rule of a single-line or multi-line text, with its length limits."""

    least: int
    most: int
    lines: bool = False

    def cleaned(self, text: str | None) -> str | None:
        """Return the text without control characters.

        A required text without visible characters is put in parentheses, so that it can be clicked.
        """
        if text is None:
            return None
        ends, forbidden = (_ENDS, NOT_IN_LINES) if self.lines else (_LINE_END, NOT_IN_LINE)
        kept = ends.sub("\n" if self.lines else " ", text)
        kept = re.sub(f"[{forbidden}]", " ", kept)
        if kept != text:
            kept = kept.strip()
        unseen = not self.lines and re.search(VISIBLE, kept) is None
        if len(kept) < self.least or (self.least and unseen):
            kept = f"({kept[: self.most - 2]})"
        return kept


_ENDS = re.compile("\r\n|[\r\u2028\u2029]")
_LINE_END = re.compile("\r\n")


@dataclass(frozen=True)
class Unique:
    """A text that must be unique, and the column of its folded key."""

    text: str
    key: str
    what: str
    compared: Folding = casefold_nfc
    renames: bool = True
    """Whether the migration may change the text of a duplicate."""


@dataclass(frozen=True)
class Kept:
    """A table with texts."""

    name: str
    texts: Mapping[str, Line]
    folded: Mapping[str, str] = field(default_factory=dict)
    """Columns with the folded text of another column."""
    folded_in_part: Mapping[str, str] = field(default_factory=dict)
    """Columns with the first 200 characters of the folded text."""
    searched: Sequence[str] = ()
    unique: Sequence[Unique] = ()

    @property
    def columns(self) -> list[str]:
        """The columns that the migration reads."""
        pairs = [(unique.text, unique.key) for unique in self.unique]
        names = [*self.texts, *self.folded, *self.folded_in_part, *self.searched]
        names += [name for pair in pairs for name in pair]
        more = ["search_text"] if self.searched else []
        return list(dict.fromkeys(["id", "version", "created_at", *names, *more]))

    @cached_property
    def table(self) -> sa.TableClause:
        """The table with these columns."""
        types: dict[str, Any] = {"id": sa.Uuid(), "version": sa.Integer()}
        return sa.table(self.name, *(sa.column(n, types.get(n)) for n in self.columns))


TITLE = Line(1, 100)
DESCRIPTION = Line(0, 500, lines=True)
TABLES = (
    Kept(
        "users",
        {"name": Line(2, 50), "city": Line(0, 50)},
        {"username_key": "username", "name_key": "name", "city_key": "city"},
        {},
        ("username", "name", "city"),
        (
            Unique("username", "username_key", "usernames", search_fold, renames=False),
            Unique("email", "email", "e-mail addresses", renames=False),
        ),
    ),
    Kept("tokens", {"name": TITLE}),
    Kept(
        "posts",
        {"title": TITLE, "content": Line(1, 50_000, lines=True)},
        {},
        {"title_key": "title"},
        ("title", "content"),
    ),
    Kept(
        "tasks",
        {"title": TITLE, "description": DESCRIPTION},
        {},
        {"title_key": "title"},
        ("title", "description"),
    ),
    Kept(
        "categories",
        {"name": Line(1, 50)},
        {"name_key": "name"},
        unique=(Unique("name", "own_key", "categories"),),
    ),
    Kept(
        "products",
        {"name": TITLE, "sku": Line(1, 40), "description": DESCRIPTION},
        {},
        {"name_key": "name"},
        ("name", "sku", "description"),
        (Unique("sku", "sku_key", "SKUs"),),
    ),
    Kept("movements", {"note": Line(0, 200)}),
    Kept(
        "devices",
        {
            "name": TITLE,
            "kind": Line(0, 50),
            "serial": Line(1, 100),
            "location": Line(0, 100),
            "agent_version": Line(0, 50),
        },
        {"kind_key": "kind"},
        {"name_key": "name"},
        ("name", "kind", "serial", "location"),
        (Unique("serial", "serial_key", "serial numbers"),),
    ),
)


def upgrade() -> None:
    connection = op.get_bind()
    for kept in TABLES:
        names: dict[UUID, dict[str, str]] = {}
        for unique in kept.unique:
            for id, text in _renamed(connection, kept, unique).items():
                names.setdefault(id, {})[unique.text] = text

        def changed(row: Row, kept: Kept = kept, names: Any = names) -> dict[str, Any]:
            texts = {name: line.cleaned(row[name]) for name, line in kept.texts.items()}
            texts |= names.get(row["id"], {})
            more = 1 if any(row[name] != text for name, text in texts.items()) else 0
            return {**_keys(kept, {**row, **texts}), **texts, "version": row["version"] + more}

        # First rename the duplicates, so that their keys become free for other rows.
        for ids in _batches(names):
            _write(connection, kept, _rows(connection, kept, kept.table.c.id.in_(ids)), changed)
        for rows in _walk(connection, kept):
            _write(connection, kept, rows, changed)


def downgrade() -> None:
    # The texts stay, because they satisfy the earlier rules too.
    connection = op.get_bind()
    for kept in TABLES:

        def changed(row: Row, kept: Kept = kept) -> dict[str, Any]:
            return _keys(kept, row, _fold_before, _caseless_before, _search_text_before)

        for rows in _walk(connection, kept):
            _write(connection, kept, rows, changed)


def _keys(
    kept: Kept,
    row: Row,
    fold: Folding = search_fold,
    caseless: Folding = casefold_nfc,
    searched: Callable[..., str] = search_text,
) -> dict[str, Any]:
    """Return the values of a row's folded columns."""
    made = {key: row[text] and fold(row[text]) for key, text in kept.folded.items()}
    for key, text in kept.folded_in_part.items():
        made[key] = fold(row[text])[:200]
    if kept.searched:
        made["search_text"] = searched(*(row[name] for name in kept.searched))
    for unique in kept.unique:
        if unique.renames:
            made[unique.key] = row[unique.text] and caseless(row[unique.text])
    return made


def _walk(connection: sa.Connection, kept: Kept) -> Iterator[list[Row]]:
    """Yield all rows of a table in batches (keyset pagination by id)."""
    id, after = kept.table.c.id, None
    while rows := _rows(connection, kept, sa.true() if after is None else id > after):
        after = rows[-1]["id"]
        yield rows


def _batches(every: Iterable[Any]) -> Iterator[list[Any]]:
    listed = list(every)
    for start in range(0, len(listed), BATCH):
        yield listed[start : start + BATCH]


def _rows(connection: sa.Connection, kept: Kept, where: sa.ColumnElement[bool]) -> list[Row]:
    found = sa.select(kept.table).where(where).order_by(kept.table.c.id).limit(BATCH)
    return [row._asdict() for row in connection.execute(found)]


def _write(
    connection: sa.Connection,
    kept: Kept,
    rows: Iterable[Row],
    changed: Callable[[Row], dict[str, Any]],
) -> None:
    """Update the rows that change."""
    made = [(row, changed(row)) for row in rows]
    written = [
        {"row_id": row["id"], **values}
        for row, values in made
        if any(row[name] != value for name, value in values.items())
    ]
    if written:
        names = [name for name in written[0] if name != "row_id"]
        table = kept.table
        update = table.update().where(table.c.id == sa.bindparam("row_id", type_=sa.Uuid()))
        connection.execute(update.values({name: sa.bindparam(name) for name in names}), written)


@dataclass(frozen=True, order=True)
class Named:
    """A row with a text that must be unique."""

    created_at: Any
    id: UUID
    text: str = field(compare=False)


def _renamed(connection: sa.Connection, kept: Kept, unique: Unique) -> dict[UUID, str]:
    """Return new texts for the later ones of equal texts, by row id.

    Only rows whose key changes are kept in memory, so that table size is not limited by it.

    Raises:
        MigrationFailed: when the migration may not rename the duplicates.
    """
    line = kept.texts.get(unique.text, Line(0, 0))
    groups: dict[str, list[Named]] = {}
    moved: set[UUID] = set()

    def named(row: Row, text: str) -> Named:
        return Named(row["created_at"], row["id"], text)

    for rows in _walk(connection, kept):
        for row in rows:
            before: str | None = row[unique.text]
            text = line.cleaned(before) if unique.renames else before
            if text is not None and (key := unique.compared(text)) != row[unique.key]:
                groups.setdefault(key, []).append(named(row, text))
                moved.add(row["id"])
    column = kept.table.c[unique.key]
    for keys in _batches(groups):
        for row in _rows(connection, kept, column.in_(keys)):
            if row["id"] not in moved:
                groups[row[unique.key]].append(named(row, row[unique.text]))
    same = [sorted(group) for group in groups.values() if len(group) > 1]
    if same and not unique.renames:
        raise MigrationFailed(_told(unique, same))
    other: dict[UUID, str] = {}
    taken = set(groups)
    for _, *later in same:
        for one in later:
            text = _numbered(connection, column, one.text, line.most, taken)
            taken.add(casefold_nfc(text))
            other[one.id] = text
    return other


def _numbered(
    connection: sa.Connection,
    column: sa.ColumnClause[Any],
    text: str,
    most: int,
    taken: set[str],
) -> str:
    """Return the text with the lowest suffix number that makes it unique."""
    for number in count(2):
        behind = f" ({number})"
        made = text[: most - len(behind)].rstrip() + behind
        key = casefold_nfc(made)
        found = sa.select(sa.literal(1)).where(column == key).limit(1)
        if key not in taken and connection.execute(found).first() is None:
            return made
    raise AssertionError


def _told(unique: Unique, same: list[list[Named]]) -> str:
    pairs = "; ".join(
        " and ".join(f'"{ascii(one.text)[1:-1]}" (user {one.id})' for one in group)
        for group in same[:10]
    )
    return (
        f"These {unique.what} differ in invisible characters alone: {pairs}."
        " Change one of each with the version before, and migrate again."
    )


# The folding functions of the earlier rules.

_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th"}
    | {"\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)


def _caseless_before(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())


def _fold_before(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in letters if not unicodedata.combining(c)).casefold()
    return plain.translate(_LETTERS)


def _search_text_before(*parts: str | None) -> str:
    return _fold_before("\n".join(part or "" for part in parts))
