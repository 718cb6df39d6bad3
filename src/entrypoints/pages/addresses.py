"""Local addresses, and the `back` parameter that leads from a page to its list."""

import re
from urllib.parse import urlencode

from fastapi import Request

_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_OFFICE = re.compile(r"/office(?:[/?#]|$)")
# A search of 100 characters and a cursor, percent-encoded, are shorter.
_LONGEST = 4_000


def local(address: str, otherwise: str) -> str:
    """Return `address` if it is a path of this service, else `otherwise`.

    This prevents open redirects.
    """
    return address if _LOCAL.fullmatch(address) else otherwise


def back_of(request: Request) -> str:
    """Return the `back` parameter of the form or the query, "" if it is missing or unusable.

    Only paths under `/office` are accepted.
    """
    form = request.scope.get("form")
    given = (form["back"] if form is not None else "") or request.query_params.get("back", "")
    usable = len(given) <= _LONGEST and _OFFICE.match(given)
    return local(given, "") if usable else ""


def with_back(address: str, back: str) -> str:
    """Return an address with a `back` query parameter, unless `back` is empty."""
    if not back:
        return address
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'back': back})}"


def list_address(back: str, address: str) -> str:
    """Return `back`, with its filters and cursor, if it is the list at `address`.

    Return `address` otherwise.
    """
    path = re.split("[?#]", back, maxsplit=1)[0]
    return back if path == address else address
