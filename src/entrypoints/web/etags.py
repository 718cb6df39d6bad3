"""Conditional requests (RFC 9110, 13): validators, `If-None-Match` and `If-Match`.

A tag is `"<version>-<digest of the body>"`. `If-None-Match` compares the whole tag, so that a 304
never hides a change of the body. `If-Match` compares the version alone, so that a change of a
derived member never rejects an edit.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b

from domain.base import Expected
from entrypoints.web.problems import ApiProblem

WEAK = (
    "The tag in If-Match is weak (W/…), but If-Match needs a strong one (RFC 9110, 13.1.1). The"
    " service sends strong tags: a proxy on the way has weakened this one, as nginx does when it"
    " compresses."
)
"""The detail of a 412 for a weak tag."""

# A list member: a tag, or any other text between two commas.
_MEMBER = re.compile(r'[^",]*"[^"]*"[^",]*|[^,]+')
_TAG = re.compile(r'(W/)?("[!#-~\x80-\xff]*")')
_VERSION = re.compile(r'"([1-9][0-9]{0,8})-[0-9a-f]+"')


def header_list(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Return the combined value of a header that may be repeated (RFC 9110, 5.3)."""
    lines = [value.decode("latin-1") for key, value in headers if key == name]
    return ", ".join(lines) if lines else None


def _parse(header: str) -> list[tuple[bool, str]]:
    """Return the tags in a header as pairs of "is weak" and the opaque tag.

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
    """Return the tags in a header as `_parse` does, but skip members that are not tags."""
    found = (_TAG.fullmatch(member.strip()) for member in _MEMBER.findall(header))
    return [(match[1] is not None, match[2]) for match in found if match]


def etag(body: bytes, version: int | None) -> str:
    """Return the entity tag of a body. Without a version, as for lists, it is the digest alone."""
    digest = blake2b(body, digest_size=8).hexdigest()
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def if_none_match_holds(if_none_match: str | None, tag: str) -> bool:
    """Whether If-None-Match matches the tag, by weak comparison (13.1.2): respond with 304."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(given == tag for _, given in _tags(if_none_match))


def expected_versions(if_match: str | None) -> Expected:
    """Return the versions that If-Match accepts, `None` for any (13.1.1).

    The comparison is strong: weak tags and tags in another format match no version.

    Raises:
        ApiProblem: 400 when the header is not a list of entity tags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    try:
        tags = _parse(if_match)
    except ValueError:
        detail = 'Send If-Match with entity tags as received in ETag, quotes included, or "*".'
        raise ApiProblem("malformed-precondition", detail) from None
    strong = (_VERSION.fullmatch(tag) for weak, tag in tags if not weak)
    return {int(match[1]) for match in strong if match}


def has_weak_tag(if_match: str | None) -> bool:
    """Whether the header contains a weak tag."""
    return any(weak for weak, _ in _tags(if_match or ""))
