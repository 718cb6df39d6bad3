"""Markdown on pages: HTML and excerpts, with plain text as the fallback beyond the limits."""

import unicodedata
from collections.abc import Mapping, Sequence
from uuid import UUID

from markupsafe import Markup

from service_layer.ports import Excerpt, MarkdownRenderer
from service_layer.queries.posts import PostView

EXCERPT = 280
"""The maximum length of an excerpt in characters, without the ellipsis."""


async def rendered(markdown: MarkdownRenderer, text: str) -> Markup:
    """Return Markdown as HTML, or as plain text if it exceeds the renderer's limits."""
    html = await markdown.to_html(text)
    return plain(text) if html is None else safe(html)


def safe(html: str) -> Markup:
    """Mark the HTML of `MarkdownRenderer` as safe; the port returns sanitized HTML."""
    return Markup(html)  # noqa: S704


def plain(text: str) -> Markup:
    """Return a text as an escaped paragraph that keeps its line breaks."""
    lines = text.strip().split("\n")
    return Markup("<p>{}</p>\n").format(Markup("<br>\n").join(lines))


async def excerpts(markdown: MarkdownRenderer, posts: Sequence[PostView]) -> Mapping[UUID, str]:
    """Return the excerpts of posts by post id."""
    found = await markdown.excerpts([post.content for post in posts])
    return {
        post.id: excerpt(begins or _as_typed(post.content))
        for post, begins in zip(posts, found, strict=True)
    }


def _as_typed(text: str) -> Excerpt:
    return Excerpt(" ".join(text[: 2 * EXCERPT].split()), more=len(text) > 2 * EXCERPT)


def excerpt(begins: Excerpt) -> str:
    """Return an excerpt shortened to `EXCERPT` characters and an ellipsis."""
    if len(begins.text) > EXCERPT:
        return shorten(begins.text, EXCERPT)
    return f"{begins.text} …" if begins.text and begins.more else begins.text


# Code point ranges of scripts without spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer,
# Tai Tham and its neighbours, Javanese, Han, kana, bopomofo, Yi, and adjacent blocks.
_SPACELESS = (
    *((0x0E00, 0x0EFF), (0x0F00, 0x109F), (0x1780, 0x17FF), (0x1950, 0x1AAF), (0x2E80, 0x312F)),
    *((0x31A0, 0x9FFF), (0xA000, 0xA4CF), (0xA980, 0xA9DF), (0xAA60, 0xAADF), (0xF900, 0xFAFF)),
    *((0xFE30, 0xFE4F), (0xFF00, 0xFFEF), (0x16FE0, 0x18DFF), (0x1AFF0, 0x1B2FF)),
    (0x1F000, 0x3FFFF),
)


def shorten(text: str, limit: int) -> str:
    """Truncate a text that is longer than `limit`, and append an ellipsis.

    Break between words where the script separates them by spaces. In other scripts break between
    grapheme clusters.
    """
    for end in range(limit, 0, -1):
        if text[end] == " ":
            return f"{text[:end]} …"
        spaceless = _is_spaceless(text[end - 1]) or _is_spaceless(text[end])
        if spaceless and text[end - 1] != " " and not _joins(text, end):
            return f"{text[:end]}…"
    end = limit
    while end > 1 and _joins(text, end):
        end -= 1
    return f"{text[: end if end > 1 else limit]}…"


def _is_spaceless(character: str) -> bool:
    place = ord(character)
    return place >= 0x0E00 and any(first <= place <= last for first, last in _SPACELESS)


_ZWJ = "\u200d"
_MARKS = ("Mn", "Mc", "Me")


def _joins(text: str, place: int) -> bool:
    """Return whether a position is inside a grapheme cluster (UAX 29, somewhat coarser)."""
    before, after = text[place - 1], text[place]
    return (
        unicodedata.category(after) in _MARKS
        or after in "\u200c\u200d\u0e33\u0eb3\uff9e\uff9f"
        # Thai and Lao vowels that precede their consonant.
        or "\u0e40" <= before <= "\u0e44"
        or "\u0ec0" <= before <= "\u0ec4"
        or before == _ZWJ
        # Skin tone modifiers and tag characters.
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or "\U000e0020" <= after <= "\U000e007f"
        or (_is_regional(before) and _is_regional(after) and _is_second(text, place))
        # A virama joins the next consonant.
        or (unicodedata.combining(before) == 9 and unicodedata.category(after) == "Lo")
        or _are_jamo(before, after)
    )


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_second(text: str, place: int) -> bool:
    """Return whether a regional indicator is the second of a pair, which forms a flag."""
    first = place
    while first > 0 and _is_regional(text[first - 1]):
        first -= 1
    return (place - first) % 2 == 1


def _are_jamo(before: str, after: str) -> bool:
    """Return whether two characters are parts of one decomposed Hangul syllable."""
    return "\u1100" <= after <= "\u11ff" and (
        "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3"
    )
