"""Value rules: callables that validate and normalize single values, shared by all entry points."""

import json
import math
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.errors import InvalidValue
from domain.text import NOT_IN_LINE, NOT_IN_LINES, VISIBLE

_COMPOSED = 4
"""Maximum number of characters that NFC composes into one (Unicode Standard Annex 15).

A longer text is rejected before it is normalized, to bound the cost.
"""

_MARKS = 30
"""Maximum run of combining marks (Unicode Standard Annex 15, Stream-Safe Text).

No language needs more, and the cost of normalization is quadratic in the length of a run.
"""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f]")
_VISIBLE = re.compile(VISIBLE)
_NOT_IN_LINE = re.compile(f"[{NOT_IN_LINE}]")
_NOT_IN_LINES = re.compile(f"[{NOT_IN_LINES}]")


@dataclass(frozen=True, slots=True)
class TextRule:
    """A text of `min` to `max` characters, counted after trimming and NFC normalization.

    It has a single line. With `lines` it has any number, each ended by a line feed. A text that is
    not empty has at least one visible character.
    """

    min: int
    max: int
    lines: bool = False
    if_empty: str = ""
    """The message for an empty text where `min` is above 0."""

    def __call__(self, value: str) -> str:
        """Return the normalized text.

        Raises:
            InvalidValue: when it is too short, too long, or has forbidden characters.
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
        """Reject forbidden characters; texts of printable ASCII skip this check."""
        if "\0" in text or _SURROGATE.search(text):
            raise InvalidValue("NUL characters and lone surrogates are not text.")
        if self.lines and _NOT_IN_LINES.search(text):
            raise InvalidValue("Leave out control characters other than tabs and line breaks.")
        if not self.lines and _NOT_IN_LINE.search(text):
            raise InvalidValue("Leave out line breaks and other control characters.")
        if text and not _VISIBLE.search(text):
            raise InvalidValue("Enter at least one visible character.")


def _with_line_feeds(text: str) -> str:
    """Return the text with line feeds as its only line ends; HTML forms submit CRLF."""
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
    """A text that matches a regular expression, with at most `max` characters after trimming.

    `wanted` is the message for a text that does not match.
    """

    max: int
    pattern: str
    wanted: str
    lower: bool = False

    def __call__(self, value: str) -> str:
        """Return the trimmed text, in lower case if `lower` is set.

        Raises:
            InvalidValue: when it does not match; the message is `wanted`.
        """
        word = value.strip()
        if not self.allows(word):
            raise InvalidValue(self.wanted)
        return word.lower() if self.lower else word

    def allows(self, word: str) -> bool:
        """Return whether the text matches as it stands, without trimming."""
        return len(word) <= self.max and re.fullmatch(self.pattern, word) is not None


@dataclass(frozen=True, slots=True)
class PasswordRule:
    """A password of `min` to `max` characters after NFC normalization, without trimming.

    Passwords in `common` are rejected, compared without case. Normalization makes a password
    independent of how a keyboard composes its letters (NIST SP 800-63B, 3.1.1.2).
    """

    min: int
    max: int
    common: frozenset[str] = frozenset()

    def __call__(self, value: str) -> str:
        """Return the normalized password, as it is hashed.

        Raises:
            InvalidValue: when it is too short, too long, common, or has a control character.
        """
        password = self.normalised(value)
        if not self.min <= len(password) <= self.max:
            raise InvalidValue(f"Enter {self.min} to {self.max} characters.")
        # A password input cannot contain line ends, and no request may contain NUL.
        if _CONTROL.search(password) or _SURROGATE.search(password):
            raise InvalidValue("Leave out control characters.")
        if password.casefold() in self.common:
            raise InvalidValue("Choose a password that is not among the most common ones.")
        return password

    def normalised(self, value: str) -> str:
        """Return the password in NFC without validation, to verify it against a hash."""
        # A text of this length exceeds `max` in any form, so normalization would waste time.
        return value if len(value) > self.max * _COMPOSED else unicodedata.normalize("NFC", value)


@dataclass(frozen=True, slots=True)
class IntegerRule:
    """An integer from `min` to `max`, both inclusive; `zero` permits 0."""

    min: int
    max: int
    zero: bool = True

    def __call__(self, value: int) -> int:
        """Return the number.

        Raises:
            InvalidValue: when it is out of range, or 0 without `zero`.
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
    """An amount of money from 0 to `max`, with at most `digits` decimals."""

    max: Decimal
    digits: int = 2

    def __call__(self, value: Decimal) -> Decimal:
        """Return the amount with exactly `digits` decimals, so equal amounts have equal texts.

        Raises:
            InvalidValue: when it is out of range or has more decimals.
        """
        # The comparison precedes rounding, which would expand a huge exponent into digits.
        if not (value.is_finite() and 0 <= value <= self.max):
            raise InvalidValue(f"Enter an amount from 0 to {self.max:,}.")
        amount = value.quantize(Decimal(1).scaleb(-self.digits))
        if amount != value:
            if self.digits == 0:
                raise InvalidValue("Enter a whole amount, without decimals.")
            raise InvalidValue(f"Enter at most {_NUMBERS[self.digits]} decimals.")
        # -0.00 becomes 0.00.
        return abs(amount)


@dataclass(frozen=True, slots=True)
class JsonRule:
    """A JSON object of at most `max` bytes in UTF-8, encoded without white space.

    It has at most `depth` levels of nesting, itself included. Numbers are doubles or 64-bit
    integers, which most JSON parsers can represent (RFC 8259, 6).
    """

    max: int
    depth: int

    def __call__(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the object with its decimals converted to floats.

        Raises:
            InvalidValue: when it is too large or too deep, or has a number out of range.
        """
        kept: dict[str, Any] = self._plain(value, self.depth)
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > self.max:
            raise InvalidValue(f"Give at most {self.max:,} bytes of JSON.")
        return kept

    def _plain(self, value: Any, depth: int) -> Any:
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
