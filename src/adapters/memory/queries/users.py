"""Reads of users."""

from collections.abc import Collection
from uuid import UUID

from adapters.memory.queries.base import MemoryQueries
from domain import users
from domain.profile import USERNAME
from domain.text import search_fold
from domain.users import User, UserFilter
from service_layer.queries.users import PublicUser, UserQueries, UserView


class MemoryUserQueries(MemoryQueries[User, UserView, UserFilter], UserQueries):
    """Read users in a dictionary."""

    type = User
    sorts = users.SORTS

    def _view(self, entity: User, at: None) -> UserView:
        return UserView.of(entity)

    async def by_username(self, username: str) -> UserView | None:
        if not USERNAME.allows(username):
            return None
        users = self._store.all(User)
        found = (user for user in users if user.username_key == search_fold(username))
        return next((UserView.of(user) for user in found), None)

    async def public(self, ids: Collection[UUID]) -> dict[UUID, PublicUser]:
        return {id: public for id, public in self._people().items() if id in ids}
