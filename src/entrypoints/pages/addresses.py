"""Addresses within the service: where a link or a form leads back to."""

import re
from urllib.parse import urlencode

from fastapi import Request

_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_OFFICE = re.compile(r"/office(?:[/?#]|$)")
# A search of 100 characters and a cursor, percent-encoded, take less.
_LONGEST = 4_000


def local(address: str, otherwise: str) -> str:
    """Return an address if it is one of ours, so that nobody is led elsewhere."""
    return address if _LOCAL.fullmatch(address) else otherwise


def back_of(request: Request) -> str:
    """Return the address of the list that led here, "" without a usable one.

    It stands in the query or in the form. Anything but an address in the office is ignored.
    """
    form = request.scope.get("form")
    given = (form["back"] if form is not None else "") or request.query_params.get("back", "")
    usable = len(given) <= _LONGEST and _OFFICE.match(given)
    return local(given, "") if usable else ""


def with_back(address: str, back: str) -> str:
    """Return an address with the list that its page leads back to."""
    if not back:
        return address
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'back': back})}"


def list_address(back: str, address: str) -> str:
    """Return the address of a list, in the state that `back` names if it names that list."""
    path = re.split("[?#]", back, maxsplit=1)[0]
    return back if path == address else address
