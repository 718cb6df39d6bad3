"""`/users`: user accounts and profiles."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from typing_extensions import TypedDict

from domain.actors import Role
from domain.base import Page
from domain.passwords import PASSWORD
from domain.profile import AGE, CITY, EMAIL, NAME, UNKNOWN_CITY, USERNAME
from domain.users import UserFilter
from entrypoints.web.authorization import OptionalActor
from entrypoints.web.body import SMALL_BODY
from entrypoints.web.dependencies import (
    Accounts,
    ClientAddress,
    CurrentActor,
    CurrentContext,
    IfMatch,
    Now,
    Users,
    ports,
)
from entrypoints.web.pagination import ListParameters, ListResponse
from entrypoints.web.response import VersionedResponse
from entrypoints.web.route import ApiRoute, PathEntity, problems
from entrypoints.web.schema_types import (
    Flag,
    Search,
    compared_text,
    new_password,
    text,
    whole,
    word,
)
from service_layer.queries.users import MemberUser, PublicUser, UserView

router = APIRouter(prefix="/api/v1/users", tags=["users"], route_class=ApiRoute)


async def _look(request: Request, user_id: UUID) -> UserView | None:
    return await ports(request).user_queries.get(user_id, ports(request).clock())


UserId = Annotated[UUID, Path(description="The user's id."), PathEntity("user", _look)]
Username = Annotated[str, word(USERNAME)]
Email = Annotated[str, word(EMAIL)]
Name = Annotated[str, text(NAME)]
Age = Annotated[int, whole(AGE)]
City = Annotated[str, text(CITY)]
NewPassword = Annotated[str, new_password(PASSWORD)]
PasswordText = Annotated[str, compared_text(1_000, format="password")]


class Profile(BaseModel):
    """The profile of a new user."""

    model_config = ConfigDict(extra="forbid")

    username: Username
    email: Email
    name: Name
    age: Age | None = None
    city: City = UNKNOWN_CITY


class NewUser(Profile):
    """A user to create."""

    password: NewPassword


class UserPatch(TypedDict, total=False):
    """JSON merge patch (RFC 7396): absent members keep their values, `null` clears.

    Only admins may change `role`, `is_active`, and the `password` of another user.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    username: Username
    email: Email
    name: Name
    age: Age | None
    city: City
    role: Role
    is_active: StrictBool
    password: NewPassword


class PasswordChange(BaseModel):
    """A new password, and the current one as confirmation."""

    model_config = ConfigDict(extra="forbid")

    current: PasswordText
    new: NewPassword


class UserParameters(ListParameters):
    """Filters, sort and pagination of a list of users."""

    sorts = {"created_at": datetime, "username": str, "name": str}

    name: Search | None = Field(None, description="Contained in the name.")
    city: Search | None = Field(None, description="Contained in the city.")
    is_active: Flag | None = Field(None, description="Only active users, or only inactive ones.")
    q: Search | None = Field(None, description="Search in username, name and city.")
    sort: Literal["created_at", "-created_at", "username", "-username", "name", "-name"] = (
        "created_at"
    )

    def filter(self) -> UserFilter:
        """Return the domain filter."""
        return UserFilter(name=self.name, city=self.city, is_active=self.is_active, q=self.q)


@router.post(
    "",
    status_code=201,
    openapi_extra=problems("already-taken", "too-many-requests"),
    max_body_size=SMALL_BODY,
)
async def create_user(
    new: NewUser, accounts: Accounts, address: ClientAddress, ctx: CurrentContext
) -> UserView:
    """Create a user. Without an admin's token, registration must be open."""
    return UserView.of(await accounts.create_user(ctx, address=address, **dict(new)))


@router.get("")
async def list_users(
    asked: Annotated[UserParameters, Query()], user_queries: Users, by: CurrentActor
) -> ListResponse[UserView | MemberUser]:
    """List users, with pagination, in the admin view or the member view."""
    page = await user_queries.list_page(asked.filter(), asked.page_request())
    seen = [user if by.is_admin else user.member() for user in page.items]
    return asked.to_response(Page(items=seen, next_key=page.next_key, total=page.total))


@router.get("/me")
async def read_me(user_queries: Users, by: CurrentActor, now: Now) -> UserView:
    """Read the caller's own profile."""
    return await user_queries.one(by.id, now)


@router.put("/me/password", status_code=204, openapi_extra=problems("too-many-requests"))
async def change_password(change: PasswordChange, accounts: Accounts, ctx: CurrentContext) -> None:
    """Change the caller's own password, and revoke all sessions and tokens of the caller."""
    await accounts.change_password(ctx, change.current, change.new)


@router.get("/{user_id:id}", response_model=UserView | MemberUser | PublicUser)
async def read_user(
    user_id: UserId, user_queries: Users, visitor: OptionalActor, now: Now
) -> VersionedResponse:
    """Read a user, in the caller's view: own or admin, member, or public."""
    user = await user_queries.one(user_id, now)
    return VersionedResponse(user.visible_to(visitor), user.version)


@router.patch(
    "/{user_id:id}",
    openapi_extra=problems("already-taken", "last-admin", "too-many-requests"),
)
async def edit_user(
    user_id: UserId,
    patch: Annotated[UserPatch, Body()],
    expected: IfMatch,
    accounts: Accounts,
    ctx: CurrentContext,
) -> UserView:
    """Edit members of a user."""
    changes: Any = dict(patch)
    password = changes.pop("password", None)
    user = await accounts.edit_user(user_id, changes, ctx, expected, password=password)
    return UserView.of(user)


@router.delete("/{user_id:id}", status_code=204, openapi_extra=problems("in-use", "last-admin"))
async def delete_user(
    user_id: UserId, expected: IfMatch, accounts: Accounts, ctx: CurrentContext
) -> None:
    """Delete a user, unless other objects refer to it."""
    await accounts.delete_user(user_id, ctx, expected)
