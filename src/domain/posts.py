"""Posts: news in Markdown, as drafts or published."""

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypedDict
from uuid import UUID

from domain.actors import Actor
from domain.base import Context, Entity, Event, Repository, validate
from domain.errors import PermissionDenied
from domain.text import search_fold, search_text
from domain.values import TextRule

TITLE = TextRule(1, 100, if_empty="Enter a title.")
CONTENT = TextRule(1, 50_000, lines=True, if_empty="Enter a text.")

RULES: Mapping[str, Callable[[Any], Any]] = {"title": TITLE, "content": CONTENT}

MAX_SLUG = 80
"""Maximum length of a slug, without the number that makes it unique."""


class PostCreated(Event):
    """A draft was created."""


@dataclass(frozen=True, kw_only=True)
class PostEdited(Event):
    """Fields of a post were changed."""

    changed_fields: tuple[str, ...]


class PostPublished(Event):
    """A post was published."""


class PostUnpublished(Event):
    """A post became a draft again."""


class PostDeleted(Event):
    """A post was deleted."""


class PostChanges(TypedDict, total=False):
    """The fields that an edit may set; absent ones keep their values."""

    title: str
    content: str


def may_change(actor: Actor, author_id: UUID) -> bool:
    """Return whether the actor is the author or an admin."""
    return actor.is_admin or actor.id == author_id


def is_visible(actor: Actor | None, author_id: UUID, *, published: bool) -> bool:
    """Return whether the actor may read the post.

    Drafts are visible to their authors and to admins only.
    """
    return published or (actor is not None and may_change(actor, author_id))


def require_author_or_admin(actor: Actor, author_id: UUID) -> None:
    """Require that the actor is the author or an admin.

    Raises:
        PermissionDenied: otherwise.
    """
    if not may_change(actor, author_id):
        raise PermissionDenied("Only the author of this post or an admin may do this.")


def slug_of(title: str) -> str:
    """Return the slug of a title: its folded letters a to z and digits, joined by dashes.

    The slug is `post` for a title without such characters.
    """
    return "-".join(re.findall("[a-z0-9]+", search_fold(title)))[:MAX_SLUG].strip("-") or "post"


def is_slug(text: str) -> bool:
    """Return whether the text has the form of a slug."""
    return re.fullmatch("[a-z0-9-]+", text) is not None


@dataclass(eq=False, kw_only=True)
class Post(Entity):
    """A post in Markdown. `published_at` is the time of the first publication."""

    entity_name: ClassVar[str] = "post"

    title: str
    content: str
    slug: str
    author_id: UUID
    published: bool = False
    published_at: datetime | None = None

    @classmethod
    def create(
        cls, id: UUID, ctx: Context, *, title: str, content: str, posts: "PostRepository"
    ) -> "Post":
        """Create a draft with a unique slug.

        Raises:
            PermissionDenied: without an actor, who becomes the author.
            InvalidField: when a value breaks the rule for its field.
        """
        title = validate(TITLE, "title", title)
        post = cls(
            id=id,
            created_at=ctx.now,
            updated_at=ctx.now,
            title=title,
            content=validate(CONTENT, "content", content),
            slug=posts.free_slug(slug_of(title)),
            author_id=ctx.require_actor().id,
        )
        post.record(PostCreated(aggregate_id=id, at=ctx.now, by=ctx.by))
        return post

    @property
    def title_key(self) -> str:
        """Sort key of the title, truncated to bound the size of index entries."""
        return search_fold(self.title)[:200]

    @property
    def search_text(self) -> str:
        """Search text: folded title and content, one line each."""
        return search_text(self.title, self.content)

    def edit(self, changes: PostChanges, ctx: Context, *, posts: "PostRepository") -> None:
        """Set the given fields; equal values leave the post unchanged.

        The slug of a draft follows its title. From the first publication on it is permanent,
        because other pages may link to it.

        Raises:
            PermissionDenied: when the actor is neither the author nor an admin.
            InvalidField: when a value breaks the rule for its field.
        """
        require_author_or_admin(ctx.require_actor(), self.author_id)
        before = slug_of(self.title)
        different = self.assign(changes, RULES)
        if not different:
            return
        if self.published_at is None and (slug := slug_of(self.title)) != before:
            self.slug = posts.free_slug(slug)
        self.updated_at = ctx.now
        members = tuple(different)
        self.record(PostEdited(aggregate_id=self.id, at=ctx.now, by=ctx.by, changed_fields=members))

    def publish(self, ctx: Context) -> None:
        """Publish the post; repeating this has no effect.

        Raises:
            PermissionDenied: when the actor is neither the author nor an admin.
        """
        require_author_or_admin(ctx.require_actor(), self.author_id)
        if not self.published:
            self.published = True
            self.published_at = self.published_at or ctx.now
            self.updated_at = ctx.now
            self.record(PostPublished(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def unpublish(self, ctx: Context) -> None:
        """Make the post a draft again, and keep `published_at`.

        Raises:
            PermissionDenied: when the actor is neither the author nor an admin.
        """
        require_author_or_admin(ctx.require_actor(), self.author_id)
        if self.published:
            self.published = False
            self.updated_at = ctx.now
            self.record(PostUnpublished(aggregate_id=self.id, at=ctx.now, by=ctx.by))


@dataclass(frozen=True, kw_only=True)
class PostFilter:
    """Conditions on posts, combined with AND; `None` is no condition.

    `public` and `reader_id` restrict the result to posts that the reader may see; `of` sets them.
    """

    published: bool | None = None
    author_id: UUID | None = None
    q: str | None = None
    public: bool | None = None
    reader_id: UUID | None = None

    @classmethod
    def of(cls, actor: Actor | None, **members: Any) -> "PostFilter":
        """Return a filter restricted to the posts that the actor may see."""
        if actor is None:
            return cls(public=True, **members)
        return cls(reader_id=None if actor.is_admin else actor.id, **members)

    def matches(self, post: Post) -> bool:
        """Return whether the post satisfies the filter."""
        return (
            (self.published is None or post.published == self.published)
            and (self.author_id is None or post.author_id == self.author_id)
            and (self.q is None or search_fold(self.q) in post.search_text)
            and (self.public is None or post.published)
            and (self.reader_id is None or post.published or post.author_id == self.reader_id)
        )


SORTS: Mapping[str, Callable[[Post], Any]] = {
    "created_at": lambda post: post.created_at,
    "published_at": lambda post: post.published_at,
    "title": lambda post: post.title_key,
}
"""Sort names of a list of posts, each with its sort key."""


class PostRepository(Repository[Post]):
    """Repository of posts."""

    entity_name = Post.entity_name

    @abstractmethod
    def list_slugs(self, wanted: str) -> set[str]:
        """Return the slugs in use that equal `wanted` or start with it and a dash."""

    @abstractmethod
    def references_user(self, user_id: UUID) -> bool:
        """Return whether the user is the author of any post."""

    def free_slug(self, wanted: str) -> str:
        """Return `wanted`, with the lowest free number appended if it is in use."""
        taken = self.list_slugs(wanted)
        number, slug = 1, wanted
        while slug in taken:
            number += 1
            slug = f"{wanted}-{number}"
        return slug
