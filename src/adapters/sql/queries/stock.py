"""Reads of the ledger of movements."""

from sqlalchemy import Uuid, bindparam, select

from adapters.sql.database import Row
from adapters.sql.listing import Sort
from adapters.sql.queries import SqlQueries
from adapters.sql.queries.users import public_columns, public_user
from adapters.sql.tables import movements, users
from domain.stock import MovementFilter
from service_layer.queries.stock import MovementQueries, MovementView


class SqlMovementQueries(SqlQueries[MovementView, MovementFilter], MovementQueries):
    """Reads of movements in a table, each with whoever entered it."""

    columns = select(
        movements.c.id,
        movements.c.version,
        movements.c.created_at,
        movements.c.updated_at,
        movements.c.product_id,
        movements.c.quantity,
        movements.c.reason,
        movements.c.note,
        movements.c.stock_after,
        *public_columns(users),
    ).select_from(movements.outerjoin(users, users.c.id == movements.c.created_by_id))
    id = movements.c.id
    conditions = {
        "product_id": lambda _: movements.c.product_id == bindparam("product_id", type_=Uuid())
    }
    sorts = {"created_at": Sort(movements.c.created_at)}
    texts = ()
    indexed = frozenset({"product_id"})

    def view(self, row: Row) -> MovementView:
        (id, version, created, updated, product_id, quantity, reason, note, after, *by) = row
        return MovementView(
            id=id,
            version=version,
            created_at=created,
            updated_at=updated,
            product_id=product_id,
            quantity=quantity,
            reason=reason,
            note=note,
            stock_after=after,
            created_by=public_user(by),
        )
