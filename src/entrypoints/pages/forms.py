"""Forms: validation by the API's schemas, error messages, edit detection, idempotency keys."""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote
from uuid import UUID

from fastapi import Depends, Request
from pydantic import TypeAdapter

from domain.base import Expected
from domain.errors import DomainError
from entrypoints.pages.addresses import local
from entrypoints.pages.rendering import digest
from entrypoints.web.problems import ApiProblem, to_problem
from entrypoints.web.validation import pointer_in_body, validated

T = TypeVar("T")

_WHOLE = re.compile(r"-?[0-9]{1,18}")
SECRETS = frozenset({"password", "current", "new"})
"""The password fields. Their values are never rendered."""

KEEP_THEIRS = "theirs"
"""The value of `keep-<field>` on the merge page that keeps the saved value of a field."""


@dataclass
class Form:
    """The values of a form, an error message per field, and one for the form as a whole."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    wrong: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    """The labels of the fields; templates add them while they render."""

    @classmethod
    def of(cls, view: Any, *names: str, **more: str) -> "Form":
        """Return a form filled with the named attributes of a view, and with its version."""
        typed = {name: as_typed(getattr(view, name)) for name in names}
        seen = " ".join(f"{name}:{digest(text)}" for name, text in typed.items())
        return cls({**typed, "version": str(view.version), "seen": seen, **more})

    @classmethod
    def new(cls, **values: str) -> "Form":
        """Return a form that creates something, with prefilled values and a random key.

        The key distinguishes a resubmission from another form; see `key`.
        """
        return cls({"key": secrets.token_urlsafe(16), **values})

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    @property
    def key(self) -> str:
        """The idempotency key: a digest of all values, which include the form's random key.

        A resubmission of the same values has the same key. A form edited after going back in the
        browser has another one. Without a random key the result is random.
        """
        if not self["key"]:
            return secrets.token_urlsafe(16)
        return digest("\0".join(f"{name}={self[name]}" for name in sorted(self.values)))

    @property
    def expected(self) -> Expected:
        """The version that the form was filled from, for the optimistic lock.

        An invalid version becomes 0, which matches no object.
        """
        version = self["version"]
        return {int(version)} if _WHOLE.fullmatch(version) else {0}

    def was_shown(self, name: str, text: str) -> bool:
        """Return whether a field was filled with this text when the form was rendered."""
        return f"{name}:{digest(text)}" in self["seen"].split()

    def touched(self, name: str) -> bool:
        """Return whether a field differs from the value that it was filled with."""
        return not self.was_shown(name, self[name])

    def back(self, otherwise: str) -> str:
        """Return the local address in the field `back`, else `otherwise`."""
        return local(self["back"], otherwise)

    def read(self, model: Callable[..., T]) -> T:
        """Validate the values by a schema of the API.

        An empty field is null or absent if the schema allows that. Fields that the merge page keeps
        are skipped. Untouched fields are skipped too: a browser may change the precision of a
        value, so an edit of one field must not write the others.

        Raises:
            ApiProblem: 422 when a value is invalid.
        """
        adapter, members = _schema(model)
        said = {}
        for name, schema in members.items():
            if (
                name not in self.values
                or self[f"keep-{name}"] == KEEP_THEIRS
                or not self.touched(name)
            ):
                continue
            given = _as_json(self[name], schema)
            if given is not _LEFT_OUT:
                said[name] = given
        value: T = validated(adapter, said, pointer_in_body)
        return value

    def refused(self, error: Exception) -> "Form":
        """Return the form with its values and with the messages of an error.

        `wrong` gets the messages about fields that the form does not have. It gets the problem's
        detail if the error names no field.
        """
        refused = to_problem(error)
        errors: dict[str, str] = {}
        for each in refused.members.get("errors", ()):
            name = unquote(each.get("pointer", "#").removeprefix("#").removeprefix("/"))
            errors.setdefault(name, each["detail"])
        shown = {name: detail for name, detail in errors.items() if name in self.values}
        unplaced = [detail for name, detail in errors.items() if name not in shown]
        wrong = " ".join(unplaced) if errors else refused.detail
        return Form(self.values, shown, wrong)


_LEFT_OUT = object()


def _as_json(text: str, schema: Mapping[str, Any]) -> Any:
    """Return a typed value as JSON for the API, or `_LEFT_OUT`."""
    kinds = {part.get("type") for part in schema.get("anyOf", [schema])}
    if text == "" and ("null" in kinds or "default" in schema):
        return None if "null" in kinds else _LEFT_OUT
    if "integer" in kinds and _WHOLE.fullmatch(text.strip()):
        return int(text)
    return text.strip() if "integer" in kinds or "number" in kinds else text


@cache
def _schema(model: Any) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    return adapter, adapter.json_schema()["properties"]


def as_typed(value: str | int | Decimal | date | UUID | None) -> str:
    """Return a value as the text of a form field."""
    return "" if value is None else str(value)


async def _sent(request: Request) -> Form:
    sent: Form = request.scope["form"]
    return sent


SubmittedForm = Annotated[Form, Depends(_sent)]
"""The submitted form."""

FORM_ERRORS = (ApiProblem, DomainError)
"""The errors that are shown in the form, for the user to correct."""
