"""Users: the people of the workshop, who they are, and what they may do to each other."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NotRequired, TypedDict, Unpack
from uuid import UUID

from domain.actors import Actor, Role, id_of, require_self_or_admin, require_session
from domain.base import Entity, Event, Repository, validate
from domain.common_passwords import COMMON_PASSWORDS
from domain.errors import DomainError, InvalidField, NotUnique, PermissionDenied, StillReferenced
from domain.values import IntegerRule, PasswordRule, PatternRule, TextRule, search_fold, search_text

USERNAME = PatternRule(
    50,
    # `.` and `..` would be no address of a page: every client resolves them (RFC 3986, 5.2.4).
    r"[._-]*[A-Za-z0-9][A-Za-z0-9._-]*",
    "Use 1 to 50 of A to Z, digits, dots, dashes and underscores, at least one a letter or digit.",
)
# A dot-atom (RFC 5322, 3.2.3) at a host name that has a dot in it: where one can be written to.
EMAIL = PatternRule(
    120,
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?",
    "Enter an e-mail address of at most 120 characters, such as ada@example.org.",
    lower=True,
)
NAME = TextRule(2, 50, if_empty="Enter a name.")
AGE = IntegerRule(0, 150)
CITY = TextRule(0, 50)
UNKNOWN_CITY = "Unknown"
PASSWORD = PasswordRule(8, 128, common=COMMON_PASSWORDS)

RULES: Mapping[str, Callable[[Any], Any]] = {
    "username": USERNAME,
    "email": EMAIL,
    "name": NAME,
    "age": AGE,
    "city": CITY,
}


def require_may_edit(actor: Actor, user_id: UUID, changes: "UserChanges") -> None:
    """Let people edit their own profile, but for what only admins decide.

    What decides who gets into the account is for sessions alone.

    Raises:
        PermissionDenied: to anybody else, whether or not there is such a user.
    """
    require_self_or_admin(actor, user_id)
    if not actor.is_admin and not changes.keys().isdisjoint({"role", "is_active"}):
        raise PermissionDenied("Only an admin may change a role, or who is active.")
    if not changes.keys().isdisjoint({"email", "role", "is_active"}):
        require_session(actor)


def require_unlike_logins(password: str, field: str, *, username: str, email: str) -> None:
    """Require that a new password is none of the names its user signs in with, whatever the case.

    Raises:
        InvalidField: for the field that has the password.
    """
    if password.casefold() in (username.casefold(), email.casefold()):
        raise InvalidField(
            field, "Choose a password other than the username and the e-mail address."
        )


def require_may_set_password(actor: Actor, user_id: UUID) -> None:
    """Let admins give others a new password; one's own takes the current one.

    Raises:
        PermissionDenied: to anybody else, whether or not there is such a user.
    """
    require_self_or_admin(actor, user_id)
    require_session(actor)
    if actor.id == user_id:
        raise PermissionDenied("Enter your current password to change your own password.")


class LastAdmin(DomainError):
    """Without this one nobody could run the workshop."""

    def __init__(self) -> None:
        super().__init__("This is the last active admin. Make another person an admin first.")


class UserCreated(Event):
    """Somebody joined."""


@dataclass(frozen=True, kw_only=True)
class UserEdited(Event):
    """Members of a profile were given other values; which, is all that is told."""

    changed_fields: tuple[str, ...]


class RoleChanged(Event):
    """Somebody became an admin, or ceased to be one."""


class UserDeactivated(Event):
    """Somebody may not come in any more."""


class UserReactivated(Event):
    """Somebody may come in again."""


class PasswordChanged(Event):
    """Somebody has a new password."""


class UserDeleted(Event):
    """Somebody was struck off the list."""


class Profile(TypedDict):
    """Who somebody is, as they are taken in."""

    username: str
    email: str
    name: str
    age: NotRequired[int | None]
    city: NotRequired[str]


class UserChanges(TypedDict, total=False):
    """The members that an edit may set; absent ones are kept."""

    username: str
    email: str
    name: str
    age: int | None
    city: str
    role: Role
    is_active: bool


def check_profile(**profile: Unpack[Profile]) -> Any:
    """Return the members of a profile as they are kept.

    Raises:
        InvalidField: when a value breaks the rule for its member.
    """
    return {name: validate(RULES[name], name, value) for name, value in profile.items()}


@dataclass(eq=False, kw_only=True)
class User(Entity):
    """Somebody who belongs to the workshop. Of the password only its hash is kept.

    `image_file` is the name of the uploaded picture, if there is one.
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
        now: datetime,
        *,
        password_hash: str,
        role: Role = Role.MEMBER,
        by: Actor | None = None,
        users: "UserRepository",
        **profile: Unpack[Profile],
    ) -> "User":
        """Take somebody in; without `by` they come of their own accord.

        Raises:
            InvalidField: when a value breaks the rule for its member.
            NotUnique: when another user has the name or the address, in whatever case.
        """
        kept = check_profile(**profile)
        user = cls(
            id=id, created_at=now, updated_at=now, password_hash=password_hash, role=role, **kept
        )
        user._require_own_names(users)
        user.record(UserCreated(aggregate_id=id, at=now, by=id_of(by)))
        return user

    @property
    def username_key(self) -> str:
        """What makes a username another's: it is nobody else's, whatever the case."""
        return search_fold(self.username)

    @property
    def name_key(self) -> str:
        """What sorting by name and looking for a name compare."""
        return search_fold(self.name)

    @property
    def city_key(self) -> str:
        """What looking for a city compares."""
        return search_fold(self.city)

    @property
    def search_text(self) -> str:
        """What a search looks into: username, name and city, a line each; never the address."""
        return search_text(self.username, self.name, self.city)

    @property
    def is_active_admin(self) -> bool:
        """Whether this is an active admin."""
        return self.is_active and self.role is Role.ADMIN

    def edit(
        self, changes: UserChanges, now: datetime, *, by: Actor, users: "UserRepository"
    ) -> None:
        """Give members other values; a change to what they are already changes nothing.

        Raises:
            PermissionDenied: when `by` may not change this user, or not in this way.
            InvalidField: when a value breaks the rule for its member.
            NotUnique: when another user has the name or the address, in whatever case.
            LastAdmin: when nobody would be left to run the workshop.
        """
        require_may_edit(by, self.id, changes)
        ran_the_workshop = self.is_active_admin
        different = self.assign(changes, RULES)
        if not different:
            return
        if ran_the_workshop and not self.is_active_admin:
            self._require_another_admin(users)
        if not different.keys().isdisjoint({"username", "email"}):
            self._require_own_names(users)
        self.updated_at = now
        said: dict[str, type[Event]] = {
            "role": RoleChanged,
            "is_active": UserReactivated if self.is_active else UserDeactivated,
        }
        for member in different.keys() & said.keys():
            self.record(said[member](aggregate_id=self.id, at=now, by=by.id))
        if members := tuple(name for name in different if name not in said):
            self.record(UserEdited(aggregate_id=self.id, at=now, by=by.id, changed_fields=members))

    def change_password(self, hash: str, now: datetime, *, by: Actor) -> None:
        """Have another password from now on.

        Raises:
            PermissionDenied: when `by` may not change this user.
        """
        require_self_or_admin(by, self.id)
        require_session(by)
        self.password_hash = hash
        self.updated_at = now
        self.record(PasswordChanged(aggregate_id=self.id, at=now, by=by.id))

    def set_image(self, image_file: str | None, now: datetime, *, by: Actor) -> None:
        """Show another picture, or none.

        Raises:
            PermissionDenied: when `by` may not change this user.
        """
        require_self_or_admin(by, self.id)
        if image_file != self.image_file:
            self.image_file = image_file
            self.updated_at = now
            self.record(
                UserEdited(aggregate_id=self.id, at=now, by=by.id, changed_fields=("image_file",))
            )

    def delete(
        self, now: datetime, *, by: Actor, users: "UserRepository", is_referenced: bool
    ) -> None:
        """Be struck off the list, unless something still refers to this user.

        Raises:
            PermissionDenied: when `by` is no admin.
            StillReferenced: when there are traces: deactivating is what is left.
            LastAdmin: when nobody would be left to run the workshop.
        """
        if not by.is_admin:
            raise PermissionDenied
        if self.is_active_admin:
            self._require_another_admin(users)
        if is_referenced:
            raise StillReferenced("This person has recorded activity. Deactivate them instead.")
        self.record(UserDeleted(aggregate_id=self.id, at=now, by=by.id))

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
    """Which users are meant; every member that is not `None` must hold."""

    name: str | None = None
    city: str | None = None
    is_active: bool | None = None
    q: str | None = None

    def matches(self, user: User) -> bool:
        """Whether the user is among those meant."""
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
"""The orders a list of users can have, each with the value it compares."""


class UserRepository(Repository[User]):
    """Where users are kept."""

    entity_name = User.entity_name

    @abstractmethod
    def get_for_update(self, id: UUID) -> User | None:
        """Return a user whom nobody else changes until this unit of work ends.

        What is done because of who somebody is, is not overtaken by their ceasing to be it.
        """

    @abstractmethod
    def id_by_username(self, username_key: str) -> UUID | None:
        """Return who has a username, by its key."""

    @abstractmethod
    def id_by_email(self, email: str) -> UUID | None:
        """Return who has an e-mail address."""

    @abstractmethod
    def has_member(self) -> bool:
        """Whether there is anybody who is not an admin."""

    @abstractmethod
    def active_admins(self) -> set[UUID]:
        """Return the active admins; until this unit of work ends nobody else changes them.

        So of two who demote each other, one is seen to be left.
        """
