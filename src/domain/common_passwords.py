"""Denylist of common passwords, in lower case."""

from importlib.resources import files

COMMON_PASSWORDS = frozenset(
    files("domain").joinpath("common_passwords.txt").read_text("ascii").split()
)
"""The most frequent passwords of at least 8 characters in lists of leaked ones."""
