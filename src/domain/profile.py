"""The profile of a user: its fields, their rules, and the changes of an edit."""

from collections.abc import Callable, Mapping
from typing import Any, NotRequired, TypedDict, Unpack

from domain.actors import Role
from domain.base import validate
from domain.values import IntegerRule, PatternRule, TextRule

USERNAME = PatternRule(
    50,
    # `.` and `..` cannot be path segments: clients remove them from a URL (RFC 3986, 5.2.4).
    r"[._-]*[A-Za-z0-9][A-Za-z0-9._-]*",
    "Use 1 to 50 of A to Z, digits, dots, dashes and underscores, at least one a letter or digit.",
)
# A dot-atom (RFC 5322, 3.2.3) and a host name with a dot, as in an address that receives mail.
EMAIL = PatternRule(
    120,
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?",
    "Enter an e-mail address of at most 120 characters, such as ada@example.org.",
    lower=True,
)
NAME = TextRule(2, 50, if_empty="Enter a name.")
AGE = IntegerRule(0, 150)
CITY = TextRule(0, 50)
UNKNOWN_CITY = "Unknown"

RULES: Mapping[str, Callable[[Any], Any]] = {
    "username": USERNAME,
    "email": EMAIL,
    "name": NAME,
    "age": AGE,
    "city": CITY,
}


class UserDetails(TypedDict):
    """The profile of a new user."""

    username: str
    email: str
    name: str
    age: NotRequired[int | None]
    city: NotRequired[str]


class UserChanges(TypedDict, total=False):
    """The fields that an edit may set; absent ones keep their values."""

    username: str
    email: str
    name: str
    age: int | None
    city: str
    role: Role
    is_active: bool


def check_profile(**profile: Unpack[UserDetails]) -> Any:
    """Return the profile as normalized by its rules.

    Raises:
        InvalidField: when a value breaks the rule for its field.
    """
    return {name: validate(RULES[name], name, value) for name, value in profile.items()}
