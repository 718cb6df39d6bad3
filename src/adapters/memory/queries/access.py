"""Reads of tokens, grants and credentials."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from adapters.memory.queries.base import MemoryQueries
from adapters.memory.store import MemoryStore
from domain import access
from domain.access import Purpose, Token, TokenFilter
from domain.actors import Actor
from domain.login_throttle import LoginThrottle
from domain.users import User
from service_layer.queries.access import AccessQueries, Credentials, Grant, TokenQueries, TokenView
from service_layer.queries.users import UserView


class MemoryTokenQueries(MemoryQueries[Token, TokenView, TokenFilter], TokenQueries):
    """Read personal tokens in a dictionary."""

    type = Token
    sorts = access.SORTS

    def _view(self, entity: Token, at: None) -> TokenView:
        return TokenView.of(entity)

    async def owned(self, id: UUID, user_id: UUID) -> TokenView | None:
        mine = TokenFilter(user_id=user_id)
        found = [one for one in self._store.all(Token) if one.id == id and mine.matches(one)]
        return TokenView.of(found[0]) if found else None


class MemoryAccessQueries(AccessQueries):
    """Read grants and credentials in dictionaries."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def grant(self, digest: str) -> Grant | None:
        active = {user.id: user for user in self._store.all(User) if user.is_active}
        for token in self._store.all(Token):
            if token.digest == digest and token.user_id in active:
                return Grant(
                    token_id=token.id,
                    actor=Actor(
                        id=token.user_id,
                        role=active[token.user_id].role,
                        by_personal_token=token.purpose is Purpose.PERSONAL,
                    ),
                    public=UserView.of(active[token.user_id]).public(),
                    scope=token.scope,
                    expires_at=token.expires_at,
                    last_used_at=token.last_used_at,
                )
        return None

    async def credentials(self, login: str) -> Credentials | None:
        return self._credentials(lambda user: login in (user.username_key, user.email))

    async def credentials_by_id(self, user_id: UUID) -> Credentials | None:
        return self._credentials(lambda user: user.id == user_id)

    def _credentials(self, meant: Callable[[User], bool]) -> Credentials | None:
        for user in self._store.all(User):
            if meant(user):
                return Credentials(
                    user_id=user.id, password_hash=user.password_hash, is_active=user.is_active
                )
        return None

    async def awaits_setup(self) -> bool:
        return any(token.purpose is Purpose.SETUP for token in self._store.all(Token))

    async def is_setup_secret(self, digest: str) -> bool:
        tokens = self._store.all(Token)
        return any(t.purpose is Purpose.SETUP and t.digest == digest for t in tokens)

    async def failures(self, counters: Collection[UUID]) -> Mapping[UUID, Sequence[datetime]]:
        with self._store.lock:
            kept = self._store.states[LoginThrottle]
            return {id: kept[id]["failed_at"] for id in counters if id in kept}
