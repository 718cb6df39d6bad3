"""Rules for single values: each is written once, and every entrance asks the same rule."""

import unicodedata
from dataclasses import dataclass

from domain.errors import Unacceptable


@dataclass(frozen=True, slots=True)
class Text:
    """A text of `min` to `max` characters, counted after trimming and NFC normalisation."""

    min: int
    max: int

    def __call__(self, value: str) -> str:
        """Return the text as it is kept.

        Raises:
            Unacceptable: when it is too short or too long, or holds what no database can keep.
        """
        text = unicodedata.normalize("NFC", value.strip())
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise Unacceptable("NUL characters and lone surrogates are not text.")
        if len(text) < self.min:
            raise Unacceptable(f"Give at least {self.min} character{'s'[: self.min > 1]}.")
        if len(text) > self.max:
            raise Unacceptable(f"Give at most {self.max} characters.")
        return text


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `min` to `max`, both included."""

    min: int
    max: int

    def __call__(self, value: int) -> int:
        """Return the number.

        Raises:
            Unacceptable: when it lies outside the bounds.
        """
        if not self.min <= value <= self.max:
            raise Unacceptable(f"Give a whole number from {self.min} to {self.max}.")
        return value


def fold(text: str) -> str:
    """Return the text without case and accents: what searching and sorting compare.

    Compatibility decomposition (Unicode Standard Annex 15) splits a letter from its marks; the
    marks are dropped and the rest is case-folded. Plain code point order of the result is the same
    in Python, SQLite (BINARY) and PostgreSQL (COLLATE "C").
    """
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text)
    return "".join(c for c in letters if not unicodedata.combining(c)).casefold()
