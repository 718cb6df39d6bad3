"""Access: the tokens by which users are authenticated."""

import secrets
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

from domain.actors import Actor, id_of
from domain.base import Entity, Event, Repository, validate
from domain.errors import DomainError, InvalidField
from domain.values import TextRule

TOKEN_NAME = TextRule(1, 100, if_empty="Enter a name.")

SESSION_LIFETIME = timedelta(hours=12)
"""How long one stays signed in."""

MAX_SESSIONS = 50
"""How often somebody can be signed in at once; beyond that the oldest session ends."""

MAX_TOKENS = 100
"""How many personal tokens somebody can have."""


class Scope(StrEnum):
    """What a token lets its bearer do: look, or change things as well."""

    READ = "read"
    WRITE = "write"


class Purpose(StrEnum):
    """What a token is for."""

    SESSION = "session"
    PERSONAL = "personal"
    SETUP = "setup"


class TokenIssued(Event):
    """Somebody can be known by one more token."""


class TokenRevoked(Event):
    """A token is worth nothing any more."""


class AlreadySetUp(DomainError):
    """The workshop has an admin, so nobody can set it up any more."""

    def __init__(self) -> None:
        super().__init__("There is nothing to set up.")


class TooManyTokens(DomainError):
    """Somebody has as many personal tokens as one can have."""

    def __init__(self) -> None:
        super().__init__(f"You have {MAX_TOKENS} tokens. Revoke one that you do not need.")


MAX_SECRET = 100
"""How many characters a text may have that could be a secret of ours; longer ones open nothing."""


def new_secret() -> str:
    """Return a secret of 256 random bits, in the form that says it is one of ours."""
    return f"atl_{secrets.token_urlsafe(32)}"


def digest_of(secret: str) -> str:
    """Return what is kept of a secret.

    It has too many random bits to be guessed from a fast hash, unlike a password.
    """
    return sha256(secret.encode()).hexdigest()


@dataclass(eq=False, kw_only=True)
class Token(Entity):
    """What its bearer is known by; only a digest of its secret is kept.

    `user_id` is `None` for the one that lets in whoever sets the workshop up.
    """

    entity_name: ClassVar[str] = "token"

    purpose: Purpose
    user_id: UUID | None
    name: str | None = None
    scope: Scope = Scope.WRITE
    digest: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    @classmethod
    def issue(
        cls,
        id: UUID,
        now: datetime,
        secret: str,
        *,
        purpose: Purpose,
        user_id: UUID | None,
        name: str | None = None,
        scope: Scope = Scope.WRITE,
        expires_at: datetime | None = None,
    ) -> "Token":
        """Make a token of a secret.

        Raises:
            InvalidField: when the name breaks its rule, or it would have expired before it is made.
        """
        if expires_at is not None and expires_at <= now:
            raise InvalidField("expires_at", "Enter a time in the future.")
        token = cls(
            id=id,
            created_at=now,
            updated_at=now,
            purpose=purpose,
            user_id=user_id,
            name=validate(TOKEN_NAME, "name", name),
            scope=scope,
            digest=digest_of(secret),
            expires_at=expires_at,
        )
        token.record(TokenIssued(aggregate_id=id, at=now, by=user_id))
        return token

    def revoke(self, now: datetime, by: Actor | None = None) -> None:
        """Say that it is worth nothing any more; its repository no longer keeps it then."""
        self.record(TokenRevoked(aggregate_id=self.id, at=now, by=id_of(by)))


@dataclass(frozen=True, kw_only=True)
class TokenFilter:
    """Which personal tokens are meant: those of one user."""

    user_id: UUID

    def matches(self, token: Token) -> bool:
        """Whether the token is among those meant."""
        return token.purpose is Purpose.PERSONAL and token.user_id == self.user_id


SORTS: Mapping[str, Any] = {"created_at": lambda token: token.created_at}
"""The orders a list of tokens can have, each with the value it compares."""


class TokenRepository(Repository[Token]):
    """Where tokens are kept."""

    entity_name = Token.entity_name

    @abstractmethod
    def list_for_user(self, purpose: Purpose, user_id: UUID | None) -> list[Token]:
        """Return the tokens for a purpose that somebody has, the oldest first."""

    @abstractmethod
    def mark_used(self, id: UUID, at: datetime) -> None:
        """Note that a token was used, which is no change of it: its version stays the same."""
