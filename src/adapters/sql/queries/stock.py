"""Reads of stock movements."""

from uuid import UUID

from sqlalchemy import Integer, Uuid, bindparam, select

from adapters.sql.database import Row, SqlDatabase
from adapters.sql.queries.base import SqlQueries
from adapters.sql.queries.listing import SortColumn
from adapters.sql.queries.users import public_columns, public_user
from adapters.sql.schema.tables import movements, users
from domain.stock import MovementFilter
from service_layer.queries.stock import MovementQueries, MovementView, StockLevel


class SqlMovementQueries(SqlQueries[MovementView, MovementFilter], MovementQueries):
    """Read movements, each with the user who recorded it."""

    view_columns = (
        movements.c.id,
        movements.c.version,
        movements.c.created_at,
        movements.c.updated_at,
        movements.c.product_id,
        movements.c.quantity,
        movements.c.reason,
        movements.c.note,
        movements.c.stock_after,
    )
    columns = select(*view_columns, *public_columns(users)).select_from(
        movements.outerjoin(users, users.c.id == movements.c.created_by_id)
    )
    id = movements.c.id
    conditions = {
        "product_id": lambda _: movements.c.product_id == bindparam("product_id", type_=Uuid())
    }
    sorts = {"created_at": SortColumn(movements.c.created_at)}
    text_filters = ()
    index_prefix = frozenset({"product_id"})

    def __init__(self, database: SqlDatabase) -> None:
        super().__init__(database)
        latest = (
            select(movements.c.created_at, movements.c.stock_after, movements.c.quantity)
            .where(movements.c.product_id == bindparam("product_id", type_=Uuid()))
            .order_by(movements.c.created_at.desc(), movements.c.id.desc())
            .limit(bindparam("most", type_=Integer()))
        )
        self._latest = database.statement(latest)

    async def stock_history(self, product_id: UUID, limit: int) -> tuple[StockLevel, ...]:
        given = {"product_id": product_id, "most": limit}
        rows = await self._database.fetch(self._latest, given, short=True)
        return tuple(StockLevel(at, stock, stock - moved) for at, stock, moved in reversed(rows))

    def view(self, row: Row) -> MovementView:
        members = self.row_to_dict(row)
        members["created_by"] = public_user(row[self.view_width : self.view_width + 4])
        return MovementView(**members)
