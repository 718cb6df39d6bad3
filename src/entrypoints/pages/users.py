"""The office's people: who belongs to the workshop, and for admins who may come in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.actors import Actor, Role
from domain.errors import PermissionDenied, VersionMismatch
from domain.users import UNKNOWN_CITY, UserChanges
from entrypoints.api.users import NewUser, UserParameters, UserPatch
from entrypoints.pages.addresses import back_of, list_address, with_back
from entrypoints.pages.edit_conflicts import merge_page
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.rendering import known_city, page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute, parse_query
from entrypoints.pages.translation import translate
from entrypoints.web.dependencies import (
    ClientAddress,
    CurrentActor,
    Hashing,
    Images,
    Now,
    UseCases,
    Users,
    ports,
)
from entrypoints.web.problems import to_problem
from service_layer import idempotency, users
from service_layer.queries.users import MemberUser, UserView

router = APIRouter(prefix="/office/people", include_in_schema=False, route_class=PageRoute)

HERE = "/office/people"
FIELDS = ("username", "email", "name", "age", "city", "role")


class Wanted(UserParameters):
    """Which people are shown, and in which order: as the API lists them, but by name."""

    sort: Literal["name", "username", "-created_at"] = "name"


@router.get("")
async def show_users(request: CurrentRequest, by: CurrentActor) -> Response:
    """List people, as whoever asks may see them."""
    return await _list(request, by, Form.new())


@router.post("")
async def create_user(
    request: CurrentRequest,
    sent: SubmittedForm,
    hashing: Hashing,
    run: UseCases,
    by: CurrentActor,
    address: ClientAddress,
    now: Now,
) -> Response:
    """Take somebody in."""
    try:
        new = dict(sent.read(NewUser))
        hash = await hashing.for_new_user(
            username=new["username"],
            email=new["email"],
            password=new.pop("password"),
            actor=by,
            address=address,
        )
        place = await run(
            idempotency.idempotently,
            sent.key,
            users.create_user,
            locate=_place,
            password_hash=hash,
            actor=by,
            now=now,
            **new,
        )
    except FORM_ERRORS as error:
        return await _list(request, by, sent.refused(error), to_problem(error).status)
    return see_other(place, "person-added")


@router.get("/{user_id:id}")
async def show_user(
    user_id: UUID, request: CurrentRequest, user_queries: Users, by: CurrentActor, now: Now
) -> Response:
    """Show somebody, as whoever asks may see them; to an admin as a form that edits them."""
    user = (await user_queries.one(user_id, now)).visible_to(by)
    if by.is_admin and isinstance(user, UserView):
        return _user_page(request, user, profile_form(user, FIELDS))
    return page(request, "people/person.html", user=user)


@router.post("/{user_id:id}")
async def save_user(
    user_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    user_queries: Users,
    run: UseCases,
    by: CurrentActor,
    now: Now,
) -> Response:
    """Give members of a profile other values, unless somebody else has done so meanwhile."""
    try:
        patch: Any = sent.read(UserPatch)
        changes = profile_changes(sent, patch, FIELDS)
        expected = sent.expected
        await run(users.edit_user, user_id, changes, actor=by, now=now, expected=expected)
    except VersionMismatch:
        return _merge(request, await user_queries.one(user_id, now), sent)
    except FORM_ERRORS as error:
        user = await user_queries.one(user_id, now)
        return _user_page(request, user, sent.refused(error), to_problem(error).status)
    return see_other(with_back(f"{HERE}/{user_id}", back_of(request)), "saved")


@router.post("/{user_id:id}/deactivate")
async def deactivate_user(
    user_id: UUID,
    request: CurrentRequest,
    user_queries: Users,
    run: UseCases,
    by: CurrentActor,
    now: Now,
) -> Response:
    """Let somebody in no more; what they have done stays."""
    try:
        changes: UserChanges = {"is_active": False}
        await run(users.edit_user, user_id, changes, actor=by, now=now)
    except FORM_ERRORS as error:
        return _refused(request, await user_queries.one(user_id, now), error)
    return see_other(with_back(f"{HERE}/{user_id}", back_of(request)), "person-deactivated")


@router.post("/{user_id:id}/reactivate")
async def reactivate_user(
    user_id: UUID, request: CurrentRequest, run: UseCases, by: CurrentActor, now: Now
) -> Response:
    """Let somebody in again."""
    changes: UserChanges = {"is_active": True}
    await run(users.edit_user, user_id, changes, actor=by, now=now)
    return see_other(with_back(f"{HERE}/{user_id}", back_of(request)), "person-reactivated")


@router.post("/{user_id:id}/password")
async def set_user_password(
    user_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    user_queries: Users,
    hashing: Hashing,
    run: UseCases,
    by: CurrentActor,
    now: Now,
) -> Response:
    """Give somebody a new password, which signs them out everywhere."""
    try:
        patch: Any = Form({"password": sent["password"]}).read(UserPatch)
        hash = await hashing.for_user(user_id, patch["password"], actor=by)
        await run(users.edit_user, user_id, {}, password_hash=hash, actor=by, now=now)
    except PermissionDenied as error:
        return _refused(request, await user_queries.one(user_id, now), error)
    except FORM_ERRORS as error:
        user = await user_queries.one(user_id, now)
        password = Form({"password": ""}).refused(error)
        form = profile_form(user, FIELDS)
        return _user_page(request, user, form, to_problem(error).status, password)
    return see_other(with_back(f"{HERE}/{user_id}", back_of(request)), "password-set")


@router.post("/{user_id:id}/delete")
async def delete_user(
    user_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    user_queries: Users,
    pictures: Images,
    run: UseCases,
    by: CurrentActor,
    now: Now,
) -> Response:
    """Strike somebody off the list, if nothing refers to them."""
    try:
        expected = sent.expected
        picture = await run(users.delete_user, user_id, actor=by, now=now, expected=expected)
    except FORM_ERRORS as error:
        return _refused(request, await user_queries.one(user_id, now), error)
    if picture is not None:
        await pictures.delete(picture)
    return see_other(list_address(back_of(request), HERE), "person-deleted")


def _place(user: Any) -> str:
    return f"{HERE}/{user.id}"


async def _list(request: Request, by: Actor, form: Form, status: int = 200) -> Response:
    wanted = parse_query(request, Wanted)
    found = await ports(request).user_queries().list_page(wanted.filter(), wanted.page_request())
    listing = wanted.to_response(found)
    seen: list[UserView | MemberUser] = [u if by.is_admin else u.member() for u in found.items]
    return page(
        request,
        "people/list.html",
        status=status,
        wanted=wanted,
        listing={**listing, "items": seen},
        form=form,
    )


def _user_page(
    request: Request,
    user: UserView,
    form: Form,
    status: int = 200,
    password: Form | None = None,
) -> Response:
    return page(
        request,
        "people/edit.html",
        status=status,
        user=user,
        form=form,
        password=password or Form(),
        roles=_roles(),
    )


def _refused(request: Request, user: UserView, error: Exception) -> Response:
    """Show somebody with whom an admin has tried what cannot be done."""
    form = profile_form(user, FIELDS).refused(error)
    return _user_page(request, user, form, to_problem(error).status)


def _merge(request: Request, user: UserView, sent: Form) -> Response:
    return merge_page(
        request,
        sent,
        profile_form(user, FIELDS),
        FIELDS,
        labels="people",
        back=with_back(f"{HERE}/{user.id}", back_of(request)),
        choices={"role": dict(_roles())},
    )


def profile_form(user: UserView, fields: Sequence[str]) -> Form:
    """Return the form that edits a profile; a city that is not known is an empty field."""
    return Form.of(replace(user, city=known_city(user.city)), *fields)


def profile_changes(sent: Form, patch: Mapping[str, Any], fields: Sequence[str]) -> Any:
    """Return what a form changes of a profile; an emptied field makes the city unknown."""
    changes = {name: patch[name] for name in fields if name in patch}
    if changes.get("city") == "":
        if sent.was_shown("city", ""):
            del changes["city"]
        else:
            changes["city"] = UNKNOWN_CITY
    return changes


def _roles() -> list[tuple[str, str]]:
    return [(str(role), translate(f"people.role_{role}")) for role in (Role.MEMBER, Role.ADMIN)]
