"""Bodies: reading them within a limit, and JSON taken at its word."""

import json
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from entrypoints.http.errors import Refused, invalid

MAX_BODY = 1024 * 1024
"""The largest body in bytes."""

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
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return body


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
        Refused: 400 when it is not JSON, or says one thing twice.
    """
    if not body:
        raise Refused("malformed-json", "The body is empty; a JSON object is needed.")
    try:
        value = _DECODER.decode(body.decode())
        if _SUSPECT.search(body):
            _require_text(value)
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


def _require_text(value: Any) -> None:
    for text in _texts(value):
        text.encode()
        if "\0" in text:
            raise ValueError("NUL")


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from value
        yield from _texts(list(value.values()))
