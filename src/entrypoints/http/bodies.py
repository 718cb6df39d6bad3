"""Request bodies: reading them within a limit, and parsing JSON and forms strictly.

Every step costs time linear in the size of the body, whatever is in it.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from entrypoints.http.errors import Refused, invalid, pointer

MAX_BODY = 1024 * 1024
"""The largest body in bytes, unless an operation has a limit of its own."""

SMALL_BODY = 64 * 1024
"""The limit of operations that anybody may use: signing in, setting up, registering."""

MAX_DEPTH = 64
"""How many levels of arrays and objects JSON may have, the outermost included."""

MAX_MEMBERS = 256
"""How many members an object in JSON may have."""

_CHARSET = re.compile(rb'charset\s*=\s*"?([^\s";]+)')
# A lone surrogate or a NUL can only be written as an escape, so most bodies need no second look.
_SUSPECT = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")


async def read(headers: dict[bytes, bytes], receive: Receive, limit: int = MAX_BODY) -> bytes:
    """Return the body.

    Raises:
        Refused: 413 as soon as it is known to be larger than the limit.
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


def _too_large(limit: int) -> Refused:
    # The connection stays open, and what still comes is thrown away: closed with something unread
    # in it, it would take this answer with it.
    return Refused("too-large", f"Send at most {limit:,} bytes.")


def require_media_type(headers: dict[bytes, bytes], accepted: tuple[bytes, ...]) -> None:
    """Look at what the body claims to be.

    Raises:
        Refused: 415 when it is not one of the accepted media types, in UTF-8 and as it is.
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
        raise Refused("unsupported-media-type", detail, headers=told)


def parse_form(body: bytes, max_members: int = 20) -> dict[str, str]:
    """Return what a form says (`application/x-www-form-urlencoded`).

    Raises:
        Refused: 422 when it is no text in UTF-8, or says one thing twice.
    """
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=max_members)
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
        Refused: 400 when it is not JSON, has a member twice or more than 64 levels; 422 when an
            object has more than 256 members.
    """
    if not body:
        raise Refused("malformed-json", "The body is empty; a JSON object is needed.")
    try:
        value = _DECODER.decode(body.decode())
        # Most bodies are too small or too plain to break a rule on structure or text.
        if _SUSPECT.search(body) or _may_be_deep_or_large(body):
            _check_structure(value)
    except (ValueError, RecursionError, InvalidOperation) as error:
        # The parser's own words quote nothing but a position; ours quote nothing at all.
        position = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        detail = f"The body is not valid JSON{position}."
        raise Refused("malformed-json", detail) from None
    return value


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


def _may_be_deep_or_large(body: bytes) -> bool:
    """Whether a body has enough brackets or colons to exceed the limits on depth or members."""
    return body.count(b"[") + body.count(b"{") > MAX_DEPTH or body.count(b":") > MAX_MEMBERS


def _check_structure(value: Any) -> None:
    """Check depth, texts and the number of members, level by level.

    Raises:
        ValueError: for a lone surrogate or a NUL.
        Refused: 400 for more than `MAX_DEPTH` levels, 422 for an object of more than `MAX_MEMBERS`.
    """
    has_large_object = False
    level = [value]
    for depth in range(MAX_DEPTH + 1):
        containers = [part for part in level if isinstance(part, dict | list)]
        if containers and depth == MAX_DEPTH:
            raise Refused("malformed-json", f"Nest JSON at most {MAX_DEPTH} levels deep.")
        for part in level:
            if isinstance(part, str):
                part.encode()
                if "\0" in part:
                    raise ValueError("NUL")
        level = []
        for part in containers:
            if isinstance(part, dict):
                has_large_object |= len(part) > MAX_MEMBERS
                level.extend(part)
                level.extend(part.values())
            else:
                level.extend(part)
    if has_large_object:
        raise invalid(
            {
                "pointer": _place_of_large_object(value),
                "detail": f"Give at most {MAX_MEMBERS} members in an object.",
            }
        )


def _place_of_large_object(value: Any) -> str:
    """Return the pointer of the outermost member that has or is too large an object."""
    if isinstance(value, dict) and len(value) <= MAX_MEMBERS:
        for name, part in value.items():
            level = [part]
            while level:
                if any(isinstance(each, dict) and len(each) > MAX_MEMBERS for each in level):
                    return pointer(name if len(name) <= 100 else "?")
                inner = [each for each in level if isinstance(each, dict | list)]
                level = [
                    below
                    for each in inner
                    for below in (each.values() if isinstance(each, dict) else each)
                ]
    return pointer()
