"""Rules for single values: each is written once, and every entrance asks the same rule."""

import json
import math
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.errors import InvalidValue

_COMPOSED = 4
"""NFC makes one character of at most so many (Unicode Standard Annex 15).

What is longer than that allows is refused before it is normalised.
"""

_MARKS = 30
"""How many combining marks may follow each other (Unicode Standard Annex 15, Stream-Safe Text).

No language needs more, and normalising takes time that grows with the square of such a run.
"""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f]")


def _ranges(text: str) -> list[tuple[int, int]]:
    """Return the ranges of code points that a text lists in hexadecimal."""
    parts = (part.partition("-") for part in text.split())
    return [(int(first, 16), int(last or first, 16)) for first, _, last in parts]


def _class(*ranges: tuple[int, int]) -> str:
    """Return what stands in the brackets of a regular expression for ranges of code points.

    The characters above U+FFFF are written as they are: dialects differ in how they escape those.
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
"""Code points without an appearance of their own: Default_Ignorable_Code_Point in
DerivedCoreProperties.txt of Unicode 16.0. Python's `unicodedata` does not have this property."""

# Characters that are not default-ignorable, and yet have an empty glyph: the braille blank, the
# null notehead, and the marks around interlinear annotations.
_EMPTY = _ranges("2800 fff9-fffb 1d159")

INVISIBLE = _class(*DEFAULT_IGNORABLE, *_EMPTY)
"""The characters that nobody sees and that take no place between words (in a regular expression).

A text keeps them: joiners make one emoji of several and are part of the spelling of Persian. Only
comparing texts ignores them.
"""

WHITE = _class(*_ranges("9-d 1c-20 85 a0 1680 2000-200a 2028-2029 202f 205f 3000"))
"""The characters that `str.strip` removes, in a regular expression."""

_CONTROLS = "0-1f 7f-9f"
NOT_IN_LINE = _class(*_ranges(f"{_CONTROLS} 2028-2029"))
"""The characters that a text of one line cannot have: controls and separators of lines."""
NOT_IN_LINES = _class(*_ranges("0-8 b-c e-1f 7f-9f"))
"""The characters that a text of several lines cannot have: controls but tabs and line ends."""

