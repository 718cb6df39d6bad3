"""Strict reader of the settings' variables: the environment, then `.env`."""

import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from adapters import env_file

OURS = ("ATELIER_", "DB_")
"""Prefixes of the settings' names; `DATABASE_URL` is the exception."""

# Kubernetes and Docker set such variables for a service whose name matches a prefix.
_SERVICE_LINK = re.compile(r".+_SERVICE_HOST|.+_SERVICE_PORT.*|.+_PORT_[0-9]+_.+")
_LINKED_PORT = re.compile(r"(?:tcp|udp|sctp)://.*")


class UnusableVariable(Exception):
    """A variable cannot be used; `str()` of the error is one line with its name and the reason."""


@dataclass(frozen=True)
class Variable:
    """The value of a setting's variable, and its source."""

    value: str
    source: str


def read(names: list[str]) -> dict[str, Variable]:
    """Return the variables with these names in capitals; a variable may have any case.

    Raises:
        UnreadableFile: when `.env` cannot be read.
        UnusableVariable: when a variable has a setting's prefix but none of the names, or its text
            is invalid.
    """
    found: dict[str, Variable] = {}
    for line in env_file.read(Path(env_file.NAME)):
        where = f"{env_file.NAME}, line {line.number}: "
        _take(found, names, line.name, line.value, env_file.NAME, where)
    environment: dict[str, Variable] = {}
    for name, value in os.environ.items():
        _take(environment, names, name, value, "environment", "")
    return found | environment


def _take(
    found: dict[str, Variable], known: list[str], name: str, value: str, source: str, where: str
) -> None:
    setting = name.upper()
    if not value:
        return  # An empty value counts as not set.
    if setting not in known:
        if setting.startswith(OURS) and not _SERVICE_LINK.fullmatch(setting):
            _refuse_if_linked(name, value, where)
            (nearest,) = get_close_matches(setting, known, n=1, cutoff=0)
            raise UnusableVariable(
                f"{where}there is no setting {_printable(name)}; the nearest one is {nearest}."
            )
        return
    if setting.endswith("_PORT"):
        _refuse_if_linked(name, value, where)
    if source == "environment" and name != setting and setting in os.environ:
        raise UnusableVariable(f"{setting} is set twice, in capitals and in other letters.")
    if not setting.startswith(("DATABASE_", "DB_")):
        value = value.strip()
    if not value.isprintable():
        raise UnusableVariable(f"{where}{setting} has a line end or another control character.")
    if setting.startswith("DB_") and setting != "DB_PASSWORD" and value != value.strip():
        raise UnusableVariable(f"{where}{setting} begins or ends with a blank.")
    found[setting] = Variable(value, source)


def _refuse_if_linked(name: str, value: str, where: str) -> None:
    """Reject a port that was set by a service link of Kubernetes or Docker."""
    if name.upper().endswith("_PORT") and _LINKED_PORT.fullmatch(value):
        raise UnusableVariable(
            f"{where}{_printable(name)} was set by a container's service link. Name the service"
            " otherwise, or turn its links off (enableServiceLinks: false)."
        )


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)
