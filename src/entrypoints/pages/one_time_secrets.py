"""Secrets that are shown once, on the page after the form that creates them.

The form answers with a redirect, so reloading that page does not send the form again. The secret
travels in a cookie for that page alone, encrypted with a key derived from the session's secret.
The server keeps neither, so any worker process can serve the page and no database holds the secret.
The page removes the cookie.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from hmac import compare_digest

from fastapi import Request
from starlette.responses import Response

from entrypoints.pages.rendering import see_other
from entrypoints.pages.sessions import cookie, secret_of
from entrypoints.web.origins import cookie_name, public_origin

SECONDS = 60
"""The lifetime of the cookie, in which the browser must follow the redirect."""

_NONCE, _TAG = 16, 32
# One block of BLAKE2b is the longest key stream.
_LONGEST = 64


def redirect_with_secret(request: Request, address: str, secret: str) -> Response:
    """Redirect to the page that shows a secret, at an address without a query."""
    response = see_other(address)
    _set_cookie(request, response, address, _seal(secret, address, _session(request)), SECONDS)
    return response


def take_secret(request: Request) -> str | None:
    """Return the secret from the cookie, `None` if it has been shown already."""
    sealed = cookie(request, _cookie_name(request))
    return _open(sealed, request.url.path, _session(request)) if sealed else None


def forget_secret(request: Request, response: Response) -> None:
    """Delete the cookie with the secret, and forbid caches to store the response."""
    response.headers["Cache-Control"] = "no-store"
    _set_cookie(request, response, request.url.path, "", 0)


def _session(request: Request) -> str:
    return secret_of(request) or ""


def _seal(secret: str, address: str, session: str) -> str:
    """Return a secret encrypted and authenticated for one address and one session.

    A keyed BLAKE2b serves as pseudo-random function: one gives the key stream, another the tag over
    the nonce and the ciphertext.
    """
    plain = secret.encode()
    if len(plain) > _LONGEST:
        raise ValueError("The secret is longer than the key stream.")
    nonce = secrets.token_bytes(_NONCE)
    ciphertext = _xor(plain, _derive(b"stream", nonce, address, session, _LONGEST))
    tag = _derive(b"tag", nonce + ciphertext, address, session, _TAG)
    # Without its padding the value need not be quoted in a cookie.
    return urlsafe_b64encode(nonce + tag + ciphertext).decode().rstrip("=")


def _open(sealed: str, address: str, session: str) -> str | None:
    """Return the decrypted secret, `None` if its authentication fails."""
    try:
        content = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    except ValueError:
        return None
    nonce, tag, ciphertext = (
        content[:_NONCE],
        content[_NONCE : _NONCE + _TAG],
        content[_NONCE + _TAG :],
    )
    if not compare_digest(tag, _derive(b"tag", nonce + ciphertext, address, session, _TAG)):
        return None
    return _xor(ciphertext, _derive(b"stream", nonce, address, session, _LONGEST)).decode()


def _derive(purpose: bytes, data: bytes, address: str, session: str, size: int) -> bytes:
    key = session.encode()[:_LONGEST]
    return blake2b(data + address.encode(), digest_size=size, key=key, person=purpose).digest()


def _xor(text: bytes, stream: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(text, stream, strict=False))


def _cookie_name(request: Request) -> str:
    return cookie_name(request, "atelier-once", whole_site=False)


def _set_cookie(request: Request, response: Response, path: str, value: str, seconds: int) -> None:
    response.set_cookie(
        _cookie_name(request),
        value,
        max_age=seconds,
        path=path,
        secure=public_origin(request).is_secure,
        httponly=True,
        samesite="strict",
    )
