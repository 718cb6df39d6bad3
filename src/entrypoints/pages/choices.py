"""Autocomplete fields: a text input that names one object, with suggestions from a search.

A `<select>` would have to list every object or omit some.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from domain.base import PageRequest
from domain.categories import CategoryFilter
from domain.text import search_fold
from domain.users import UserFilter
from entrypoints.pages.forms import KEEP_THEIRS, Form
from entrypoints.pages.rendering import page
from entrypoints.pages.routes import CurrentRequest, PageRoute
from entrypoints.pages.translation import translate
from entrypoints.web.dependencies import ports
from entrypoints.web.problems import invalid, pointer
from entrypoints.web.schema_types import ID
from service_layer.queries.users import PublicUser, UserView

router = APIRouter(prefix="/office/choices", include_in_schema=False, route_class=PageRoute)

SUGGESTED = 50
"""The maximum number of suggestions."""

NAMED_IN_ERROR = 5

Choice = tuple[UUID, str]
"""An id and its label in the field."""

_LABEL = re.compile(r"(.+) \(([^()]+)\)")
_LONGEST_SEARCH = 100
_START = UUID(int=0)


@dataclass(frozen=True)
class Suggestions:
    """The suggestions of a field.

    `more` says that the search found further objects. `labels` maps ids to labels. `address` is the
    URL that returns suggestions for the typed text.
    """

    names: Sequence[str]
    more: bool
    labels: Mapping[str, str]
    address: str

    def shown(self, value: str) -> str:
        """Return the label for an id, or the value itself if it has none."""
        return self.labels.get(value, value)

    def knowing(self, others: "Suggestions") -> "Suggestions":
        """Return these suggestions with the labels of others added."""
        return replace(self, labels={**others.labels, **self.labels})


class Choices(ABC):
    """The objects that a field can name."""

    name: str

    @abstractmethod
    async def exact(self, request: Request, text: str) -> list[Choice]:
        """Return the objects with this name, at most a few more than `NAMED_IN_ERROR`."""

    @abstractmethod
    async def matching(self, request: Request, text: str, limit: int) -> list[Choice]:
        """Return the search results ordered by name; "" matches all objects."""

    @abstractmethod
    async def label(self, request: Request, id: UUID) -> str | None:
        """Return the label of an object, `None` if it does not exist."""

    async def search(self, request: Request, text: str, limit: int) -> list[Choice]:
        """Search for typed text; overlong or unprintable text matches nothing."""
        text = text.strip()
        if len(text) > _LONGEST_SEARCH or not text.isprintable():
            return []
        return await self.matching(request, text, limit)

    async def suggest(self, request: Request, value: str = "") -> Suggestions:
        """Return the suggestions for a field's value: its matches, or the first objects by name."""
        is_id = ID.fullmatch(value) is not None
        found: list[Choice] = []
        if value and not is_id:
            found = await self.search(request, value, SUGGESTED + 1)
        if not found:
            found = await self.matching(request, "", SUGGESTED + 1)
        labels = {str(id): label for id, label in found}
        if is_id and value not in labels:
            labels[value] = await self.label(request, UUID(value)) or value
        names = [label for _, label in found[:SUGGESTED]]
        more = len(found) > SUGGESTED
        return Suggestions(names, more, labels, f"/office/choices/{self.name}")

    async def resolve(self, request: Request, form: Form, field: str) -> Form:
        """Return the form with the typed name replaced by the object's id.

        Raises:
            ApiProblem: 422 when no object or several objects have that name.
        """
        text = form[field].strip()
        if not text or ID.fullmatch(text) or form[f"keep-{field}"] == KEEP_THEIRS:
            return form
        found = await self.exact(request, text) if text.isprintable() else []
        if len(found) == 1:
            return Form({**form.values, field: str(found[0][0])}, form.errors, form.wrong)
        near = found or await self.search(request, text, NAMED_IN_ERROR + 1)
        names = ", ".join(label for _, label in near[:NAMED_IN_ERROR])
        if len(near) > NAMED_IN_ERROR:
            names += " …"
        key = "several" if found else "near" if near else "none"
        detail = translate(f"choices.{key}", names=names)
        raise invalid({"pointer": pointer(field), "detail": detail})


class People(Choices):
    """The active users, to assign tasks to; a label has the name and the username."""

    name = "people"
    filter = UserFilter(is_active=True)

    async def exact(self, request: Request, text: str) -> list[Choice]:
        queries = ports(request).user_queries
        match = _LABEL.fullmatch(text)
        user = await queries.by_username(match[2] if match else text)
        found = {user.id: user} if user is not None and user.is_active else {}
        if match:
            alike = {
                id: one
                for id, one in found.items()
                if search_fold(one.name) == search_fold(match[1])
            }
            return [(one.id, _label(one)) for one in alike.values()]
        start = PageRequest(
            sort="name", after=(search_fold(text), _START), limit=NAMED_IN_ERROR + 1
        )
        named = (await queries.list_page(self.filter, start)).items
        found |= {one.id: one for one in named if search_fold(one.name) == search_fold(text)}
        return [(one.id, _label(one)) for one in found.values()]

    async def matching(self, request: Request, text: str, limit: int) -> list[Choice]:
        meant = UserFilter(is_active=True, q=text or None)
        found = await ports(request).user_queries.list_page(
            meant, PageRequest(sort="name", limit=limit)
        )
        return [(one.id, _label(one)) for one in found.items]

    async def label(self, request: Request, id: UUID) -> str | None:
        user = (await ports(request).user_queries.public({id})).get(id)
        return None if user is None else _label(user)


def _label(user: UserView | PublicUser) -> str:
    return f"{user.name} ({user.username})"


class Categories(Choices):
    """The categories of products, labelled by name."""

    name = "categories"

    async def exact(self, request: Request, text: str) -> list[Choice]:
        start = PageRequest(
            sort="name", after=(search_fold(text), _START), limit=NAMED_IN_ERROR + 1
        )
        found = (await ports(request).category_queries.list_page(CategoryFilter(), start)).items
        alike = [one for one in found if search_fold(one.name) == search_fold(text)]
        # Names that differ only in accents are different categories.
        same = [one for one in alike if one.name.casefold() == text.casefold()]
        return [(one.id, one.name) for one in same or alike]

    async def matching(self, request: Request, text: str, limit: int) -> list[Choice]:
        queries = ports(request).category_queries
        found = await queries.list_page(
            CategoryFilter(q=text or None), PageRequest(sort="name", limit=limit)
        )
        return [(one.id, one.name) for one in found.items]

    async def label(self, request: Request, id: UUID) -> str | None:
        category = await ports(request).category_queries.get(id, ports(request).clock())
        return None if category is None else category.name


PEOPLE, CATEGORIES = People(), Categories()


@router.get("/people")
async def suggest_users(request: CurrentRequest) -> Response:
    """Return users that match the query parameter `q`, as `<option>` elements."""
    return await _suggestions(request, PEOPLE)


@router.get("/categories")
async def suggest_categories(request: CurrentRequest) -> Response:
    """Return categories that match the query parameter `q`, as `<option>` elements."""
    return await _suggestions(request, CATEGORIES)


async def _suggestions(request: Request, choices: Choices) -> Response:
    found = await choices.search(request, request.query_params.get("q", ""), SUGGESTED)
    return page(request, "choices.html", names=[label for _, label in found])
