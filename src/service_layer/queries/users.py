"""Views of users by viewer, and their query port."""

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
"""Image of users without an uploaded one; it is part of the application."""


def image_url(image_file: str | None) -> str:
    """Return the URL of an image file; a changed image has another URL."""
    return f"/media/{image_file or DEFAULT_IMAGE}"


@dataclass(kw_only=True)
class PublicUser:
    """The public view of a user."""

    id: UUID
    username: str
    name: str
    image_url: str


@dataclass(kw_only=True)
class MemberUser:
    """The view of a user for other members."""

    id: UUID
    username: str
    name: str
    image_url: str
    city: str
    is_active: bool
    created_at: datetime


@dataclass(kw_only=True)
class UserView(View):
    """The view of a user for the user and for admins: all fields but the password hash."""

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
        """Return the view of a loaded aggregate."""
        return cls._of(user, image_url=image_url(user.image_file))

    def public(self) -> PublicUser:
        """Return the public view."""
        return PublicUser(
            id=self.id, username=self.username, name=self.name, image_url=self.image_url
        )

    def member(self) -> MemberUser:
        """Return the view for other members."""
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
        """Return the view that the actor may see."""
        if actor is None:
            return self.public()
        return self if actor.is_admin or actor.id == self.id else self.member()


class UserQueries(Queries[UserView, UserFilter]):
    """Query port of users."""

    entity_name = User.entity_name

    @abstractmethod
    async def by_username(self, username: str) -> UserView | None:
        """Return the user with this username, compared without case, or `None`."""

    @abstractmethod
    async def public(self, ids: Collection[UUID]) -> dict[UUID, PublicUser]:
        """Return the public views of users, by id."""
