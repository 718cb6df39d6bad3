"""Reads of devices."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    select,
)
from sqlalchemy import type_coerce as coerced

from adapters.sql.database import Row, SqlDatabase
from adapters.sql.queries.base import SqlQueries
from adapters.sql.queries.listing import SortColumn
from adapters.sql.schema.search import contains
from adapters.sql.schema.tables import devices
from adapters.sql.schema.types import EnumText, EpochMicros
from domain.devices import DeviceFilter, Presence, Status
from service_layer.queries.devices import DeviceQueries, DeviceView

_now = bindparam("now", type_=EpochMicros())

# Before the first heartbeat the bounds are NULL, so no comparison with them is true.
_PRESENCE: Mapping[Presence, ColumnElement[bool]] = {
    Presence.NEVER: devices.c.last_seen_at.is_(None),
    Presence.ONLINE: devices.c.online_until >= _now,
    Presence.LATE: and_(devices.c.online_until < _now, devices.c.late_until >= _now),
    Presence.OFFLINE: devices.c.late_until < _now,
}


def _presence() -> ColumnElement[Any]:
    cases: list[Any] = [
        (holds, literal_column(f"'{presence}'")) for presence, holds in _PRESENCE.items()
    ]
    return coerced(case(*cases), EnumText(Presence)).label("presence")


class SqlDeviceQueries(SqlQueries[DeviceView, DeviceFilter], DeviceQueries):
    """Read devices."""

    view_columns = (
        devices.c.id,
        devices.c.version,
        devices.c.created_at,
        devices.c.updated_at,
        devices.c.name,
        devices.c.kind,
        devices.c.serial,
        devices.c.location,
        devices.c.status,
        devices.c.heartbeat_every,
        _presence(),
        devices.c.last_seen_at,
        devices.c.agent_version,
        devices.c.metrics,
    )
    columns = select(*view_columns)
    id = devices.c.id
    search_table = devices
    text_filters = ("q", "kind")
    conditions = {
        "status": lambda _: devices.c.status == bindparam("status", type_=Text()),
        "presence": lambda value: _PRESENCE[value],
        "kind": contains(devices.c.kind_key, "kind"),
        "q": contains(devices.c.search_text, "q"),
    }
    sorts = {
        "created_at": SortColumn(devices.c.created_at),
        "name": SortColumn(devices.c.name_key),
        "last_seen_at": SortColumn(devices.c.last_seen_at, nullable=True),
    }

    def __init__(self, database: SqlDatabase) -> None:
        super().__init__(database)
        self._key = database.lookup(select(devices.c.key_digest), devices.c.id)
        counts = select(*(func.count(case((holds, 1))) for holds in _PRESENCE.values()))
        self._counts = database.statement(counts.where(devices.c.status == Status.ACTIVE))

    def filter_parameters(self, filter: DeviceFilter) -> dict[str, Any]:
        return {"now": filter.now}

    def row_parameters(self, now: datetime) -> dict[str, Any]:
        return {"now": now}

    def view(self, row: Row) -> DeviceView:
        return DeviceView(**self.row_to_dict(row))

    async def has_key(self, id: UUID, key_digest: str) -> bool:
        row = await self._key.row(id, {})
        return row is not None and row[0] == key_digest

    async def presences(self, now: datetime) -> Mapping[Presence, int]:
        rows = await self._database.fetch(self._counts, {"now": now}, short=False)
        return dict(zip(_PRESENCE, rows[0], strict=True))
