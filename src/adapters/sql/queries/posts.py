"""Reads of posts."""

from sqlalchemy import Uuid, bindparam, or_, select

from adapters.sql.database import Row, SqlDatabase
from adapters.sql.queries.base import SqlQueries
from adapters.sql.queries.listing import SortColumn
from adapters.sql.queries.users import public_columns, public_user
from adapters.sql.schema.search import contains
from adapters.sql.schema.tables import posts, users
from domain.posts import PostFilter, is_slug
from service_layer.queries.posts import PostQueries, PostView


class SqlPostQueries(SqlQueries[PostView, PostFilter], PostQueries):
    """Read posts, each with its author."""

    view_columns = (
        posts.c.id,
        posts.c.version,
        posts.c.created_at,
        posts.c.updated_at,
        posts.c.title,
        posts.c.content,
        posts.c.slug,
        posts.c.published,
        posts.c.published_at,
        posts.c.author_id,
    )
    columns = select(*view_columns, *public_columns(users)).join_from(
        posts, users, users.c.id == posts.c.author_id
    )
    id = posts.c.id
    search_table = posts
    conditions = {
        "published": lambda value: posts.c.published if value else ~posts.c.published,
        "author_id": lambda _: posts.c.author_id == bindparam("author_id", type_=Uuid()),
        "q": contains(posts.c.search_text, "q"),
        "public": lambda _: posts.c.published,
        "reader_id": lambda _: or_(
            posts.c.published, posts.c.author_id == bindparam("reader_id", type_=Uuid())
        ),
    }
    sorts = {
        "created_at": SortColumn(posts.c.created_at),
        "published_at": SortColumn(posts.c.published_at, nullable=True),
        "title": SortColumn(posts.c.title_key),
    }

    def __init__(self, database: SqlDatabase) -> None:
        super().__init__(database)
        self._named = database.lookup(self.columns, posts.c.slug)

    def view(self, row: Row) -> PostView:
        members = self.row_to_dict(row)
        members["author"] = public_user(row[self.view_width : self.view_width + 4])
        return PostView(**members)

    async def by_slug(self, slug: str) -> PostView | None:
        # Text that is not a slug may contain characters that the database rejects.
        if not is_slug(slug):
            return None
        row = await self._named.row(slug, {})
        return None if row is None else self.view(row)