VISIBLE = f"[^{_class(*_ranges(_CONTROLS))}{WHITE}{INVISIBLE}]"
"""A regular expression for one character that can be seen."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]+")
_VISIBLE = re.compile(VISIBLE)
_NOT_IN_LINE = re.compile(f"[{NOT_IN_LINE}]")
_NOT_IN_LINES = re.compile(f"[{NOT_IN_LINES}]")

# Letters that no decomposition takes apart, as those read them who have no such key.
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
"""What word processors put in place of the marks on a keyboard."""

_FOLDED = _LETTERS | _MARKS_ON_KEYS


@dataclass(frozen=True, slots=True)
class TextRule:
    """A text of `min` to `max` characters, counted after trimming and NFC normalisation.

    It has one line, or with `lines` as many as one likes, each ended by a line feed. Unless it is
    empty, it has a visible character.
    """

    min: int
    max: int
    lines: bool = False
    if_empty: str = ""
    """The message for an empty text where `min` is above 0."""

    def __call__(self, value: str) -> str:
        """Return the text as it is kept.

        Raises:
            InvalidValue: when it is too short or too long, or has characters that it cannot have.
        """
        text = (_with_line_feeds(value) if self.lines else value).strip()
        if len(text) > self.max * _COMPOSED:
            raise InvalidValue(f"Enter at most {self.max} characters.")
        if not text.isascii():
            if _has_too_many_marks(text):
                raise InvalidValue(f"Enter at most {_MARKS} combining marks in a row.")
            text = unicodedata.normalize("NFC", text)
        if len(text) < self.min:
            least = f"Enter at least {self.min} character{'s'[: self.min > 1]}."
            raise InvalidValue(least if text else self.if_empty or least)
        if len(text) > self.max:
            raise InvalidValue(f"Enter at most {self.max} characters.")
        if not (text.isascii() and text.isprintable()):
            self._require_clean(text)
        return text

    def _require_clean(self, text: str) -> None:
        """Look at the characters of a text that is not of printable ASCII alone."""
        if "\0" in text or _SURROGATE.search(text):
            raise InvalidValue("NUL characters and lone surrogates are not text.")
        if self.lines and _NOT_IN_LINES.search(text):
            raise InvalidValue("Leave out control characters other than tabs and line breaks.")
        if not self.lines and _NOT_IN_LINE.search(text):
            raise InvalidValue("Leave out line breaks and other control characters.")
        if text and not _VISIBLE.search(text):
            raise InvalidValue("Enter at least one visible character.")


def _with_line_feeds(text: str) -> str:
    """Return the text with one kind of line end: in a form it is CRLF, in a file anything."""
    for line_end in ("\r\n", "\r", "\u2028", "\u2029"):
        text = text.replace(line_end, "\n")
    return text


def _has_too_many_marks(text: str) -> bool:
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run > _MARKS:
            return True
    return False


@dataclass(frozen=True, slots=True)
class PatternRule:
    """A text of one word that matches a pattern, `max` characters long at most, once trimmed."""

    max: int
    pattern: str
    wanted: str
    lower: bool = False

    def __call__(self, value: str) -> str:
        """Return the word as it is kept, in lower case if that is how it is kept.

        Raises:
            InvalidValue: when it does not match, with what is wanted.
        """
        word = value.strip()
        if not self.allows(word):
            raise InvalidValue(self.wanted)
        return word.lower() if self.lower else word

    def allows(self, word: str) -> bool:
        """Whether the word could be one that is kept, as it stands."""
        return len(word) <= self.max and re.fullmatch(self.pattern, word) is not None


@dataclass(frozen=True, slots=True)
class PasswordRule:
    """A password of `min` to `max` characters, after NFC normalisation; nothing is trimmed.

    It is none of the `common` ones, whatever the case.

    Alike typed, alike kept: two keyboards may compose a letter differently (NIST SP 800-63B,
    3.1.1.2).
    """

    min: int
    max: int
    common: frozenset[str] = frozenset()

    def __call__(self, value: str) -> str:
        """Return the password as it is hashed.

        Raises:
            InvalidValue: when it is too short or too long, has a control character, or is among
                those that are guessed first.
        """
        password = self.normalised(value)
        if not self.min <= len(password) <= self.max:
            raise InvalidValue(f"Enter {self.min} to {self.max} characters.")
        # A field for passwords in a page has no line ends, and no request may have a NUL.
        if _CONTROL.search(password) or _SURROGATE.search(password):
            raise InvalidValue("Leave out control characters.")
        if password.casefold() in self.common:
            raise InvalidValue("Choose a password that is not among the most common ones.")
        return password

    def normalised(self, value: str) -> str:
        """Return the password as it would be hashed, whether or not it is one that is allowed."""
        # What is too long stays too long, and is not worth the time.
        return value if len(value) > self.max * _COMPOSED else unicodedata.normalize("NFC", value)


@dataclass(frozen=True, slots=True)
class IntegerRule:
    """A whole number from `min` to `max`, both included; 0 among them only with `zero`."""

    min: int
    max: int
    zero: bool = True

    def __call__(self, value: int) -> int:
        """Return the number.

        Raises:
            InvalidValue: when it lies outside the bounds, or is a 0 that makes no sense.
        """
        if not self.min <= value <= self.max:
            raise InvalidValue(f"Enter a whole number from {self.min} to {self.max}.")
        if value == 0 and not self.zero:
            raise InvalidValue("Enter a number other than 0.")
        return value


CENT = Decimal("0.01")
"""The smallest amount of most currencies."""

_NUMBERS = ("no", "one", "two", "three", "four")


@dataclass(frozen=True, slots=True)
class MoneyRule:
    """An amount of money from nothing to `max`, with at most `digits` decimals."""

    max: Decimal
    digits: int = 2

    def __call__(self, value: Decimal) -> Decimal:
        """Return the amount with all its decimals: what is equal is written alike.

        Raises:
            InvalidValue: when it lies outside the bounds, or has more decimals.
        """
        # Compared before it is rounded, a number with a huge exponent is never written out.
        if not (value.is_finite() and 0 <= value <= self.max):
            raise InvalidValue(f"Enter an amount from 0 to {self.max:,}.")
        amount = value.quantize(Decimal(1).scaleb(-self.digits))
        if amount != value:
            if self.digits == 0:
                raise InvalidValue("Enter a whole amount, without decimals.")
            raise InvalidValue(f"Enter at most {_NUMBERS[self.digits]} decimals.")
        # There is no negative nothing.
        return abs(amount)


@dataclass(frozen=True, slots=True)
class JsonRule:
    """A JSON object of `max` bytes at most, written without white space in UTF-8.

    It is nested `depth` levels deep at most, itself included. Its numbers are those that most
    readers of JSON know (RFC 8259, 6): doubles, and whole numbers of 64 bits.
    """

    max: int
    depth: int

    def __call__(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the object as it is kept.

        Raises:
            InvalidValue: when it is too large, too deep, or has a number that is.
        """
        kept: dict[str, Any] = self._plain(value, self.depth)
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > self.max:
            raise InvalidValue(f"Give at most {self.max:,} bytes of JSON.")
        return kept

    def _plain(self, value: Any, depth: int) -> Any:
        """Return a part of the object, its numbers as a database and a reader take them."""
        if isinstance(value, dict | list) and depth == 0:
            raise InvalidValue(f"Nest at most {self.depth} levels deep.")
        if isinstance(value, dict):
            return {name: self._plain(part, depth - 1) for name, part in value.items()}
        if isinstance(value, list):
            return [self._plain(part, depth - 1) for part in value]
        if isinstance(value, Decimal):
            value = float(value)
        too_much = isinstance(value, float) and not math.isfinite(value)
        if too_much or (isinstance(value, int) and not -(2**63) <= value < 2**63):
            raise InvalidValue("Give numbers that fit into 64 bits.")
        return value


