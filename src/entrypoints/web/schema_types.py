"""Members and parameters: the domain's rules as pydantic sees them and OpenAPI tells them.

The types are taken literally: a JSON number is no text, a text is no number. Query parameters are
all text, so theirs are read from exactly one way of writing each.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from domain.currencies import MAX_DIGITS
from domain.values import (
    NOT_IN_LINE,
    NOT_IN_LINES,
    VISIBLE,
    WHITE,
    IntegerRule,
    JsonRule,
    PasswordRule,
    PatternRule,
    TextRule,
)

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 3339, 5.6: with seconds, and with where in the world it is that time.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
# An amount of money is written in one way: no sign, no exponent, no zeros in front.
AMOUNT = re.compile(rf"(?:0|[1-9][0-9]{{0,11}})(?:\.[0-9]{{1,{MAX_DIGITS}}})?")
ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Json = dict[str, Any]


def _refuse(message: str) -> PydanticCustomError:
    return PydanticCustomError("unacceptable", message)


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule as pydantic metadata: what JSON type it takes, what it checks, what is told of it."""

    schema: core_schema.CoreSchema
    check: Callable[[Any], Any]
    told: Json

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        def checked(value: Any) -> Any:
            try:
                return self.check(value)
            except ValueError as error:
                raise _refuse(str(error)) from None

        return core_schema.no_info_after_validator_function(checked, self.schema)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> Json:
        return dict(self.told)


STRING = core_schema.str_schema(strict=True)


def text(rule: TextRule) -> Rule:
    """A text, trimmed and normalised before it is measured."""
    # The pattern is about what is sent, which may have white space of any kind around it.
    some = f"[^{NOT_IN_LINES if rule.lines else NOT_IN_LINE}]*"
    core = f"{some}{VISIBLE}{some}"
    if rule.min == 0:
        core = f"(?:{core})?"
    elif rule.min > 1:
        # What is trimmed begins and ends with something, though not all of it need be visible.
        end = f"[^{NOT_IN_LINES}{WHITE}]"
        more = f"{some[:-1]}{{{rule.min - 2},}}"
        core = f"(?:{VISIBLE}{more}{end}|{end}{more}{VISIBLE}|{end}{core}{end})"
    told: Json = {"type": "string", "maxLength": rule.max}
    if rule.min:
        told["minLength"] = rule.min
    told["pattern"] = f"^[{WHITE}]*{core}[{WHITE}]*$"
    return Rule(STRING, rule, told)


def word(rule: PatternRule) -> Rule:
    """A text of one word, trimmed before it is looked at."""
    pattern = f"^[{WHITE}]*{rule.pattern}[{WHITE}]*$"
    return Rule(STRING, rule, {"type": "string", "maxLength": rule.max, "pattern": pattern})


def new_password(rule: PasswordRule) -> Rule:
    """A password that somebody chooses."""
    told: Json = {"type": "string", "minLength": rule.min, "maxLength": rule.max}
    printable = r"^[^\u0000-\u001f\u007f-\u009f]*$"
    told |= {"format": "password", "writeOnly": True, "pattern": printable}
    return Rule(STRING, rule, told)


def told(max: int, **more: str) -> Rule:
    """A text that is compared with what is known, and not kept."""

    def check(value: str) -> str:
        if not value or len(value) > max or "\0" in value:
            raise ValueError(f"Enter 1 to {max} characters, without NUL.")
        return value

    shape: Json = {"type": "string", "minLength": 1, "maxLength": max, "pattern": r"^[^\u0000]*$"}
    return Rule(STRING, check, {**shape, **more})


def opaque(format: str) -> Rule:
    """A text that only we can make; it is for nobody else to know what it looks like."""
    return Rule(STRING, str, {"type": "string", "format": format})


def whole(rule: IntegerRule) -> Rule:
    """A whole number in a body; to JSON Schema 2.0 is one too."""

    def read(value: Any) -> int:
        # Before a number with an exponent is written out, it must be of a size to do so.
        if type(value) is Decimal and value.adjusted() < 20 and value % 1 == 0:
            value = int(value)
        if type(value) is not int:
            raise ValueError("Enter a whole number.")
        return rule(value)

    told: Json = {"type": "integer", "minimum": rule.min, "maximum": rule.max}
    if not rule.zero:
        told["not"] = {"const": 0}
    return Rule(core_schema.any_schema(), read, told)


def whole_parameter(rule: IntegerRule) -> Rule:
    """A whole number in a query."""

    def read(value: str) -> int:
        if not _WHOLE.fullmatch(value):
            raise ValueError("Enter a whole number.")
        return rule(int(value))

    return Rule(STRING, read, whole(rule).told)


def document(rule: JsonRule) -> Rule:
    """A JSON object, whatever is in it."""

    def read(value: Any) -> Json:
        if not isinstance(value, dict):
            raise ValueError("Give an object.")
        return rule(value)

    return Rule(core_schema.any_schema(), read, {"type": "object", "additionalProperties": True})


def _read_flag(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("Give true or false.")
    return value == "true"


def _read_date(value: str) -> date:
    if not _DATE.fullmatch(value):
        raise ValueError("Enter a date as YYYY-MM-DD.")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("There is no such date.") from None


def _read_id(value: str) -> UUID:
    if not ID.fullmatch(value):
        raise ValueError("Give an id.")
    return UUID(value)


def _read_moment(value: str) -> datetime:
    if not _MOMENT.fullmatch(value):
        raise ValueError("Give a time as in 2030-01-31T12:00:00Z.")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("There is no such time.") from None


Id = Annotated[UUID, Rule(STRING, _read_id, {"type": "string", "format": "uuid"})]
Moment = Annotated[datetime, Rule(STRING, _read_moment, {"type": "string", "format": "date-time"})]
Day = Annotated[date, Rule(STRING, _read_date, {"type": "string", "format": "date"})]
Flag = Annotated[bool, Rule(STRING, _read_flag, {"type": "boolean"})]
# A phrase may be pasted from a text of several lines.
Search = Annotated[str, text(TextRule(1, 100, lines=True))]
