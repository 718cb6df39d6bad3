"""Reads of users."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, select

from adapters.sql.database import Row, SqlDatabase
from adapters.sql.queries.base import SqlQueries
from adapters.sql.queries.listing import SortColumn
from adapters.sql.schema.search import contains
from adapters.sql.schema.tables import users
from domain.profile import USERNAME
from domain.text import search_fold
from domain.users import UserFilter
from service_layer.queries.users import PublicUser, UserQueries, UserView, image_url


def public_columns(people: FromClause) -> list[ColumnElement[Any]]:
    """Return the columns of a user's public view, for a join with another select."""
    kept = people.c
    return [kept.id, kept.username, kept.name, kept.image_file]


def public_user(row: Row) -> PublicUser | None:
    """Return a user's public view; `None` if an outer join found no user."""
    id, username, name, image_file = row
    if id is None:
        return None
    url = image_url(image_file)
    return PublicUser(id=id, username=username, name=name, image_url=url)


class SqlUserQueries(SqlQueries[UserView, UserFilter], UserQueries):
    """Read users."""

    view_columns = (
        users.c.id,
        users.c.version,
        users.c.created_at,
        users.c.updated_at,
        users.c.username,
        users.c.email,
        users.c.name,
        users.c.age,
        users.c.city,
        users.c.role,
        users.c.is_active,
        users.c.image_file,
    )
    columns = select(*view_columns)
    id = users.c.id
    search_table = users
    conditions = {
        "name": contains(users.c.name_key, "name"),
        "city": contains(users.c.city_key, "city"),
        "is_active": lambda value: users.c.is_active if value else ~users.c.is_active,
        "q": contains(users.c.search_text, "q"),
    }
    sorts = {
        "created_at": SortColumn(users.c.created_at),
        "username": SortColumn(users.c.username_key),
        "name": SortColumn(users.c.name_key),
    }
    text_filters = ("name", "city", "q")

    def __init__(self, database: SqlDatabase) -> None:
        super().__init__(database)
        self._named = database.lookup(self.columns, users.c.username_key)
        self._public = database.lookup(select(*public_columns(users)), users.c.id)

    def view(self, row: Row) -> UserView:
        members = self.row_to_dict(row)
        members["image_url"] = image_url(members["image_file"])
        return UserView(**members)

    async def by_username(self, username: str) -> UserView | None:
        if not USERNAME.allows(username):
            return None
        row = await self._named.row(search_fold(username), {})
        return None if row is None else self.view(row)

    async def public(self, ids: Collection[UUID]) -> dict[UUID, PublicUser]:
        if not ids:
            return {}
        rows = await self._public.rows(ids, {})
        return {id: user for id in ids if id in rows and (user := public_user(rows[id]))}
