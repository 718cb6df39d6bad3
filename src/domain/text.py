"""Character classes of texts, and the folding of texts for comparison, search and sorting."""

import re
import unicodedata


def _ranges(text: str) -> list[tuple[int, int]]:
    """Parse code point ranges in hexadecimal."""
    parts = (part.partition("-") for part in text.split())
    return [(int(first, 16), int(last or first, 16)) for first, _, last in parts]


def _class(*ranges: tuple[int, int]) -> str:
    """Return the contents of a regular expression's character class.

    Characters above U+FFFF are literal, because regular expression dialects escape them
    differently.
    """

    def written(code: int) -> str:
        return f"\\u{code:04x}" if code <= 0xFFFF else chr(code)

    return "".join(
        written(first) if first == last else f"{written(first)}-{written(last)}"
        for first, last in ranges
    )


DEFAULT_IGNORABLE = _ranges(
    "ad 34f 61c 115f-1160 17b4-17b5 180b-180f 200b-200f 202a-202e 2060-206f 3164 fe00-fe0f feff"
    " ffa0 fff0-fff8 1bca0-1bca3 1d173-1d17a e0000-e0fff"
)
"""Code points with the property Default_Ignorable_Code_Point, which have no visible glyph.

Source: DerivedCoreProperties.txt of Unicode 16.0. Python's `unicodedata` lacks this property.
"""

# Further characters with an empty glyph: the braille blank, the null notehead, and the marks around
# interlinear annotations.
_EMPTY = _ranges("2800 fff9-fffb 1d159")

INVISIBLE = _class(*DEFAULT_IGNORABLE, *_EMPTY)
"""Invisible characters without width, as the contents of a character class.

Texts keep them, because joiners form emoji and are part of Persian spelling. Only comparisons
ignore them.
"""

WHITE = _class(*_ranges("9-d 1c-20 85 a0 1680 2000-200a 2028-2029 202f 205f 3000"))
"""White space as removed by `str.strip`, as the contents of a character class."""

_CONTROLS = "0-1f 7f-9f"
NOT_IN_LINE = _class(*_ranges(f"{_CONTROLS} 2028-2029"))
"""Characters forbidden in single-line texts: controls and line separators."""
NOT_IN_LINES = _class(*_ranges("0-8 b-c e-1f 7f-9f"))
"""Characters forbidden in multi-line texts: controls except tabs and line ends."""

VISIBLE = f"[^{_class(*_ranges(_CONTROLS))}{WHITE}{INVISIBLE}]"
"""A regular expression for one visible character."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]+")

# Letters without a Unicode decomposition, with their usual transliterations.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th"}
    | {"\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)

_APOSTROPHES = map(chr, [0xB4, 0x2B9, 0x2BB, 0x2BC, *range(0x2018, 0x201C), 0x2032])
_QUOTES = map(chr, [0x2BA, *range(0x201C, 0x2020), 0x2033])
_DASHES = map(chr, [0x58A, 0x5BE, 0x1806, *range(0x2010, 0x2016), 0x2043, 0x2212, 0x2E3A, 0x2E3B])
_MARKS_ON_KEYS = str.maketrans(
    dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_QUOTES, '"') | dict.fromkeys(_DASHES, "-")
)
"""Keyboard characters for the typographic ones that word processors substitute."""

_FOLDED = _LETTERS | _MARKS_ON_KEYS


def casefold_nfc(text: str) -> str:
    """Return the text as compared for uniqueness: without case and invisible characters.

    Each run of white space becomes one blank. Case folding follows the Unicode Standard's canonical
    caseless match (3.13, D145).
    """
    if text.isascii():
        return " ".join(text.lower().split())
    seen = unicodedata.normalize("NFD", _INVISIBLE.sub("", text))
    return " ".join(unicodedata.normalize("NFC", seen.casefold()).split())


def search_fold(text: str) -> str:
    """Return the text as compared by searches and sorts: without case and accents.

    Invisible characters are removed, and each run of white space becomes one blank. Typographic
    quotes and dashes become keyboard characters. Compatibility decomposition (Unicode Standard
    Annex 15) splits letters from their marks; the marks are dropped, and the rest is case-folded.
    The result sorts in the same code point order in Python, SQLite (BINARY) and PostgreSQL (COLLATE
    "C").
    """
    if text.isascii():
        return " ".join(text.lower().split())
    seen = _INVISIBLE.sub("", text).translate(_MARKS_ON_KEYS)
    letters = _INVISIBLE.sub("", unicodedata.normalize("NFKD", seen))
    plain = "".join(c for c in letters if not unicodedata.combining(c))
    # A text of combining marks alone keeps them: an empty search text would match every row.
    kept = plain if plain.strip() else letters
    return " ".join(kept.casefold().translate(_FOLDED).split())


def search_text(*parts: str | None) -> str:
    """Return the search text of an aggregate: its folded texts, one line each.

    A folded text has no line end, so no match spans two of them.
    """
    return "\n".join(search_fold(part) if part else "" for part in parts)
