"""Users: accounts, profiles, roles, and the access rules between users."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack
from uuid import UUID

from domain.actors import Actor, Role, require_self_or_admin, require_session
from domain.base import Context, Entity, Event, Repository
from domain.errors import DomainError, NotUnique, PermissionDenied, StillReferenced
from domain.profile import RULES, UNKNOWN_CITY, UserChanges, UserDetails, check_profile
from domain.text import search_fold, search_text


def require_may_edit(actor: Actor, user_id: UUID, changes: UserChanges) -> None:
    """Require that the actor may edit these fields of the user.

    Users edit their own profile; only admins edit `role` and `is_active`. Fields that decide access
    to the account require a session.

    Raises:
        PermissionDenied: otherwise, whether or not the user exists.
    """
    require_self_or_admin(actor, user_id)
    if not actor.is_admin and not changes.keys().isdisjoint({"role", "is_active"}):
        raise PermissionDenied("Only an admin may change a role, or who is active.")
    if not changes.keys().isdisjoint({"email", "role", "is_active"}):
        require_session(actor)


class LastAdmin(DomainError):
    """The operation would leave the service without an active admin."""

    def __init__(self) -> None:
        super().__init__("This is the last active admin. Make another person an admin first.")


class UserCreated(Event):
    """A user was created."""


@dataclass(frozen=True, kw_only=True)
class UserEdited(Event):
    """Fields of a profile were changed; the event has their names, but no values."""

    changed_fields: tuple[str, ...]


class RoleChanged(Event):
    """The role of a user was changed."""


class UserDeactivated(Event):
    """A user was deactivated and may no longer sign in."""


class UserReactivated(Event):
    """A deactivated user was reactivated."""


class PasswordChanged(Event):
    """The password of a user was changed."""


class UserDeleted(Event):
    """A user was deleted."""


@dataclass(eq=False, kw_only=True)
class User(Entity):
    """A user account. The password is stored as a hash.

    `image_file` is the file name of the uploaded image, if there is one.
    """

    entity_name: ClassVar[str] = "user"

    username: str
    email: str
    name: str
    age: int | None = None
    city: str = UNKNOWN_CITY
    password_hash: str
    role: Role = Role.MEMBER
    is_active: bool = True
    image_file: str | None = None

    @classmethod
    def create(
        cls,
        id: UUID,
        ctx: Context,
        *,
        password_hash: str,
        role: Role = Role.MEMBER,
        users: "UserRepository",
        **profile: Unpack[UserDetails],
    ) -> "User":
        """Create a user; a registration has no actor.

        Raises:
            InvalidField: when a value breaks the rule for its field.
            NotUnique: when another user has the username or the e-mail address, compared without
                case.
        """
        kept = check_profile(**profile)
        user = cls(
            id=id,
            created_at=ctx.now,
            updated_at=ctx.now,
            password_hash=password_hash,
            role=role,
            **kept,
        )
        user._require_own_names(users)
        user.record(UserCreated(aggregate_id=id, at=ctx.now, by=ctx.by))
        return user

    @property
    def username_key(self) -> str:
        """Unique key of the username, without case."""
        return search_fold(self.username)

    @property
    def name_key(self) -> str:
        """Sort key and search text of the name."""
        return search_fold(self.name)

    @property
    def city_key(self) -> str:
        """Search text of the city."""
        return search_fold(self.city)

    @property
    def search_text(self) -> str:
        """Search text: folded username, name and city, one line each; never the e-mail address."""
        return search_text(self.username, self.name, self.city)

    @property
    def is_active_admin(self) -> bool:
        """Whether the user is active and an admin."""
        return self.is_active and self.role is Role.ADMIN

    def edit(self, changes: UserChanges, ctx: Context, *, users: "UserRepository") -> None:
        """Set the given fields; equal values leave the user unchanged.

        Raises:
            PermissionDenied: when the actor may not edit this user, or not these fields.
            InvalidField: when a value breaks the rule for its field.
            NotUnique: when another user has the username or the e-mail address, compared without
                case.
            LastAdmin: when no active admin would remain.
        """
        require_may_edit(ctx.require_actor(), self.id, changes)
        ran_the_workshop = self.is_active_admin
        different = self.assign(changes, RULES)
        if not different:
            return
        if ran_the_workshop and not self.is_active_admin:
            self._require_another_admin(users)
        if not different.keys().isdisjoint({"username", "email"}):
            self._require_own_names(users)
        self.updated_at = ctx.now
        said: dict[str, type[Event]] = {
            "role": RoleChanged,
            "is_active": UserReactivated if self.is_active else UserDeactivated,
        }
        for member in different.keys() & said.keys():
            self.record(said[member](aggregate_id=self.id, at=ctx.now, by=ctx.by))
        if members := tuple(name for name in different if name not in said):
            self.record(
                UserEdited(aggregate_id=self.id, at=ctx.now, by=ctx.by, changed_fields=members)
            )

    def change_password(self, password_hash: str, ctx: Context) -> None:
        """Replace the password hash.

        Raises:
            PermissionDenied: when the actor is neither the user nor an admin, or uses a
                personal token.
        """
        actor = ctx.require_actor()
        require_self_or_admin(actor, self.id)
        require_session(actor)
        self.password_hash = password_hash
        self.updated_at = ctx.now
        self.record(PasswordChanged(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def set_image(self, image_file: str | None, ctx: Context) -> None:
        """Set or clear the image; an equal file name leaves the user unchanged.

        Raises:
            PermissionDenied: when the actor is neither the user nor an admin.
        """
        require_self_or_admin(ctx.actor, self.id)
        if image_file != self.image_file:
            self.image_file = image_file
            self.updated_at = ctx.now
            self.record(
                UserEdited(
                    aggregate_id=self.id, at=ctx.now, by=ctx.by, changed_fields=("image_file",)
                )
            )

    def delete(self, ctx: Context, *, users: "UserRepository", is_referenced: bool) -> None:
        """Record the deletion of the user unless other records reference it.

        Raises:
            PermissionDenied: when the actor is not an admin.
            StillReferenced: when other records reference the user; deactivation remains possible.
            LastAdmin: when no active admin would remain.
        """
        if not ctx.require_actor().is_admin:
            raise PermissionDenied
        if self.is_active_admin:
            self._require_another_admin(users)
        if is_referenced:
            raise StillReferenced("This person has recorded activity. Deactivate them instead.")
        self.record(UserDeleted(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def _require_another_admin(self, users: "UserRepository") -> None:
        if not users.active_admins() - {self.id}:
            raise LastAdmin

    def _require_own_names(self, users: "UserRepository") -> None:
        for field, other in (
            ("username", users.id_by_username(self.username_key)),
            ("email", users.id_by_email(self.email)),
        ):
            if other is not None and other != self.id:
                raise NotUnique(field)


@dataclass(frozen=True, kw_only=True)
class UserFilter:
    """Conditions on users, combined with AND; `None` is no condition."""

    name: str | None = None
    city: str | None = None
    is_active: bool | None = None
    q: str | None = None

    def matches(self, user: User) -> bool:
        """Return whether the user satisfies the filter."""
        return (
            (self.name is None or search_fold(self.name) in user.name_key)
            and (self.city is None or search_fold(self.city) in user.city_key)
            and (self.is_active is None or user.is_active == self.is_active)
            and (self.q is None or search_fold(self.q) in user.search_text)
        )


SORTS: Mapping[str, Callable[[User], Any]] = {
    "created_at": lambda user: user.created_at,
    "username": lambda user: user.username_key,
    "name": lambda user: user.name_key,
}
"""Sort names of a list of users, each with its sort key."""


class UserRepository(Repository[User]):
    """Repository of users."""

    entity_name = User.entity_name

    @abstractmethod
    def get_for_update(self, id: UUID) -> User | None:
        """Return the user under a pessimistic lock, or `None`.

        The lock lasts until the unit of work ends. It keeps role and status valid while an
        operation relies on them.
        """

    @abstractmethod
    def id_by_username(self, username_key: str) -> UUID | None:
        """Return the id of the user with this `username_key`."""

    @abstractmethod
    def id_by_email(self, email: str) -> UUID | None:
        """Return the id of the user with this e-mail address."""

    @abstractmethod
    def has_member(self) -> bool:
        """Return whether there is a user who is not an admin."""

    @abstractmethod
    def active_admins(self) -> set[UUID]:
        """Return the ids of all active admins, under a pessimistic lock.

        The lock lasts until the unit of work ends. It keeps two admins from demoting each other at
        the same time, which would leave none.
        """
