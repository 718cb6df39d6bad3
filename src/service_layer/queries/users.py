"""The views of users, one for each kind of onlooker, and the port that answers with them."""

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.actors import Actor, Role
from domain.users import User, UserFilter
from service_layer.queries.base import Queries, View

DEFAULT_IMAGE = "default.png"
"""The picture of whoever has uploaded none; it comes with the application."""


def image_url(image_file: str | None) -> str:
    """Return the address of a picture; another picture has another address."""
    return f"/media/{image_file or DEFAULT_IMAGE}"


@dataclass(frozen=True, kw_only=True)
class PublicUser:
    """A user as the public sees them."""

    id: UUID
    username: str
    name: str
    image_url: str


@dataclass(frozen=True, kw_only=True)
class MemberUser:
    """A user as other members see them."""

    id: UUID
    username: str
    name: str
    image_url: str
    city: str
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class UserView(View):
    """A user as they themselves and the admins see them: everything but the password."""

    collection: ClassVar[str] = "users"

    username: str
    email: str
    name: str
    age: int | None
    city: str
    role: Role
    is_active: bool
    image_file: str | None
    image_url: str

    @classmethod
    def of(cls, user: User) -> "UserView":
        """The view of an aggregate in hand."""
        return cls.from_entity(user, image_url=image_url(user.image_file))

    def public(self) -> PublicUser:
        """What the public sees of this user."""
        return PublicUser(
            id=self.id, username=self.username, name=self.name, image_url=self.image_url
        )

    def member(self) -> MemberUser:
        """What other members see of this user."""
        return MemberUser(
            id=self.id,
            username=self.username,
            name=self.name,
            image_url=self.image_url,
            city=self.city,
            is_active=self.is_active,
            created_at=self.created_at,
        )

    def visible_to(self, actor: Actor | None) -> "PublicUser | MemberUser | UserView":
        """What somebody sees of this user."""
        if actor is None:
            return self.public()
        return self if actor.is_admin or actor.id == self.id else self.member()


class UserQueries(Queries[UserView, UserFilter]):
    """The reads of users."""

    entity_name = User.entity_name

    @abstractmethod
    async def by_username(self, username: str) -> UserView | None:
        """Return the user of a name, whatever its case, or `None`."""

    @abstractmethod
    async def public(self, ids: Collection[UUID]) -> dict[UUID, PublicUser]:
        """Return what the public sees of some users, by their ids."""
