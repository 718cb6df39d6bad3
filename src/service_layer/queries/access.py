"""What is known of tokens and of those who bear them, and the ports that tell it."""

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


@dataclass(frozen=True, kw_only=True)
class TokenView(View):
    """A personal token as its owner sees it; its secret is not to be seen any more."""

    collection: ClassVar[str] = "tokens"

    name: str
    scope: Scope
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, token: Token) -> "TokenView":
        """The view of an aggregate in hand."""
        return cls.from_entity(token, name=token.name or "")


class TokenQueries(Queries[TokenView, TokenFilter]):
    """The reads of personal tokens."""

    entity_name = Token.entity_name

    @abstractmethod
    async def owned(self, id: UUID, user_id: UUID) -> TokenView | None:
        """Return a personal token, if it is this user's."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a token grants its bearer: to be this user, within a scope, for so long."""

    token_id: UUID
    actor: Actor
    public: PublicUser
    """What the public sees of the actor, so that an answer that names them needs not ask again."""
    scope: Scope
    expires_at: datetime | None
    last_used_at: datetime | None

    @property
    def is_personal(self) -> bool:
        """Whether it is a personal token's, and no session's."""
        return self.actor.by_personal_token


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What tells whether somebody is who they say they are."""

    user_id: UUID
    password_hash: str
    is_active: bool


class AccessQueries(ABC):
    """The reads by which somebody is recognised; each is one statement by a unique index.

    All of them raise `DatabaseUnavailable` when the database cannot be reached.
    """

    @abstractmethod
    async def grant(self, digest: str) -> Grant | None:
        """Return what the token with this digest grants, if its user is active; expired or not."""

    @abstractmethod
    async def credentials(self, login: str) -> Credentials | None:
        """Return the credentials of a user, by the username or e-mail address in lower case."""

    @abstractmethod
    async def credentials_by_id(self, user_id: UUID) -> Credentials | None:
        """Return the credentials of a user."""

    @abstractmethod
    async def awaits_setup(self) -> bool:
        """Whether the workshop waits for its first admin."""

    @abstractmethod
    async def is_setup_secret(self, digest: str) -> bool:
        """Whether the secret with this digest sets up the workshop."""

    @abstractmethod
    async def failures(self, counters: Collection[UUID]) -> Mapping[UUID, Sequence[datetime]]:
        """Return the times of the failures that some counters of the login throttle hold."""
