"""Writing: what a session holds of new and changed aggregates, by few statements.

The session's own flush would write one changed row after the other, each by a statement and a round
trip of its own, in order to see of each whether its version still held.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Insert, Table, Update, bindparam, insert, update
from sqlalchemy.orm import Session, class_mapper
from sqlalchemy.orm.attributes import instance_state, set_committed_value

from adapters.sql.mapping import DERIVED
from domain.base import Entity
from service_layer.errors import ConcurrentChange

_by_id = attrgetter("id")


def write(session: Session) -> None:
    """Write what the session holds, and have it hold nothing any more.

    Rows are written in the order of their ids, so that two who change the same ones wait for each
    other and not for ever.

    Raises:
        ConcurrentChange: when another transaction changed one of the aggregates first.
    """
    added, changed = list(session.new), list(session.dirty)
    kinds = {type(entity) for entity in (*added, *changed)}
    for kind in sorted(kinds, key=lambda kind: _table(kind).name):
        _insert_all(session.connection(), kind, _of(kind, added))
        _update_all(session.connection(), kind, _of(kind, changed))
    if session.deleted:
        for entity in (*added, *changed):
            session.expunge(entity)
        session.flush()
    session.expunge_all()


def _of(kind: type[Entity], entities: Iterable[Any]) -> list[Any]:
    return sorted((one for one in entities if type(one) is kind), key=_by_id)


def _table(kind: Any) -> Table:
    table = class_mapper(kind).local_table
    assert isinstance(table, Table)
    return table


def _insert_all(connection: Connection, kind: Any, entities: list[Any]) -> None:
    if entities:
        statement, names = _insertion(kind)
        rows = [{name: getattr(one, name) for name in names} for one in entities]
        connection.execute(statement, rows)


def _update_all(connection: Connection, kind: Any, entities: list[Any]) -> None:
    changed = [(one, changes) for one in entities if (changes := _changes(one))]
    # Only neighbours share a statement, since the order is to be kept.
    for names, some in groupby(changed, key=lambda pair: tuple(pair[1])):
        rows = [
            {"which": one.id, "was": one.version, "version": one.version + 1, **changes}
            for one, changes in some
        ]
        if connection.execute(_updating(kind, names), rows).rowcount != len(rows):
            raise ConcurrentChange
    for one, _ in changed:
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


@lru_cache
def _insertion(kind: Any) -> tuple[Insert, tuple[str, ...]]:
    """Return the statement for new rows, and the columns it takes."""
    table = _table(kind)
    return insert(table), tuple(column.key for column in table.c if column.computed is None)


@lru_cache(maxsize=256)
def _updating(kind: Any, names: tuple[str, ...]) -> Update:
    """Return the statement for rows of which some columns are changed."""
    table = _table(kind)
    values: dict[str, Any] = {name: bindparam(name) for name in ("version", *names)}
    return (
        update(table)
        .where(table.c.id == bindparam("which"), table.c.version == bindparam("was"))
        .values(values)
    )
