"""Categories of products."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from domain.base import Context, Entity, Event, Repository, validate
from domain.errors import NotUnique, StillReferenced
from domain.text import casefold_nfc, search_fold
from domain.values import TextRule

NAME = TextRule(1, 50, if_empty="Enter a name.")


class CategoryCreated(Event):
    """A category was created."""


class CategoryEdited(Event):
    """A category was renamed."""


class CategoryDeleted(Event):
    """A category was deleted."""


@dataclass(eq=False, kw_only=True)
class Category(Entity):
    """A category of products."""

    entity_name: ClassVar[str] = "category"

    name: str

    @classmethod
    def create(
        cls, id: UUID, ctx: Context, *, name: str, categories: "CategoryRepository"
    ) -> "Category":
        """Create a category.

        Raises:
            InvalidField: when the name breaks its rule.
            NotUnique: when another category has the name, compared without case.
        """
        kept = validate(NAME, "name", name)
        category = cls(id=id, created_at=ctx.now, updated_at=ctx.now, name=kept)
        category._require_own_name(categories)
        category.record(CategoryCreated(aggregate_id=id, at=ctx.now, by=ctx.by))
        return category

    @property
    def unique_key(self) -> str:
        """Unique key of the name, without case."""
        return casefold_nfc(self.name)

    @property
    def name_key(self) -> str:
        """Sort key and search text: the folded name."""
        return search_fold(self.name)

    def edit(self, name: str, ctx: Context, *, categories: "CategoryRepository") -> None:
        """Rename the category; an equal name leaves it unchanged.

        Raises:
            InvalidField: when the name breaks its rule.
            NotUnique: when another category has the name, compared without case.
        """
        if self.assign({"name": name}, {"name": NAME}):
            self._require_own_name(categories)
            self.updated_at = ctx.now
            self.record(CategoryEdited(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def delete(self, ctx: Context, *, has_products: bool) -> None:
        """Record the deletion of a category without products.

        Raises:
            StillReferenced: when it has products.
        """
        if has_products:
            raise StillReferenced(
                "This category has products. Move them to another category first."
            )
        self.record(CategoryDeleted(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def _require_own_name(self, categories: "CategoryRepository") -> None:
        if categories.id_by_key(self.unique_key) not in (None, self.id):
            raise NotUnique("name", "another category")


@dataclass(frozen=True, kw_only=True)
class CategoryFilter:
    """Conditions on categories, combined with AND; `None` is no condition."""

    q: str | None = None

    def matches(self, category: Category) -> bool:
        """Return whether the category satisfies the filter."""
        return self.q is None or search_fold(self.q) in category.name_key


SORTS: Mapping[str, Callable[[Category], Any]] = {
    "created_at": lambda category: category.created_at,
    "name": lambda category: category.name_key,
}
"""Sort names of a list of categories, each with its sort key."""


class CategoryRepository(Repository[Category]):
    """Repository of categories."""

    entity_name = Category.entity_name

    @abstractmethod
    def id_by_key(self, unique_key: str) -> UUID | None:
        """Return the id of the category with this `unique_key`."""
