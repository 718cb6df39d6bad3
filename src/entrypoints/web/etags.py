"""Conditional requests (RFC 9110, 13): validators, `If-None-Match` and `If-Match`.

A tag is `"<version>-<digest of the body>"`. Readers compare all of it, so that nothing which shows
in the body is hidden from them; writers are held to the version alone, so that what is merely
derived never refuses a change.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b

from domain.base import Expected
from entrypoints.web.problems import ApiProblem

WEAK = (
    "The tag in If-Match is weak (W/…), and only a strong one can guard a change (RFC 9110,"
    " 13.1.1). The service sends strong tags: a proxy on the way has weakened it, as nginx does"
    " when it compresses."
)
"""The detail of a 412 for a weak tag."""

# A member of the list in the header: a tag, or whatever else stands between two commas.
_MEMBER = re.compile(r'[^",]*"[^"]*"[^",]*|[^,]+')
_TAG = re.compile(r'(W/)?("[!#-~\x80-\xff]*")')
_VERSION = re.compile(r'"([1-9][0-9]{0,8})-[0-9a-f]+"')


def header_list(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Return what a header lists, be it in one line or in several (RFC 9110, 5.3)."""
    lines = [value.decode("latin-1") for key, value in headers if key == name]
    return ", ".join(lines) if lines else None


def _parse(header: str) -> list[tuple[bool, str]]:
    """Return the tags in a header, each with whether it is weak.

    Raises:
        ValueError: when the header is not a list of entity tags (RFC 9110, 8.8.3 and 5.6.1).
    """
    tags: list[tuple[bool, str]] = []
    position, separated = 0, True
    while position < len(header):
        if header[position] in " \t":
            position += 1
        elif header[position] == ",":
            position, separated = position + 1, True
        elif separated and (match := _TAG.match(header, position)):
            tags.append((match[1] is not None, match[2]))
            position, separated = match.end(), False
        else:
            raise ValueError("not a list of entity tags")
    if not tags:
        raise ValueError("the list is empty")
    return tags


def _tags(header: str) -> list[tuple[bool, str]]:
    """Return the tags in a header, each with whether it is weak; what is no tag is left out."""
    found = (_TAG.fullmatch(member.strip()) for member in _MEMBER.findall(header))
    return [(match[1] is not None, match[2]) for match in found if match]


def etag(body: bytes, version: int | None) -> str:
    """Return the entity tag of a body; a list has no version, only a digest."""
    digest = blake2b(body, digest_size=8).hexdigest()
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def if_none_match_holds(if_none_match: str | None, tag: str) -> bool:
    """Whether the client says that it has this very body (weak comparison, 13.1.2)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(given == tag for _, given in _tags(if_none_match))


def expected_versions(if_match: str | None) -> Expected:
    """Return the versions that the client would change, `None` for any (13.1.1).

    The comparison is strong: a weak tag matches nothing, and neither does a tag from elsewhere.

    Raises:
        ApiProblem: 400 when the header is not a list of entity tags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    try:
        tags = _parse(if_match)
    except ValueError:
        detail = 'If-Match takes entity tags as they were sent in ETag, quotes included, or "*".'
        raise ApiProblem("malformed-precondition", detail) from None
    strong = (_VERSION.fullmatch(tag) for weak, tag in tags if not weak)
    return {int(match[1]) for match in strong if match}


def has_weak_tag(if_match: str | None) -> bool:
    """Whether the header holds a weak tag."""
    return any(weak for weak, _ in _tags(if_match or ""))
