"""Sessions: the cookie by which a browser is known, and that it was a page of ours that asks."""

from datetime import timedelta

from fastapi import Request
from starlette.responses import Response

from domain.access import SESSION
from domain.errors import Forbidden
from domain.known_browser import KnownBrowser
from entrypoints.http.ports import ports
from service_layer.access import Issued
from service_layer.queries.access import Grant

KNOWN_BROWSER = timedelta(days=400)
"""How long a browser is known after a sign-in; browsers keep no cookie for longer."""


def cookie_name(request: Request) -> str:
    """Return what the cookie is called.

    Behind TLS its name makes the browser see to it that no other host and no plain connection can
    have set it (RFC 6265bis, 4.1.3.2); without TLS no browser would take a cookie of that name.
    """
    return "__Host-atelier" if request.url.scheme == "https" else "atelier"


def secret_of(request: Request) -> str | None:
    """Return the secret that the browser shows, if it shows one."""
    # A request that waited for its sender to sign in has the secret of the session that began then.
    secret: str | None = request.scope.get("session_secret")
    return secret or request.cookies.get(cookie_name(request))


async def known(request: Request) -> Grant | None:
    """Return what whoever is signed in is granted, `None` if nobody is."""
    secret = secret_of(request)
    if not secret:
        return None
    here = ports(request)
    grant = await here.authenticator().grant(secret, here.clock()(), fresh=request.method != "GET")
    # A personal token is for programs; it opens the API and no page.
    return None if grant is None or grant.is_personal else grant


def known_browser(request: Request) -> KnownBrowser | None:
    """Return what the browser's other cookie tells of earlier sign-ins, if it has one."""
    return KnownBrowser.parse(request.cookies.get(_known_browser_cookie(request)))


def _known_browser_cookie(request: Request) -> str:
    return f"{cookie_name(request)}-known"


def begin(request: Request, response: Response, issued: Issued) -> None:
    """Set the session's cookie, and the one by which the browser is known at its next sign-in."""
    _set(request, response, cookie_name(request), issued.secret, SESSION)
    if issued.browser is not None:
        name = _known_browser_cookie(request)
        _set(request, response, name, str(issued.browser), KNOWN_BROWSER)


def end(request: Request, response: Response) -> None:
    """Have the browser forget the session, and the pages that it was shown.

    It stays known as one that has signed in. Without TLS a browser clears its cache for this
    machine alone (Clear Site Data, 3.1).
    """
    _set(request, response, cookie_name(request), "", timedelta())
    response.headers["Clear-Site-Data"] = '"cache"'


def _set(request: Request, response: Response, name: str, value: str, lasts: timedelta) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def require_same_origin(request: Request) -> None:
    """Make sure that it is a page of ours that a form was sent from.

    Browsers say so themselves (Fetch Metadata); the older ones, and all of them without TLS, by the
    origin alone. Whoever says nothing is refused.

    Raises:
        Forbidden: when it was not, or nothing tells.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None:
        host = request.headers.get("host", "")
        ours = {f"https://{host}"}
        if request.url.scheme != "https":
            # There may be TLS before us all the same, in a proxy that is not trusted to say so.
            ours.add(f"http://{host}")
        same = bool(host) and request.headers.get("origin") in ours
    else:
        same = site == "same-origin"
    if not same:
        raise Forbidden("This was not sent from a page of this workshop; nothing was changed.")
