"""The users of every test database, and their tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from argon2 import PasswordHasher

from domain.access import Purpose, Scope, Token
from domain.actors import Actor, Role
from domain.base import Context
from domain.users import User
from service_layer.unit_of_work import UnitOfWork

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

CTX = Context(None, NOON)
"""The context of the service itself, at noon."""

PASSWORD = "correct horse battery"
# Minimal cost parameters; another test covers the production parameters.
PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@dataclass(frozen=True)
class Person:
    """A user with a session token and a personal token, neither of which expires."""

    id: UUID
    username: str
    email: str
    role: Role = Role.MEMBER

    @property
    def token(self) -> str:
        return f"atl_test-token-of-{self.username}-0123456789abcdef"

    @property
    def personal(self) -> str:
        return f"atl_test-personal-token-of-{self.username}-0123456789"

    @property
    def actor(self) -> Actor:
        return Actor(id=self.id, role=self.role)

    @property
    def ctx(self) -> Context:
        """The context of an operation by this user, at noon."""
        return Context(self.actor, NOON)

    @property
    def public(self) -> dict[str, str]:
        """The public view of the user."""
        return {
            "id": str(self.id),
            "username": self.username,
            "name": self.username.title(),
            "image_url": "/media/default.png",
        }


def _id(number: int) -> UUID:
    return UUID(f"01900000-0000-7000-8000-{number:012x}")


ADMIN = Person(_id(1), "ada", "ada@canary.example", Role.ADMIN)
MEMBER = Person(_id(2), "bob", "bob@canary.example")
OTHER = Person(_id(3), "cleo", "cleo@canary.example")
PEOPLE = (ADMIN, MEMBER, OTHER)

READ_ONLY = "atl_test-token-for-reading-0123456789abcdef"
EXPIRED = "atl_test-token-that-expired-0123456789abcdef"
REVOKED = "atl_test-token-that-was-revoked-0123456789abcdef"


def populate(begin: Callable[[], UnitOfWork]) -> None:
    """Create the users and their tokens."""
    before = NOON - timedelta(days=1)
    with begin() as uow:
        for number, person in enumerate(PEOPLE):
            uow.users.add(
                User.create(
                    person.id,
                    Context(None, before + timedelta(seconds=number)),
                    username=person.username,
                    email=person.email,
                    name=person.username.title(),
                    password_hash=PASSWORD_HASH,
                    role=person.role,
                    users=uow.users,
                )
            )
            uow.tokens.add(_token(uow, person, person.token, purpose=Purpose.SESSION))
            uow.tokens.add(_token(uow, person, person.personal))
        uow.tokens.add(_token(uow, MEMBER, READ_ONLY, scope=Scope.READ))
        uow.tokens.add(_token(uow, MEMBER, EXPIRED, expires_at=before + timedelta(minutes=1)))
        uow.commit()


def _token(
    uow: UnitOfWork,
    person: Person,
    secret: str,
    *,
    purpose: Purpose = Purpose.PERSONAL,
    scope: Scope = Scope.WRITE,
    expires_at: datetime | None = None,
) -> Token:
    return Token.issue(
        uow.new_id(),
        NOON - timedelta(days=1),
        secret,
        purpose=purpose,
        user_id=person.id,
        name="for tests" if purpose is Purpose.PERSONAL else None,
        scope=scope,
        expires_at=expires_at,
    )
