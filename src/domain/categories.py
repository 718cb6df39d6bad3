"""Categories: the kinds of products there are."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from domain.actors import Actor, id_of
from domain.base import Entity, Event, Repository, checked_by
from domain.errors import InUse, Taken
from domain.values import Text, caseless, fold

NAME = Text(1, 50)


class CategoryAdded(Event):
    """There is one more category."""


class CategoryRenamed(Event):
    """A category has another name."""


class CategoryRemoved(Event):
    """A category was struck off the list."""


@dataclass(eq=False, kw_only=True)
class Category(Entity):
    """A kind of product."""

    kind: ClassVar[str] = "category"

    name: str

    @classmethod
    def add(
        cls,
        id: UUID,
        now: datetime,
        *,
        name: str,
        by: Actor | None = None,
        among: "CategoryRepository",
    ) -> "Category":
        """Add a category.

        Raises:
            Invalid: when the name breaks its rule.
            Taken: when another category has the name, in whatever case.
        """
        kept = checked_by(NAME, "name", name)
        category = cls(id=id, created_at=now, updated_at=now, name=kept)
        category._require_own_name(among)
        category.record(CategoryAdded(subject=id, at=now, by=id_of(by)))
        return category

    @property
    def own_key(self) -> str:
        """What no two categories have in common: the name, whatever the case."""
        return caseless(self.name)

    @property
    def name_key(self) -> str:
        """What sorting and searching compare."""
        return fold(self.name)

    def rename(
        self, name: str, now: datetime, *, by: Actor | None = None, among: "CategoryRepository"
    ) -> None:
        """Have another name; the one it has already changes nothing.

        Raises:
            Invalid: when the name breaks its rule.
            Taken: when another category has the name, in whatever case.
        """
        if self.assign({"name": name}, {"name": NAME}):
            self._require_own_name(among)
            self.updated_at = now
            self.record(CategoryRenamed(subject=self.id, at=now, by=id_of(by)))

    def leave(self, now: datetime, *, by: Actor | None = None, has_products: bool) -> None:
        """Be struck off the list, unless there are products in it.

        Raises:
            InUse: when there are.
        """
        if has_products:
            raise InUse("There are products in this category. Move them to another one first.")
        self.record(CategoryRemoved(subject=self.id, at=now, by=id_of(by)))

    def _require_own_name(self, among: "CategoryRepository") -> None:
        if among.named(self.own_key) not in (None, self.id):
            raise Taken("name", "Another category")


@dataclass(frozen=True, kw_only=True)
class CategoryFilter:
    """Which categories are meant; every member that is not `None` must hold."""

    q: str | None = None

    def matches(self, category: Category) -> bool:
        """Whether the category is among those meant."""
        return self.q is None or fold(self.q) in category.name_key


SORTS: Mapping[str, Callable[[Category], Any]] = {
    "created_at": lambda category: category.created_at,
    "name": lambda category: category.name_key,
}
"""The orders a list of categories can have, each with the value it compares."""


class CategoryRepository(Repository[Category]):
    """Where categories are kept."""

    kind = Category.kind

    @abstractmethod
    def named(self, own_key: str) -> UUID | None:
        """Return which category has a name, by its key."""
