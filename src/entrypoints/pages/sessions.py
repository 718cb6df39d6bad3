"""Sessions: the cookie by which a browser is known, and that it was a page of ours that asks."""

from datetime import timedelta

from fastapi import Request
from starlette.responses import Response

from domain.access import MAX_SECRET, SESSION_LIFETIME
from domain.errors import PermissionDenied
from domain.known_browser import KnownBrowser
from entrypoints.web.dependencies import ports
from entrypoints.web.origins import Origin, cookie_name, public_origin
from service_layer.access import IssuedToken
from service_layer.queries.access import Grant

COOKIE = "atelier"
"""What the session's cookie is called, but for what `cookie_name` adds."""

MAX_COOKIE = 400
"""How many characters a cookie of ours has at most; a longer one is not looked at."""

KNOWN_BROWSER = timedelta(days=400)
"""How long a browser is known after a sign-in; browsers keep no cookie for longer."""


def secret_of(request: Request) -> str | None:
    """Return the secret that the browser shows, if it shows one."""
    # A request that waited for its sender to sign in has the secret of the session that began then.
    secret: str | None = request.scope.get("session_secret")
    secret = secret or cookie(request, cookie_name(request, COOKIE)) or _earlier_cookie(request)
    return secret if secret is None or len(secret) <= MAX_SECRET else None


def cookie(request: Request, name: str) -> str | None:
    """Return the value of a cookie, the last one of that name, if it is of a size that we set.

    It is read by hand: the standard library's parser takes time that grows with the square of a
    quoted value (CVE-2024-7592), and reads every other cookie as well.
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
    """Return the secret of a session from before the name of its cookie had a port."""
    return cookie(request, "__Host-atelier" if public_origin(request).is_secure else "atelier")


async def known(request: Request) -> Grant | None:
    """Return what whoever is signed in is granted, `None` if nobody is."""
    secret = secret_of(request)
    if not secret:
        return None
    here = ports(request)
    grant = await here.authenticator().grant(secret, here.clock()(), fresh=request.method != "GET")
    # A personal token is for programs; it opens the API and no page.
    if grant is None or grant.is_personal:
        return None
    request.scope["user_id"] = grant.actor.id  # for the log
    return grant


def known_browser(request: Request) -> KnownBrowser | None:
    """Return what the browser's other cookie tells of earlier sign-ins, if it has one."""
    return KnownBrowser.parse(cookie(request, _known_browser_cookie(request)))


def _known_browser_cookie(request: Request) -> str:
    return cookie_name(request, f"{COOKIE}-known")


def begin(request: Request, response: Response, issued: IssuedToken) -> None:
    """Set the session's cookie, and the one by which the browser is known at its next sign-in."""
    _set(request, response, cookie_name(request, COOKIE), issued.secret, SESSION_LIFETIME)
    if issued.browser is not None:
        name = _known_browser_cookie(request)
        _set(request, response, name, str(issued.browser), KNOWN_BROWSER)


def end(request: Request, response: Response) -> None:
    """Have the browser forget the session, and the pages that it was shown.

    It stays known as one that has signed in. Without TLS a browser clears its cache for this
    machine alone (Clear Site Data, 3.1).
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
    """Require that a page of this service sent the form.

    Browsers tell by Fetch Metadata; older ones, and all of them without TLS, by the origin alone.
    The origin is compared with the public one, or with that of the Host if none is configured.

    Raises:
        PermissionDenied: when another page sent it, or no header tells.
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
    # A proxy that is not trusted to say so may use TLS before a service that does not.
    schemes = {"https", request.scope["scheme"]}
    host = request.headers.get("host", "")
    return {Origin.parse(f"{scheme}://{host}") for scheme in schemes}
