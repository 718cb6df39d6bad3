"""Reads of tokens, grants and credentials."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, select

from adapters.sql.database import Row, SqlDatabase, Statement
from adapters.sql.queries.base import SqlQueries
from adapters.sql.queries.listing import SortColumn
from adapters.sql.queries.users import public_columns, public_user
from adapters.sql.schema.tables import login_throttles, tokens, users
from domain.access import Purpose, TokenFilter
from domain.actors import Actor
from service_layer.queries.access import (
    AccessQueries,
    Credentials,
    Grant,
    TokenQueries,
    TokenView,
)

_personal = tokens.c.purpose == Purpose.PERSONAL


class SqlTokenQueries(SqlQueries[TokenView, TokenFilter], TokenQueries):
    """Read personal tokens."""

    view_columns = (
        tokens.c.id,
        tokens.c.version,
        tokens.c.created_at,
        tokens.c.updated_at,
        tokens.c.name,
        tokens.c.scope,
        tokens.c.expires_at,
        tokens.c.last_used_at,
    )
    columns = select(*view_columns).where(_personal)
    id = tokens.c.id
    conditions = {"user_id": lambda _: tokens.c.user_id == bindparam("user_id", type_=Uuid())}
    sorts = {"created_at": SortColumn(tokens.c.created_at)}

    def __init__(self, database: SqlDatabase) -> None:
        super().__init__(database)
        owned = self.columns.where(
            tokens.c.id == bindparam("id", type_=Uuid()),
            tokens.c.user_id == bindparam("user_id", type_=Uuid()),
        )
        self._owned = database.statement(owned)

    def view(self, row: Row) -> TokenView:
        return TokenView(**self.row_to_dict(row))

    async def owned(self, id: UUID, user_id: UUID) -> TokenView | None:
        given = {"id": id, "user_id": user_id}
        rows = await self._database.fetch(self._owned, given, short=True)
        return self.view(rows[0]) if rows else None


class SqlAccessQueries(AccessQueries):
    """Read grants and credentials by the unique indexes of tokens and users."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        grant = select(
            tokens.c.id,
            tokens.c.scope,
            tokens.c.purpose,
            tokens.c.expires_at,
            tokens.c.last_used_at,
            users.c.role,
            *public_columns(users),
        ).join_from(tokens, users, users.c.id == tokens.c.user_id)
        known = select(users.c.id, users.c.password_hash, users.c.is_active)
        self._grant = database.lookup(grant.where(users.c.is_active), tokens.c.digest)
        self._by_username, self._by_email, self._by_id = (
            database.statement(known.where(column == bindparam("known_by", type_=column_type)))
            for column, column_type in (
                (users.c.username_key, Text()),
                (users.c.email, Text()),
                (users.c.id, Uuid()),
            )
        )
        setup = select(tokens.c.id).where(tokens.c.purpose == Purpose.SETUP).limit(1)
        self._setup = database.statement(setup)
        by_digest = setup.where(tokens.c.digest == bindparam("digest", type_=Text()))
        self._setup_by_digest = database.statement(by_digest)
        self._failures = database.lookup(select(login_throttles.c.failed_at), login_throttles.c.id)

    async def grant(self, digest: str) -> Grant | None:
        row = await self._grant.row(digest, {})
        return None if row is None else _grant(row)

    async def credentials(self, login: str) -> Credentials | None:
        # A username never contains an @.
        statement = self._by_email if "@" in login else self._by_username
        return await self._credentials(statement, login)

    async def credentials_by_id(self, user_id: UUID) -> Credentials | None:
        return await self._credentials(self._by_id, user_id)

    async def _credentials(self, statement: Statement, known_by: object) -> Credentials | None:
        rows = await self._database.fetch(statement, {"known_by": known_by}, short=True)
        if not rows:
            return None
        user_id, password_hash, is_active = rows[0]
        return Credentials(user_id=user_id, password_hash=password_hash, is_active=is_active)

    async def awaits_setup(self) -> bool:
        return bool(await self._database.fetch(self._setup, {}, short=True))

    async def is_setup_secret(self, digest: str) -> bool:
        given = {"digest": digest}
        return bool(await self._database.fetch(self._setup_by_digest, given, short=True))

    async def failures(self, counters: Collection[UUID]) -> Mapping[UUID, Sequence[datetime]]:
        rows = await self._failures.rows(counters, {})
        return {id: row[0] for id, row in rows.items()}


def _grant(row: Row) -> Grant:
    token_id, scope, purpose, expires_at, last_used_at, role, *user = row
    public = public_user(user)
    assert public is not None
    return Grant(
        token_id=token_id,
        actor=Actor(id=public.id, role=role, by_personal_token=purpose is Purpose.PERSONAL),
        public=public,
        scope=scope,
        expires_at=expires_at,
        last_used_at=last_used_at,
    )
