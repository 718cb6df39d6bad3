"""The message catalogue of the pages: `texts/*.toml`, one set of files per language."""

import tomllib
from functools import cache
from importlib.resources import files

from markupsafe import Markup, escape


@cache
def _catalogue() -> dict[str, dict[str, str]]:
    """Return the texts by file name and key."""
    folder = files("entrypoints.pages.texts")
    return {
        entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }


def translate(key: str, /, **values: object) -> str:
    """Return a text with its placeholders filled in; `key` is `file.name`.

    A text that depends on the number `n` has a singular and a plural form, separated by a bar. If
    a value is markup, the result is markup and everything else in it is escaped.

    Raises:
        KeyError: when the text does not exist, or the value of a placeholder is missing.
    """
    file, _, name = key.partition(".")
    text = _catalogue()[file][name]
    if "n" in values and "|" in text:
        one, many = text.split("|")
        text = one if values["n"] == 1 else many
    if any(isinstance(value, Markup) for value in values.values()):
        return escape(text).format_map(values)
    return text.format_map(values) if values else text
