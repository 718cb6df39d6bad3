"""Sessions: session cookies, known-browser cookies, and the origin check against CSRF."""

from datetime import timedelta

from fastapi import Request
from starlette.responses import Response

from domain.access import MAX_SECRET, SESSION_LIFETIME
from domain.errors import PermissionDenied
from domain.known_browser import KnownBrowser
from entrypoints.pages.forms import FORM_ERRORS
from entrypoints.pages.rendering import see_other
from entrypoints.web.dependencies import ports
from entrypoints.web.origins import Origin, cookie_name, public_origin
from service_layer.access import IssuedToken
from service_layer.queries.access import Grant

COOKIE = "atelier"
"""The base name of the session cookie; `cookie_name` adds a prefix and a port."""

MAX_COOKIE = 400
"""The maximum length of a cookie value in bytes; longer ones are ignored."""

KNOWN_BROWSER = timedelta(days=400)
"""The lifetime of the known-browser cookie, the longest that browsers allow."""


def secret_of(request: Request) -> str | None:
    """Return the session secret of a request, `None` without one of valid length."""
    # A replayed form has the secret of the session that was just created.
    secret: str | None = request.scope.get("session_secret")
    secret = secret or cookie(request, cookie_name(request, COOKIE)) or _earlier_cookie(request)
    return secret if secret is None or len(secret) <= MAX_SECRET else None


def cookie(request: Request, name: str) -> str | None:
    """Return the last value of a cookie, `None` if it is missing or longer than `MAX_COOKIE`.

    The standard library's parser is avoided: its time is quadratic in the length of a quoted value
    (CVE-2024-7592), and it parses all other cookies too.
    """
    wanted = name.encode()
    found = None
    for header, line in request.scope["headers"]:
        if header == b"cookie":
            for pair in line.split(b";"):
                given, _, value = pair.partition(b"=")
                if given.strip() == wanted:
                    found = value.strip()
    return found.decode("latin-1") if found is not None and len(found) <= MAX_COOKIE else None


def _earlier_cookie(request: Request) -> str | None:
    """Return the session secret from the former cookie name, which had no port."""
    return cookie(request, "__Host-atelier" if public_origin(request).is_secure else "atelier")


async def known(request: Request) -> Grant | None:
    """Return the grant of the request's session, `None` without a valid session.

    Requests other than GET bypass the grant cache.
    """
    secret = secret_of(request)
    if not secret:
        return None
    here = ports(request)
    grant = await here.authenticator.grant(secret, here.clock(), fresh=request.method != "GET")
    # Personal tokens are for the API only.
    if grant is None or grant.is_personal:
        return None
    request.scope["user_id"] = grant.actor.id  # for the log
    return grant


def known_browser(request: Request) -> KnownBrowser | None:
    """Return the content of the known-browser cookie, `None` if missing or malformed."""
    return KnownBrowser.parse(cookie(request, _known_browser_cookie(request)))


def _known_browser_cookie(request: Request) -> str:
    return cookie_name(request, f"{COOKIE}-known")


def begin(request: Request, response: Response, issued: IssuedToken) -> None:
    """Set the session cookie and the known-browser cookie."""
    _set(request, response, cookie_name(request, COOKIE), issued.secret, SESSION_LIFETIME)
    if issued.browser is not None:
        name = _known_browser_cookie(request)
        _set(request, response, name, str(issued.browser), KNOWN_BROWSER)


async def sign_in(
    request: Request, username: str, password: str, address: str, *, then: str, done: str
) -> Response:
    """Sign in by a password that was just set; redirect to the sign-in form if that fails.

    It fails after another change, or by the login throttle.
    """
    authenticator = ports(request).authenticator
    try:
        issued = await authenticator.sign_in(username, password, address, known_browser(request))
    except FORM_ERRORS:
        return see_other("/sign-in", done)
    response = see_other(then, done)
    begin(request, response, issued)
    return response


def end(request: Request, response: Response) -> None:
    """Delete the session cookie and clear the browser's cache.

    The known-browser cookie stays. Without TLS browsers honour `Clear-Site-Data` on localhost only
    (Clear Site Data, 3.1).
    """
    _set(request, response, cookie_name(request, COOKIE), "", timedelta())
    response.headers["Clear-Site-Data"] = '"cache"'


def _set(request: Request, response: Response, name: str, value: str, lasts: timedelta) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=public_origin(request).is_secure,
        httponly=True,
        samesite="lax",
    )


def require_same_origin(request: Request) -> None:
    """Require that a page of this service submitted the form (CSRF protection).

    `Sec-Fetch-Site` decides. Older browsers, and all browsers without TLS, send only `Origin`. It
    is compared with the configured public origin, or else with the Host header.

    Raises:
        PermissionDenied: when the form comes from another origin, or both headers are missing.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None:
        claimed = Origin.parse(request.headers.get("origin", ""))
        same = claimed is not None and claimed in _own_origins(request)
    else:
        same = site == "same-origin"
    if not same:
        raise PermissionDenied(
            "This form was not sent from a page of this workshop. Nothing was changed."
        )


def _own_origins(request: Request) -> set[Origin | None]:
    configured: Origin | None = request.app.state.origin
    if configured is not None:
        return {configured}
    # Behind an untrusted proxy that terminates TLS, the scheme of the request is not the public
    # one.
    schemes = {"https", request.scope["scheme"]}
    host = request.headers.get("host", "")
    return {Origin.parse(f"{scheme}://{host}") for scheme in schemes}
