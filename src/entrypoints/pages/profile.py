"""Pages for the signed-in user's own profile, image, password and personal tokens."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.access import MAX_TOKENS, Scope, Token, TokenFilter
from domain.actors import Actor
from domain.base import PageRequest
from domain.errors import NotFound
from entrypoints.api.access import NewToken
from entrypoints.api.users import PasswordChange
from entrypoints.pages import sessions
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.one_time_secrets import forget_secret, redirect_with_secret, take_secret
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute
from entrypoints.pages.translation import translate
from entrypoints.pages.uploads import uploaded
from entrypoints.pages.users import UserPage
from entrypoints.web.dependencies import (
    Accounts,
    ClientAddress,
    CurrentActor,
    CurrentContext,
    CurrentGrant,
    Now,
    Tokens,
    UseCases,
    Users,
    ports,
)
from entrypoints.web.problems import to_problem
from service_layer import access, users

router = APIRouter(prefix="/office/profile", include_in_schema=False, route_class=PageRoute)

HERE = "/office/profile"
PASSWORD = f"{HERE}/password"
TOKENS = f"{HERE}/tokens"

EDIT = UserPage(
    name="user",
    template="profile/profile.html",
    labels="users",
    fields=("name", "username", "email", "city", "age"),
)


@router.get("")
async def show_profile(
    request: CurrentRequest, user_queries: Users, by: CurrentActor, now: Now
) -> Response:
    """Show the form that edits the signed-in user's profile."""
    user = await user_queries.one(by.id, now)
    return await EDIT.show(request, user)


@router.post("")
async def save_profile(
    request: CurrentRequest,
    sent: SubmittedForm,
    user_queries: Users,
    run: UseCases,
    by: CurrentActor,
    ctx: CurrentContext,
) -> Response:
    """Edit the signed-in user's profile; show the merge page on an edit conflict."""
    return await EDIT.save_edit(
        request,
        sent,
        lambda form: run(users.edit_user, by.id, EDIT.changes(form), ctx, form.expected),
        lambda: user_queries.one(by.id, ctx.now),
        address=HERE,
    )


@router.post("/picture")
async def replace_image(
    request: CurrentRequest,
    user_queries: Users,
    accounts: Accounts,
    by: CurrentActor,
    ctx: CurrentContext,
) -> Response:
    """Replace the signed-in user's image by an upload."""
    try:
        content = await uploaded(request, "picture")
        await accounts.replace_image(by.id, content, ctx)
    except FORM_ERRORS as error:
        user = await user_queries.one(by.id, ctx.now)
        upload = Form(errors={"picture": EDIT.fill(user).refused(error).wrong})
        return await EDIT.show(request, user, status=to_problem(error).status, upload=upload)
    return see_other(HERE, "picture-shown")


@router.post("/picture/remove")
async def delete_image(accounts: Accounts, by: CurrentActor, ctx: CurrentContext) -> Response:
    """Delete the signed-in user's image; the default image is shown instead."""
    await accounts.delete_image(by.id, ctx)
    return see_other(HERE, "picture-removed")


@router.get("/password")
async def show_password(request: CurrentRequest) -> Response:
    """Show the form that changes the password."""
    return page(request, "profile/password.html", form=Form())


@router.post("/password")
async def change_own_password(
    request: CurrentRequest,
    sent: SubmittedForm,
    user_queries: Users,
    accounts: Accounts,
    by: CurrentActor,
    address: ClientAddress,
    ctx: CurrentContext,
) -> Response:
    """Change the password, which revokes all sessions and tokens; sign in with the new one."""
    try:
        change = sent.read(PasswordChange)
        await accounts.change_password(ctx, change.current, change.new)
    except FORM_ERRORS as error:
        form = sent.refused(error)
        return page(request, "profile/password.html", status=to_problem(error).status, form=form)
    username = (await user_queries.one(by.id, ctx.now)).username
    return await sessions.sign_in(
        request, username, change.new, address, then=PASSWORD, done="password-changed"
    )


@router.get("/tokens")
async def show_tokens(request: CurrentRequest, by: CurrentActor) -> Response:
    """List the signed-in user's personal tokens, with a form that creates one."""
    return await _tokens(request, by, Form())


@router.post("/tokens")
async def create_token(
    request: CurrentRequest,
    sent: SubmittedForm,
    grant: CurrentGrant,
    run: UseCases,
    by: CurrentActor,
    ctx: CurrentContext,
) -> Response:
    """Create a personal token, and redirect to the page that shows it once."""
    try:
        new = _until_the_end_of_the_day(sent).read(NewToken)
        issued = await run(access.create_token, ctx, **vars(new), session_token_id=grant.token_id)
    except FORM_ERRORS as error:
        return await _tokens(request, by, sent.refused(error), to_problem(error).status)
    return redirect_with_secret(request, f"{TOKENS}/{issued.token.id}", issued.secret)


@router.get("/tokens/{token_id:id}")
async def show_token(
    token_id: UUID, request: CurrentRequest, token_queries: Tokens, by: CurrentActor
) -> Response:
    """Show the new token, or a notice if it has been shown already.

    Raises:
        NotFound: when the signed-in user has no such token.
    """
    token = await token_queries.owned(token_id, by.id)
    if token is None:
        raise NotFound(Token.entity_name, token_id)
    secret = take_secret(request)
    response = page(request, "profile/token.html", token=token, secret=secret)
    forget_secret(request, response)
    return response


@router.post("/tokens/{token_id:id}/delete")
async def revoke_token(token_id: UUID, run: UseCases, ctx: CurrentContext) -> Response:
    """Revoke a personal token of the signed-in user."""
    await run(access.revoke_token, token_id, ctx)
    return see_other(TOKENS, "token-deleted")


async def _tokens(request: Request, by: Actor, form: Form, status: int = 200) -> Response:
    all_of_them = PageRequest(sort="created_at", descending=True, limit=MAX_TOKENS)
    mine = TokenFilter(user_id=by.id)
    return page(
        request,
        "profile/tokens.html",
        status=status,
        tokens=(await ports(request).token_queries.list_page(mine, all_of_them)).items,
        scopes=[(str(scope), translate(f"profile.scope_{scope}")) for scope in Scope],
        form=form,
    )


def _until_the_end_of_the_day(sent: Form) -> Form:
    """Return the form with the date of expiry replaced by the last second of that day, in UTC."""
    last_day = sent["expires_at"]
    moment = f"{last_day}T23:59:59Z" if last_day else ""
    return Form({**sent.values, "expires_at": moment})
