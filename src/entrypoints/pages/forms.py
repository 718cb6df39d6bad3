"""Forms: what was typed, read by the API's schemas, and kept if something is wrong with it."""

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
"""The fields with passwords: what is in them is on no page."""

KEEP_THEIRS = "theirs"
"""What a merge says of a field that is to stay as somebody else has made it."""


@dataclass
class Form:
    """What is in the fields of a form, and what is wrong with each of them, and with the whole."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    wrong: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    """What the fields are called on the page; known once the page has been filled."""

    @classmethod
    def of(cls, view: Any, *names: str, **more: str) -> "Form":
        """Return the form in which the members of a view can be edited."""
        typed = {name: as_typed(getattr(view, name)) for name in names}
        seen = " ".join(f"{name}:{digest(text)}" for name, text in typed.items())
        return cls({**typed, "version": str(view.version), "seen": seen, **more})

    @classmethod
    def new(cls, **values: str) -> "Form":
        """Return an empty form that makes something; its key tells a second sending from another.

        What is typed already can be given.
        """
        return cls({"key": secrets.token_urlsafe(16), **values})

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    @property
    def key(self) -> str:
        """What tells this form sent twice from another one.

        The same form with something else in it is another: whoever goes back in the browser, types
        anew and sends that means it. A form that carries no key is another each time.
        """
        if not self["key"]:
            return secrets.token_urlsafe(16)
        return digest("\0".join(f"{name}={self[name]}" for name in sorted(self.values)))

    @property
    def expected(self) -> Expected:
        """The version that the form was filled from, as `If-Match` has it."""
        version = self["version"]
        return {int(version)} if _WHOLE.fullmatch(version) else {0}

    def was_shown(self, name: str, text: str) -> bool:
        """Whether a field held this text when the form was filled."""
        return f"{name}:{digest(text)}" in self["seen"].split()

    def touched(self, name: str) -> bool:
        """Whether a field differs from what it was filled with when the form was made."""
        return not self.was_shown(name, self[name])

    def back(self, otherwise: str) -> str:
        """Return the address of the page that the form was on, if it tells."""
        return local(self["back"], otherwise)

    def read(self, model: Callable[..., T]) -> T:
        """Return what the form says, by a schema of the API's.

        An empty field is an absent value. A field that a merge leaves to somebody else is not read.
        A field with the content that it was filled with is not read either: a browser may not show
        a value in all its detail, so an edit of one member must not write the others.

        Raises:
            ApiProblem: 422 when something is wrong with it.
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
            told = _as_json(self[name], schema)
            if told is not _LEFT_OUT:
                said[name] = told
        value: T = validated(adapter, said, pointer_in_body)
        return value

    def refused(self, error: Exception) -> "Form":
        """Return the form with what is wrong with it, and what was typed."""
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
    """Return what was typed as the API would be told it."""
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
    """Return a value as somebody would type it."""
    return "" if value is None else str(value)


async def _sent(request: Request) -> Form:
    sent: Form = request.scope["form"]
    return sent


SubmittedForm = Annotated[Form, Depends(_sent)]
"""The form that was sent."""

FORM_ERRORS = (ApiProblem, DomainError)
"""What can be wrong with a form, for whoever typed it to put right."""
