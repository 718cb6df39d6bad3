"""Request bodies: reading them within a limit, and parsing JSON and forms strictly.

Every step costs time linear in the size of the body, whatever is in it.
"""

import json
import re
from array import array
from decimal import Decimal, InvalidOperation
from itertools import accumulate, chain
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from entrypoints.web.problems import ApiProblem, invalid, pointer
from entrypoints.web.validation import urlencoded

MAX_BODY = 1024 * 1024
"""The largest body in bytes, unless an operation has a limit of its own."""

SMALL_BODY = 64 * 1024
"""The limit of operations that anybody may use: signing in, setting up, registering."""

MAX_DEPTH = 64
"""How many levels of arrays and objects JSON may have, the outermost included."""

MAX_MEMBERS = 256
"""How many members an object in JSON may have."""

MAX_VALUES = 10_000
"""How many values JSON may have; an empty array or object counts twice.

They cost more than texts of the same size: 1 MiB of small arrays is decoded in half a second.
"""

MAX_TEXTS = 2 * MAX_VALUES
"""How many texts as many values have at most: each may have a name."""

_CHARSET = re.compile(rb'charset\s*=\s*"?([^\s";]+)')
# A lone surrogate or a NUL can only be written as an escape, so most bodies need no second look.
_SUSPECT = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")
# JSON in which surrogates come in pairs and there is no NUL. Nothing in it is matched twice.
_SOUND = re.compile(
    rb"(?:[^\\]++|\\(?:[^u]|u(?!0000|[dD][89a-fA-F])"
    rb"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))*+",
    re.DOTALL,
)
# A text in JSON, up to the end of the body if it has no end: each quote begins one or ends one.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_STRUCTURE = b"[{]},"
_OTHERS = bytes(set(range(256)) - set(_STRUCTURE))
_STEPS = bytes.maketrans(_STRUCTURE, b"\x01\x01\xff\xff\x00")


async def read(headers: dict[bytes, bytes], receive: Receive, limit: int = MAX_BODY) -> bytes:
    """Return the body.

    Raises:
        ApiProblem: 413 as soon as it is known to be larger than the limit.
    """
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        # A bytearray grows in place; bytes would be copied with every piece that arrives.
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return bytes(body)


def _too_large(limit: int) -> ApiProblem:
    # The connection stays open, and what still comes is thrown away: closed with something unread
    # in it, it would take this answer with it.
    return ApiProblem("too-large", f"Send at most {limit:,} bytes.")


def require_media_type(headers: dict[bytes, bytes], accepted: tuple[bytes, ...]) -> None:
    """Look at what the body claims to be.

    Raises:
        ApiProblem: 415 when it is not one of the accepted media types, in UTF-8 and as it is.
    """
    media_type, _, parameters = headers.get(b"content-type", b"").partition(b";")
    # RFC 8259 defines no parameters: others are passed over, and a charset can only be UTF-8.
    charset = _CHARSET.search(parameters.lower())
    fits = (
        media_type.strip().lower() in accepted
        and (charset is None or charset[1] == b"utf-8")
        and headers.get(b"content-encoding", b"identity").lower() == b"identity"
    )
    if not fits:
        names = [name.decode() for name in accepted]
        told = {"Accept-Patch": ", ".join(names)} if b"merge-patch" in accepted[0] else {}
        detail = f"Send {' or '.join(names)}, not compressed, and text in UTF-8."
        raise ApiProblem("unsupported-media-type", detail, headers=told)


def parse_form(body: bytes, max_members: int = 20) -> dict[str, str]:
    """Return what a form says (`application/x-www-form-urlencoded`).

    Raises:
        ApiProblem: 422 when it is no text in UTF-8, or says one thing twice.
    """
    try:
        pairs = urlencoded(body, max_members)
    except ValueError:
        raise invalid(
            {"pointer": "#", "detail": f"Send text in UTF-8, with at most {max_members} members."}
        ) from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise invalid({"pointer": "#", "detail": "Give each member once."})
    return form


def parse(body: bytes) -> Any:
    """Return what the JSON text says (RFC 8259; numbers with a fraction as Decimal).

    Raises:
        ApiProblem: 400 when it is not JSON, has a member twice or more than 64 levels; 422 when an
            object has more than 256 members, or there are more than 10,000 values, whatever
            else is wrong with them.
    """
    if not body:
        raise ApiProblem("malformed-json", "The body is empty; a JSON object is needed.")
    structure = _structure(body)
    if _depth(structure) > MAX_DEPTH:
        raise ApiProblem("malformed-json", f"Nest JSON at most {MAX_DEPTH} levels deep.")
    try:
        text = body.decode()
        if _SUSPECT.search(body) and not _SOUND.fullmatch(body):
            raise ValueError("NUL or a lone surrogate")
        if _values(structure) > MAX_VALUES:
            raise invalid({"pointer": "#", "detail": f"Give at most {MAX_VALUES:,} values."})
        value = _DECODER.decode(text)
    except (ValueError, RecursionError, InvalidOperation) as error:
        # The parser's own words quote nothing but a position; ours quote nothing at all.
        position = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        detail = f"The body is not valid JSON{position}."
        raise ApiProblem("malformed-json", detail) from None
    if body.count(b":") > MAX_MEMBERS and (place := _place_of_large_object(value)) is not None:
        detail = f"Give at most {MAX_MEMBERS} members in an object."
        raise invalid({"pointer": place, "detail": detail})
    return value


def _structure(body: bytes) -> bytes:
    """Return the brackets and commas outside texts, in their order.

    Of a body with more texts than it may have values and names, those before the first too many,
    and one comma for each value that it may have.
    """
    if sum(map(body.count, (b"[", b"{", b","))) <= MAX_DEPTH:
        return b""
    outside = _TEXT.split(body, MAX_TEXTS)
    if len(outside) > MAX_TEXTS:
        outside[-1] = b"," * MAX_VALUES
    return b"".join(outside).translate(None, _OTHERS)


def _depth(structure: bytes) -> int:
    # What comes behind as many brackets and commas as the values may have is looked at no more.
    steps = array("b", structure[: 3 * MAX_VALUES].translate(_STEPS))
    return max(accumulate(steps), default=0)


def _values(structure: bytes) -> int:
    """Return how many values there are, if all brackets are closed."""
    return 1 + sum(map(structure.count, (b"[", b"{", b",")))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a member is given twice")
    return made


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=Decimal
)


def _place_of_large_object(value: Any) -> str | None:
    """Return the pointer of the outermost member that has or is too large an object, if any is."""
    if isinstance(value, dict) and len(value) <= MAX_MEMBERS:
        return next(
            (
                pointer(name if len(name) <= 100 else "?")
                for name, part in value.items()
                if _place_of_large_object([part]) is not None
            ),
            None,
        )
    level = [value]
    while level:
        objects = [each for each in level if type(each) is dict]
        if max(map(len, objects), default=0) > MAX_MEMBERS:
            return pointer()
        below = chain.from_iterable(each for each in level if type(each) is list)
        level = [*below, *chain.from_iterable(map(dict.values, objects))]
    return None
