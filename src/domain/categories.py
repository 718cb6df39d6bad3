"""Categories: the kinds of products there are."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from domain.actors import Actor, id_of
from domain.base import Entity, Event, Repository, validate
from domain.errors import NotUnique, StillReferenced
from domain.values import TextRule, casefold_nfc, search_fold

NAME = TextRule(1, 50, if_empty="Enter a name.")


class CategoryCreated(Event):
    """There is one more category."""


class CategoryEdited(Event):
    """A category has another name."""


class CategoryDeleted(Event):
    """A category was struck off the list."""


@dataclass(eq=False, kw_only=True)
class Category(Entity):
    """A kind of product."""

    entity_name: ClassVar[str] = "category"

    name: str

    @classmethod
    def create(
        cls,
        id: UUID,
        now: datetime,
        *,
        name: str,
        by: Actor | None = None,
        categories: "CategoryRepository",
    ) -> "Category":
        """Add a category.

        Raises:
            InvalidField: when the name breaks its rule.
            NotUnique: when another category has the name, in whatever case.
        """
        kept = validate(NAME, "name", name)
        category = cls(id=id, created_at=now, updated_at=now, name=kept)
        category._require_own_name(categories)
        category.record(CategoryCreated(aggregate_id=id, at=now, by=id_of(by)))
        return category

    @property
    def unique_key(self) -> str:
        """What no two categories have in common: the name, whatever the case."""
        return casefold_nfc(self.name)

    @property
    def name_key(self) -> str:
        """What sorting and searching compare."""
        return search_fold(self.name)

    def edit(
        self, name: str, now: datetime, *, by: Actor | None = None, categories: "CategoryRepository"
    ) -> None:
        """Have another name; the one it has already changes nothing.

        Raises:
            InvalidField: when the name breaks its rule.
            NotUnique: when another category has the name, in whatever case.
        """
        if self.assign({"name": name}, {"name": NAME}):
            self._require_own_name(categories)
            self.updated_at = now
            self.record(CategoryEdited(aggregate_id=self.id, at=now, by=id_of(by)))

    def delete(self, now: datetime, *, by: Actor | None = None, has_products: bool) -> None:
        """Be struck off the list, unless there are products in it.

        Raises:
            StillReferenced: when there are.
        """
        if has_products:
            raise StillReferenced(
                "This category has products. Move them to another category first."
            )
        self.record(CategoryDeleted(aggregate_id=self.id, at=now, by=id_of(by)))

    def _require_own_name(self, categories: "CategoryRepository") -> None:
        if categories.id_by_key(self.unique_key) not in (None, self.id):
            raise NotUnique("name", "another category")


@dataclass(frozen=True, kw_only=True)
class CategoryFilter:
    """Which categories are meant; every member that is not `None` must hold."""

    q: str | None = None

    def matches(self, category: Category) -> bool:
        """Whether the category is among those meant."""
        return self.q is None or search_fold(self.q) in category.name_key


SORTS: Mapping[str, Callable[[Category], Any]] = {
    "created_at": lambda category: category.created_at,
    "name": lambda category: category.name_key,
}
"""The orders a list of categories can have, each with the value it compares."""


class CategoryRepository(Repository[Category]):
    """Where categories are kept."""

    entity_name = Category.entity_name

    @abstractmethod
    def id_by_key(self, unique_key: str) -> UUID | None:
        """Return which category has a name, by its key."""
