"""Writing: what a session holds of new and changed aggregates, by few statements.

The session's own flush would write one changed row after the other, each by a statement and a round
trip of its own, in order to see of each whether its version still held.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state, set_committed_value

from adapters.sql.fast.bulk_writer import EXPECTED_VERSION, ROW_ID, BulkWriter
from adapters.sql.schema.mapping import DERIVED, TABLES
from domain.base import Entity
from service_layer.errors import ConcurrencyConflict

_by_id = attrgetter("id")


def write(session: Session, to: BulkWriter) -> set[type[Entity]]:
    """Write what the session holds, and have it hold nothing any more.

    Returns the types of the aggregates that it deleted.

    Rows are written in the order of their ids, so that of two who change the same ones the later
    mostly waits for the other. Where each waits for the other, the database or the time limit of
    the writer undoes one of them.

    Raises:
        ConcurrencyConflict: when another transaction changed one of the aggregates first.
    """
    added, changed = list(session.new), list(session.dirty)
    kinds = {type(entity) for entity in (*added, *changed)}
    for kind in sorted(kinds, key=lambda kind: TABLES[kind].name):
        _insert(session, to, TABLES[kind], _of(kind, added))
        _update(session, to, TABLES[kind], _of(kind, changed))
    deleted = {type(entity) for entity in session.deleted}
    if deleted:
        for entity in (*added, *changed):
            session.expunge(entity)
        session.flush()
    session.expunge_all()
    return deleted


def _of(kind: type[Entity], entities: Iterable[Any]) -> list[Any]:
    return sorted((one for one in entities if type(one) is kind), key=_by_id)


def _insert(session: Session, to: BulkWriter, table: Table, entities: list[Any]) -> None:
    if entities:
        names = [column.key for column in table.c if column.computed is None]
        to.insert(session.connection(), table, [_row(one, names) for one in entities])


def _row(entity: Entity, names: Sequence[str]) -> dict[str, Any]:
    """Return what the columns are to hold; to ask SQLAlchemy for each of them takes longer."""
    held = vars(entity)
    return {name: held[name] if name in held else getattr(entity, name) for name in names}


def _update(session: Session, to: BulkWriter, table: Table, entities: list[Any]) -> None:
    changed = {one: changes for one in entities if (changes := _changes(one))}
    if not changed:
        return
    # What one of them changes is written of all: where it is as it was, that changes nothing.
    names = sorted({name for changes in changed.values() for name in changes})
    rows = [
        {
            ROW_ID: one.id,
            EXPECTED_VERSION: one.version,
            "version": one.version + 1,
            **_row(one, names),
        }
        for one in changed
    ]
    if to.update(session.connection(), table, rows) != len(rows):
        raise ConcurrencyConflict
    for one in changed:
        set_committed_value(one, "version", one.version + 1)


def _changes(entity: Entity) -> dict[str, Any]:
    """Return the columns that differ from what was read, and what they are to hold."""
    state = instance_state(entity)
    had, has = state.committed_state, state.dict
    changes = {name: has[name] for name, value in had.items() if has[name] != value}
    if changes:
        for name in DERIVED[type(entity)]:
            value = getattr(entity, name)
            if value != has[f"_{name}"]:
                changes[name] = value
    return changes
