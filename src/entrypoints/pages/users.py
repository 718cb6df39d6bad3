"""Pages for users: profiles, and for admins accounts, roles and passwords."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.actors import Actor, Role
from domain.errors import PermissionDenied
from domain.profile import UNKNOWN_CITY, UserChanges
from entrypoints.api.users import NewUser, UserParameters, UserPatch
from entrypoints.pages.addresses import back_of, list_address, with_back
from entrypoints.pages.edit_page import EditPage
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.rendering import known_city, page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute, parse_query
from entrypoints.pages.translation import translate
from entrypoints.web.dependencies import (
    Accounts,
    ClientAddress,
    CurrentActor,
    CurrentContext,
    Now,
    UseCases,
    Users,
    ports,
)
from entrypoints.web.problems import to_problem
from service_layer import users
from service_layer.queries.users import MemberUser, UserView

router = APIRouter(prefix="/office/people", include_in_schema=False, route_class=PageRoute)

HERE = "/office/people"


class UserListQuery(UserParameters):
    """The query parameters of the list: those of the API, but ordered by name by default."""

    sort: Literal["name", "username", "-created_at"] = "name"


class UserPage(EditPage[UserView]):
    """A page that edits a user, who is an admin's or the signed-in one."""

    async def context(self, request: Request, user: UserView, form: Form) -> Mapping[str, Any]:
        return {"password": Form(), "upload": Form(), "roles": _roles()}

    def options(self) -> Mapping[str, Mapping[str, str]]:
        return {"role": dict(_roles())}

    def fill(self, user: UserView) -> Form:
        """Return the form filled from a user; `UNKNOWN_CITY` is an empty field."""
        return super().fill(replace(user, city=known_city(user.city)))

    def changes(self, sent: Form) -> Any:
        """Return the changes of a submitted form; an emptied city becomes `UNKNOWN_CITY`."""
        patch: Any = sent.read(UserPatch)
        changes = {name: patch[name] for name in self.fields if name in patch}
        if changes.get("city") == "":
            if sent.was_shown("city", ""):
                del changes["city"]
            else:
                changes["city"] = UNKNOWN_CITY
        return changes


EDIT = UserPage(
    name="user",
    template="users/edit.html",
    labels="users",
    fields=("username", "email", "name", "age", "city", "role"),
)


@router.get("")
async def show_users(request: CurrentRequest, by: CurrentActor) -> Response:
    """List users, with the attributes that the signed-in user may see."""
    return await _list(request, by, Form.new())


@router.post("")
async def create_user(
    request: CurrentRequest,
    sent: SubmittedForm,
    accounts: Accounts,
    by: CurrentActor,
    address: ClientAddress,
    ctx: CurrentContext,
) -> Response:
    """Create a user."""
    try:
        new = dict(sent.read(NewUser))
        place = await accounts.create_user_idempotently(
            sent.key, ctx, locate=_place, address=address, **new
        )
    except FORM_ERRORS as error:
        return await _list(request, by, sent.refused(error), to_problem(error).status)
    return see_other(place, "person-added")


@router.get("/{user_id:id}")
async def show_user(
    user_id: UUID, request: CurrentRequest, user_queries: Users, by: CurrentActor, now: Now
) -> Response:
    """Show a user with the attributes that the viewer may see; to admins, as a form."""
    user = (await user_queries.one(user_id, now)).visible_to(by)
    if by.is_admin and isinstance(user, UserView):
        return await EDIT.show(request, user)
    return page(request, "users/user.html", user=user)


@router.post("/{user_id:id}")
async def save_user(
    user_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    user_queries: Users,
    run: UseCases,
    ctx: CurrentContext,
) -> Response:
    """Edit a user; show the merge page on an edit conflict."""
    return await EDIT.save_edit(
        request,
        sent,
        lambda form: run(users.edit_user, user_id, EDIT.changes(form), ctx, form.expected),
        lambda: user_queries.one(user_id, ctx.now),
        address=with_back(f"{HERE}/{user_id}", back_of(request)),
    )


@router.post("/{user_id:id}/deactivate")
async def deactivate_user(
    user_id: UUID, request: CurrentRequest, user_queries: Users, run: UseCases, ctx: CurrentContext
) -> Response:
    """Deactivate a user; their records stay."""
    try:
        changes: UserChanges = {"is_active": False}
        await run(users.edit_user, user_id, changes, ctx)
    except FORM_ERRORS as error:
        return await EDIT.refuse(request, await user_queries.one(user_id, ctx.now), error)
    return see_other(with_back(f"{HERE}/{user_id}", back_of(request)), "person-deactivated")


@router.post("/{user_id:id}/reactivate")
async def reactivate_user(
    user_id: UUID, request: CurrentRequest, run: UseCases, ctx: CurrentContext
) -> Response:
    """Reactivate a user."""
    changes: UserChanges = {"is_active": True}
    await run(users.edit_user, user_id, changes, ctx)
    return see_other(with_back(f"{HERE}/{user_id}", back_of(request)), "person-reactivated")


@router.post("/{user_id:id}/password")
async def set_user_password(
    user_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    user_queries: Users,
    accounts: Accounts,
    ctx: CurrentContext,
) -> Response:
    """Set a user's password, which revokes their sessions and tokens."""
    try:
        patch: Any = Form({"password": sent["password"]}).read(UserPatch)
        await accounts.edit_user(user_id, {}, ctx, password=patch["password"])
    except PermissionDenied as error:
        return await EDIT.refuse(request, await user_queries.one(user_id, ctx.now), error)
    except FORM_ERRORS as error:
        user = await user_queries.one(user_id, ctx.now)
        password = Form({"password": ""}).refused(error)
        status = to_problem(error).status
        return await EDIT.show(request, user, status=status, password=password)
    return see_other(with_back(f"{HERE}/{user_id}", back_of(request)), "password-set")


@router.post("/{user_id:id}/delete")
async def delete_user(
    user_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    user_queries: Users,
    accounts: Accounts,
    ctx: CurrentContext,
) -> Response:
    """Delete a user and their image; show an error if records reference the user."""
    try:
        await accounts.delete_user(user_id, ctx, sent.expected)
    except FORM_ERRORS as error:
        return await EDIT.refuse(request, await user_queries.one(user_id, ctx.now), error)
    return see_other(list_address(back_of(request), HERE), "person-deleted")


def _place(user: Any) -> str:
    return f"{HERE}/{user.id}"


async def _list(request: Request, by: Actor, form: Form, status: int = 200) -> Response:
    wanted = parse_query(request, UserListQuery)
    found = await ports(request).user_queries.list_page(wanted.filter(), wanted.page_request())
    listing = wanted.to_response(found)
    seen: list[UserView | MemberUser] = [u if by.is_admin else u.member() for u in found.items]
    return page(
        request,
        "users/list.html",
        status=status,
        wanted=wanted,
        listing={**listing, "items": seen},
        form=form,
    )


def _roles() -> list[tuple[str, str]]:
    return [(str(role), translate(f"users.role_{role}")) for role in (Role.MEMBER, Role.ADMIN)]
