"""The bulk flush: write a session's new and changed aggregates with few statements.

SQLAlchemy's own flush checks the version of each changed row (optimistic lock). It therefore sends
one UPDATE per row and waits for each.
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


def write(session: Session, to: BulkWriter) -> None:
    """Flush the session's changes and detach all aggregates.

    Rows are written in the order of their ids. Two transactions that change the same rows then
    usually wait for each other instead of deadlocking. The database or the writer's lock timeout
    resolves the remaining deadlocks.

    Raises:
        ConcurrencyConflict: when another transaction changed one of the aggregates first.
    """
    added, changed = list(session.new), list(session.dirty)
    kinds = {type(entity) for entity in (*added, *changed)}
    for kind in sorted(kinds, key=lambda kind: TABLES[kind].name):
        _insert(session, to, TABLES[kind], _of(kind, added))
        _update(session, to, TABLES[kind], _of(kind, changed))
    if session.deleted:
        for entity in (*added, *changed):
            session.expunge(entity)
        session.flush()
    session.expunge_all()


def _of(kind: type[Entity], entities: Iterable[Any]) -> list[Any]:
    return sorted((one for one in entities if type(one) is kind), key=_by_id)


def _insert(session: Session, to: BulkWriter, table: Table, entities: list[Any]) -> None:
    if entities:
        names = [column.key for column in table.c if column.computed is None]
        to.insert(session.connection(), table, [_row(one, names) for one in entities])


def _row(entity: Entity, names: Sequence[str]) -> dict[str, Any]:
    """Return an aggregate's column values; `vars` is faster than SQLAlchemy's attributes."""
    held = vars(entity)
    return {name: held[name] if name in held else getattr(entity, name) for name in names}


def _update(session: Session, to: BulkWriter, table: Table, entities: list[Any]) -> None:
    changed = {one: changes for one in entities if (changes := _changes(one))}
    if not changed:
        return
    # All rows are updated with the union of the changed columns; unchanged values are rewritten.
    # Columns that change without the version, such as `last_seen_at`, are set by no use case.
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
    """Return the columns that differ from the loaded state, with their new values."""
    state = instance_state(entity)
    had, has = state.committed_state, state.dict
    changes = {name: has[name] for name, value in had.items() if has[name] != value}
    if changes:
        for name in DERIVED[type(entity)]:
            value = getattr(entity, name)
            if value != has[f"_{name}"]:
                changes[name] = value
    return changes
