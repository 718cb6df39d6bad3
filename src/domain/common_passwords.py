"""Common passwords: those that are guessed first, in lower case."""

from importlib.resources import files

COMMON_PASSWORDS = frozenset(
    files("domain").joinpath("common_passwords.txt").read_text("ascii").split()
)
"""Passwords of at least 8 characters that lists of leaked ones have at their top."""