def casefold_nfc(text: str) -> str:
    """Return what is compared where uniqueness is promised: the text without case.

    Invisible characters are removed, white space is a single blank, and the rest is folded as the
    Unicode Standard compares without case (3.13, D145).
    """
    if text.isascii():
        return " ".join(text.lower().split())
    seen = unicodedata.normalize("NFD", _INVISIBLE.sub("", text))
    return " ".join(unicodedata.normalize("NFC", seen.casefold()).split())


def search_fold(text: str) -> str:
    """Return what searching and sorting compare: the text without case and accents.

    Invisible characters are removed, curly quotes and the various dashes become those on a
    keyboard, and white space becomes a single blank. Compatibility decomposition (Unicode Standard
    Annex 15) splits a letter from its marks; the marks are dropped and the rest is case-folded.
    Plain code point order of the result is the same in Python, SQLite (BINARY) and PostgreSQL
    (COLLATE "C").
    """
    if text.isascii():
        return " ".join(text.lower().split())
    seen = _INVISIBLE.sub("", text).translate(_MARKS_ON_KEYS)
    letters = _INVISIBLE.sub("", unicodedata.normalize("NFKD", seen))
    plain = "".join(c for c in letters if not unicodedata.combining(c))
    # Combining marks alone are kept: a search for nothing would find everything.
    kept = plain if plain.strip() else letters
    return " ".join(kept.casefold().translate(_FOLDED).split())


def search_text(*parts: str | None) -> str:
    """Return what a search looks into: folded texts, a line each.

    No folded text has a line end, so what is found is within one of them.
    """
    return "\n".join(search_fold(part) if part else "" for part in parts)
