"""Views of tokens, grants and credentials, and the query ports for them."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.access import Scope, Token, TokenFilter
from domain.actors import Actor
from service_layer.queries.base import Queries, View
from service_layer.queries.users import PublicUser


@dataclass(kw_only=True)
class TokenView(View):
    """A personal token as its owner sees it, without the secret."""

    collection: ClassVar[str] = "tokens"

    name: str
    scope: Scope
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, token: Token) -> "TokenView":
        """Return the view of a loaded aggregate."""
        return cls._of(token, name=token.name or "")


class TokenQueries(Queries[TokenView, TokenFilter]):
    """Query port of personal tokens."""

    entity_name = Token.entity_name

    @abstractmethod
    async def owned(self, id: UUID, user_id: UUID) -> TokenView | None:
        """Return the personal token if it belongs to the user, or `None`."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The authorization that a token gives: actor, scope and expiry."""

    token_id: UUID
    actor: Actor
    public: PublicUser
    """Public view of the actor, so that responses that name the actor need no further query."""
    scope: Scope
    expires_at: datetime | None
    last_used_at: datetime | None

    @property
    def is_personal(self) -> bool:
        """Whether the grant comes from a personal token, not from a session."""
        return self.actor.by_personal_token


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The data that verifies a user's password."""

    user_id: UUID
    password_hash: str
    is_active: bool


class AccessQueries(ABC):
    """Query port of authentication; each method is one statement, mostly by a unique index.

    All methods raise `DatabaseUnavailable` when the database cannot be reached.
    """

    @abstractmethod
    async def grant(self, digest: str) -> Grant | None:
        """Return the grant of the token with this digest, if its user is active.

        The grant may have expired.
        """

    @abstractmethod
    async def credentials(self, login: str) -> Credentials | None:
        """Return the credentials of a user by username or e-mail address, in lower case."""

    @abstractmethod
    async def credentials_by_id(self, user_id: UUID) -> Credentials | None:
        """Return the credentials of a user by id."""

    @abstractmethod
    async def awaits_setup(self) -> bool:
        """Return whether a setup token is waiting for the creation of the first admin."""

    @abstractmethod
    async def is_setup_secret(self, digest: str) -> bool:
        """Return whether the digest is that of the current setup secret."""

    @abstractmethod
    async def failures(self, counters: Collection[UUID]) -> Mapping[UUID, Sequence[datetime]]:
        """Return the recent failure times of the given counters of the login throttle."""
