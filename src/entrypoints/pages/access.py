"""Sign-in, sign-out, registration, and setup of the first admin."""

from urllib.parse import unquote, urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from domain.access import AlreadySetUp
from domain.base import Context
from entrypoints.api.access import SignIn
from entrypoints.api.users import NewUser
from entrypoints.pages import sessions
from entrypoints.pages.addresses import local
from entrypoints.pages.errors import error_page
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.routes import PAGE_ERRORS, CurrentRequest, PageRoute, sign_in_page
from entrypoints.web.body import SMALL_BODY
from entrypoints.web.dependencies import (
    Accounts,
    AuthenticatorPort,
    ClientAddress,
    CurrentContext,
    Now,
    UseCases,
    ports,
)
from entrypoints.web.problems import NO_ROUTE, ApiProblem, to_problem
from service_layer import access
from service_layer.access import IssuedToken

router = APIRouter(include_in_schema=False, route_class=PageRoute)

OFFICE = "/office"
_KEPT = "kept."


async def awaits_setup(request: Request) -> bool:
    """Return whether the first admin is still to be created.

    "No" is cached in the application's state, because the last admin cannot be removed.
    """
    state = request.app.state
    if not getattr(state, "is_set_up", False):
        state.is_set_up = not await ports(request).access_queries.awaits_setup()
    return not state.is_set_up


@router.get("/sign-in")
async def show_sign_in(request: CurrentRequest) -> Response:
    """Show the sign-in form, or redirect a signed-in user to `then`."""
    if await awaits_setup(request):
        return see_other("/setup")
    then = local(request.query_params.get("then", ""), OFFICE)
    if await sessions.known(request):
        return see_other(then)
    return sign_in_page(request, Form({"then": then}))


@router.post("/sign-in")
async def sign_in(
    request: CurrentRequest,
    sent: SubmittedForm,
    authenticator: AuthenticatorPort,
    address: ClientAddress,
    run: UseCases,
    now: Now,
) -> Response:
    """Sign in; revoke the browser's previous session.

    Then redirect to `then`, or replay a form that was submitted without a session (`resume`).
    """
    kept = {n.removeprefix(_KEPT): v for n, v in sent.values.items() if n.startswith(_KEPT)}
    before = await sessions.known(request)
    form = Form({"then": sent["then"], "username": sent["username"], "password": ""})
    try:
        credentials = sent.read(SignIn)
        browser = sessions.known_browser(request)
        issued = await authenticator.sign_in(
            credentials.username, credentials.password, address, browser
        )
    except FORM_ERRORS as error:
        waiting = kept if sent["resume"] else None
        status = to_problem(error).status
        return sign_in_page(request, form.refused(error), waiting, status=status)
    if before is not None:
        await run(access.revoke_current_token, before.token_id, Context(before.actor, now))
    then = local(sent["then"], OFFICE)
    if sent["resume"]:
        response = await _finish(request, then, Form(kept), issued)
    else:
        response = see_other(then)
    sessions.begin(request, response, issued)
    return response


@router.post("/sign-out")
async def sign_out(request: CurrentRequest, run: UseCases, now: Now) -> Response:
    """Sign out."""
    grant = await sessions.known(request)
    if grant is not None:
        await run(access.revoke_current_token, grant.token_id, Context(grant.actor, now))
    response = see_other("/sign-in", "signed-out")
    sessions.end(request, response)
    return response


@router.get("/setup")
async def show_setup(request: CurrentRequest) -> Response:
    """Show the form that creates the first admin."""
    if not await awaits_setup(request):
        return see_other("/sign-in")
    form = Form({"secret": request.query_params.get("secret", "")})
    return page(request, "access/setup.html", form=form)


@router.post("/setup", max_body_size=SMALL_BODY)
async def set_up(
    request: CurrentRequest,
    sent: SubmittedForm,
    accounts: Accounts,
    address: ClientAddress,
    ctx: CurrentContext,
) -> Response:
    """Create the first admin, and sign them in."""
    if not await awaits_setup(request):
        return see_other("/sign-in")
    try:
        new = sent.read(NewUser)
        await accounts.set_up(sent["secret"], ctx, **dict(new))
    except AlreadySetUp:
        return see_other("/sign-in")
    except FORM_ERRORS as error:
        form = sent.refused(error)
        return page(request, "access/setup.html", status=to_problem(error).status, form=form)
    return await sessions.sign_in(
        request, new.username, new.password, address, then=OFFICE, done="set-up"
    )


@router.get("/register")
async def show_registration(request: CurrentRequest) -> Response:
    """Show the registration form.

    Raises:
        ApiProblem: 404 when registration is closed.
    """
    _require_open_registration(request)
    if await awaits_setup(request):
        return see_other("/setup")
    if await sessions.known(request):
        return see_other(OFFICE)
    return page(request, "access/register.html", form=Form())


@router.post("/register", max_body_size=SMALL_BODY)
async def register(
    request: CurrentRequest,
    sent: SubmittedForm,
    accounts: Accounts,
    address: ClientAddress,
    ctx: CurrentContext,
) -> Response:
    """Create a member's account, and sign its owner in.

    Raises:
        ApiProblem: 404 when registration is closed.
    """
    _require_open_registration(request)
    if await sessions.known(request):
        return see_other(OFFICE)
    try:
        new = sent.read(NewUser)
        await accounts.create_user(ctx, address=address, **dict(new))
    except FORM_ERRORS as error:
        form = sent.refused(error)
        return page(request, "access/register.html", status=to_problem(error).status, form=form)
    return await sessions.sign_in(
        request, new.username, new.password, address, then=OFFICE, done="registered"
    )


def _require_open_registration(request: Request) -> None:
    if not request.app.state.registration_open:
        raise ApiProblem("not-found", NO_ROUTE)


async def _finish(request: Request, where: str, form: Form, issued: IssuedToken) -> Response:
    """Replay a form that was submitted without a session, as a request with the new session."""
    split = urlsplit(where)
    authenticator = ports(request).authenticator
    grant = await authenticator.grant(issued.secret, ports(request).clock(), fresh=True)
    scope = {
        **request.scope,
        "path": unquote(split.path),
        "raw_path": split.path.encode(),
        "query_string": split.query.encode(),
        "path_params": {},
        "form": form,
        "grant": grant,
        "session_secret": issued.secret,
    }
    for route in request.app.routes:
        match, more = route.matches(scope)
        # Only routes that require a session ask for a sign-in, so only these are replayed.
        if match is Match.FULL and isinstance(route, PageRoute) and not route.who.is_public:
            scope.update(more)
            again = Request(scope, request.receive)
            try:
                return await route.respond(again)
            except PAGE_ERRORS as error:
                return await error_page(again, error)
    return see_other(OFFICE)
