"""Strict parser of `.env`: a line that cannot be parsed is an error."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

NAME = ".env"

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class UnreadableFile(Exception):
    """The file cannot be used; `str()` of the error names the file, the line and the reason."""


@dataclass(frozen=True)
class Line:
    """A variable of the file, with its line number."""

    name: str
    value: str
    number: int


def read(path: Path) -> list[Line]:
    """Return the variables of a file in order; none if the file does not exist.

    python-dotenv parses the file. Its own loader skips lines that it cannot parse, so a setting
    would silently have its default.

    Raises:
        UnreadableFile: when the file, or a line of it, cannot be read.
    """
    if not os.path.lexists(path):
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UnreadableFile(f"{NAME} is not text in UTF-8.") from None
    except IsADirectoryError:
        raise UnreadableFile(f"{NAME} is a folder, not a file.") from None
    except OSError as error:
        reason = (error.strerror or "no access").lower()
        raise UnreadableFile(f"{NAME} cannot be read: {reason}.") from None
    return list(_lines(text))


def _lines(text: str) -> Iterator[Line]:
    known: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        number = _number(binding)
        if binding.error:
            raise _unreadable(number, "it is not NAME=value, or a quote is not closed")
        if binding.key is None:
            continue  # comment or blank line
        if binding.value is None:
            raise _unreadable(number, "there is no = in it")
        if not _KEY.fullmatch(binding.key):
            raise _unreadable(number, "what is before the = is not a name")
        value = binding.value
        if not _is_literal(binding):
            value = _expanded(value, known, number)
        known[binding.key] = value
        yield Line(binding.key, value, number)


def _number(binding: Binding) -> int:
    """Return the line number of the name; the parser counts from the blank lines before it."""
    text = binding.original.string
    before = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", before))


def _is_literal(binding: Binding) -> bool:
    """Tell whether the value is in single quotes, in which a shell expands nothing."""
    return binding.original.string.partition("=")[2].lstrip().startswith("'")


def _expanded(value: str, known: Mapping[str, str], number: int) -> str:
    """Expand each `${NAME}` and `${NAME:-default}`, as Docker Compose does."""
    parts = []
    for atom in parse_variables(value):
        if isinstance(atom, Variable):
            found = known.get(atom.name, os.environ.get(atom.name, atom.default))
            if found is None:
                raise _unreadable(number, "it refers to a variable that is not set")
            parts.append(found)
        else:
            parts.append(atom.resolve({}))
    return "".join(parts)


def _unreadable(number: int, reason: str) -> UnreadableFile:
    return UnreadableFile(f"{NAME}, line {number}: {reason}.")
