"""Request bodies: read within a size limit, and parse JSON and forms strictly.

Every step takes time linear in the size of the body, whatever its content.
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
"""Default size limit of a request body, in bytes. A route may set its own limit."""

SMALL_BODY = 64 * 1024
"""Size limit of the public routes for sign-in, setup and registration, in bytes."""

MAX_IMAGE = 2 * 1024 * 1024
"""Size limit of an uploaded image, in bytes."""

JSON = (b"application/json",)
MERGE_PATCH = (b"application/merge-patch+json", b"application/json")
FORM = (b"application/x-www-form-urlencoded",)
IMAGE = (b"image/png", b"image/jpeg", b"image/webp")

MAX_DEPTH = 64
"""Maximum nesting of JSON arrays and objects, the outermost included."""

MAX_MEMBERS = 256
"""Maximum number of members of a JSON object."""

MAX_VALUES = 10_000
"""Maximum number of JSON values in a body. An empty array or object counts twice.

Many small values take longer to decode than strings of the same size: 1 MiB of small arrays takes
half a second.
"""

MAX_TEXTS = 2 * MAX_VALUES
"""Maximum number of JSON strings: one per value, and one for the name of its member."""

_CHARSET = re.compile(rb'charset\s*=\s*"?([^\s";]+)')
# A lone surrogate or a NUL can only be written as an escape, so most bodies skip `_SOUND`.
_SUSPECT = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")
# JSON with paired surrogates only and without NUL. Possessive quantifiers prevent backtracking.
_SOUND = re.compile(
    rb"(?:[^\\]++|\\(?:[^u]|u(?!0000|[dD][89a-fA-F])"
    rb"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))*+",
    re.DOTALL,
)
# A JSON string. An unterminated one extends to the end of the body.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_STRUCTURE = b"[{]},"
_OTHERS = bytes(set(range(256)) - set(_STRUCTURE))
_STEPS = bytes.maketrans(_STRUCTURE, b"\x01\x01\xff\xff\x00")


async def read(headers: dict[bytes, bytes], receive: Receive, limit: int = MAX_BODY) -> bytes:
    """Return the request body.

    Raises:
        ApiProblem: 413 as soon as the declared or the received size exceeds the limit.
        ClientDisconnect: when the client closes the connection before the end of the body.
    """
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        # A bytearray grows in place; bytes would be copied with every chunk.
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return bytes(body)


def _too_large(limit: int) -> ApiProblem:
    # The connection stays open, and the server discards the rest of the body. Closing a connection
    # with unread data resets it, which may lose this response.
    return ApiProblem("too-large", f"Send at most {limit:,} bytes.")


def announces_body(headers: dict[bytes, bytes]) -> bool:
    """Whether the headers of a request announce a body (RFC 9112, 6)."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def require_media_type(headers: dict[bytes, bytes], accepted: tuple[bytes, ...]) -> None:
    """Check the declared media type, charset and content coding of the body.

    Raises:
        ApiProblem: 415 for another media type, a charset other than UTF-8, or a compressed body.
    """
    media_type, _, parameters = headers.get(b"content-type", b"").partition(b";")
    # RFC 8259 defines no parameters: ignore unknown ones, and accept no charset but UTF-8.
    charset = _CHARSET.search(parameters.lower())
    fits = (
        media_type.strip().lower() in accepted
        and (charset is None or charset[1] == b"utf-8")
        and headers.get(b"content-encoding", b"identity").lower() == b"identity"
    )
    if not fits:
        names = [name.decode() for name in accepted]
        accept = {"Accept-Patch": ", ".join(names)} if b"merge-patch" in accepted[0] else {}
        detail = f"Send {' or '.join(names)}, uncompressed, with text in UTF-8."
        raise ApiProblem("unsupported-media-type", detail, headers=accept)


def parse_form(body: bytes, max_members: int = 20) -> dict[str, str]:
    """Return the members of a form (`application/x-www-form-urlencoded`).

    Raises:
        ApiProblem: 422 when the form is not UTF-8, repeats a member or exceeds `max_members`.
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
    """Return the value of a JSON text (RFC 8259), with non-integer numbers as `Decimal`.

    Raises:
        ApiProblem: 400 when the text is not JSON, repeats a member or exceeds `MAX_DEPTH`; 422 when
            it exceeds `MAX_VALUES` or an object exceeds `MAX_MEMBERS`. The number of values is
            checked before the syntax.
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
        # The detail quotes nothing from the body, because it may contain a secret.
        position = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        detail = f"The body is not valid JSON{position}."
        raise ApiProblem("malformed-json", detail) from None
    if body.count(b":") > MAX_MEMBERS and (place := _place_of_large_object(value)) is not None:
        detail = f"Give at most {MAX_MEMBERS} members in an object."
        raise invalid({"pointer": place, "detail": detail})
    return value


def _structure(body: bytes) -> bytes:
    """Return the brackets and commas outside strings, in order.

    Past `MAX_TEXTS` strings, return `MAX_VALUES` commas instead of the rest, so that the body fails
    the check of the number of values. Return nothing for a body too small to break a limit.
    """
    if sum(map(body.count, (b"[", b"{", b","))) <= MAX_DEPTH:
        return b""
    outside = _TEXT.split(body, MAX_TEXTS)
    if len(outside) > MAX_TEXTS:
        outside[-1] = b"," * MAX_VALUES
    return b"".join(outside).translate(None, _OTHERS)


def _depth(structure: bytes) -> int:
    # Ignore the structure beyond the number of brackets and commas of `MAX_VALUES` values.
    steps = array("b", structure[: 3 * MAX_VALUES].translate(_STEPS))
    return max(accumulate(steps), default=0)


def _values(structure: bytes) -> int:
    """Return the number of values, provided that all brackets are closed."""
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
    """Return the pointer of the top-level member that is or contains an object that is too large.

    The pointer of the whole body stands for a top-level value that is too large or no object.
    """
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
