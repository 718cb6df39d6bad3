"""What the pages say, in one folder: a translation is another set of these files."""

import tomllib
from functools import cache
from importlib.resources import files

from markupsafe import Markup, escape


@cache
def _catalogue() -> dict[str, dict[str, str]]:
    """Return all texts by the name of their file, then by their own."""
    folder = files("entrypoints.pages.texts")
    return {
        entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }


def translate(key: str, /, **values: object) -> str:
    """Return a text with the values it speaks of; `key` is `file.name`.

    A text that depends on the number `n` has two forms with a bar between them, for one and for
    others. How numbers are counted in another language is for a translation to decide. A text that
    is given markup is markup, with everything else in it escaped.

    Raises:
        KeyError: when there is no such text, or it speaks of a value that is not given.
    """
    file, _, name = key.partition(".")
    text = _catalogue()[file][name]
    if "n" in values and "|" in text:
        one, many = text.split("|")
        text = one if values["n"] == 1 else many
    if any(isinstance(value, Markup) for value in values.values()):
        return escape(text).format_map(values)
    return text.format_map(values) if values else text
