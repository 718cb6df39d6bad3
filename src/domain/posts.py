"""Posts: the workshop's news, written by its people, drafts until they are published."""

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypedDict
from uuid import UUID

from domain.actors import Actor
from domain.base import Entity, Event, Repository, validate
from domain.errors import PermissionDenied
from domain.values import TextRule, search_fold, search_text

TITLE = TextRule(1, 100, if_empty="Enter a title.")
CONTENT = TextRule(1, 50_000, lines=True, if_empty="Enter a text.")

RULES: Mapping[str, Callable[[Any], Any]] = {"title": TITLE, "content": CONTENT}

MAX_SLUG = 80
"""How long a slug is at most, before a number that tells it from others."""


class PostCreated(Event):
    """A draft was written."""


@dataclass(frozen=True, kw_only=True)
class PostEdited(Event):
    """Members of a post were given other values."""

    changed_fields: tuple[str, ...]


class PostPublished(Event):
    """A post may be read by everybody."""


class PostUnpublished(Event):
    """A post is a draft again."""


class PostDeleted(Event):
    """A post was thrown away."""


class PostChanges(TypedDict, total=False):
    """The members that an edit may set; absent ones are kept."""

    title: str
    content: str


def may_change(actor: Actor, author_id: UUID) -> bool:
    """Whether somebody may change a post: who wrote it, and admins."""
    return actor.is_admin or actor.id == author_id


def is_visible(actor: Actor | None, author_id: UUID, *, published: bool) -> bool:
    """Whether somebody may read a post: everybody a published one, its author and admins any."""
    return published or (actor is not None and may_change(actor, author_id))


def require_author_or_admin(actor: Actor, author_id: UUID) -> None:
    """Let posts be changed by those who wrote them, and by admins.

    Raises:
        PermissionDenied: to anybody else.
    """
    if not may_change(actor, author_id):
        raise PermissionDenied("Only the author of this post or an admin may do this.")


def slug_of(title: str) -> str:
    """Return what names a post in an address: the title's letters a to z and digits.

    A title that has none of them is called `post`.
    """
    return "-".join(re.findall("[a-z0-9]+", search_fold(title)))[:MAX_SLUG].strip("-") or "post"


def is_slug(text: str) -> bool:
    """Whether a text could name a post in an address; there is none that has another one."""
    return re.fullmatch("[a-z0-9-]+", text) is not None


@dataclass(eq=False, kw_only=True)
class Post(Entity):
    """One piece of news, in Markdown. `published_at` is when it was published first."""

    entity_name: ClassVar[str] = "post"

    title: str
    content: str
    slug: str
    author_id: UUID
    published: bool = False
    published_at: datetime | None = None

    @classmethod
    def create(
        cls,
        id: UUID,
        now: datetime,
        *,
        title: str,
        content: str,
        by: Actor,
        posts: "PostRepository",
    ) -> "Post":
        """Write a draft.

        Raises:
            InvalidField: when a value breaks the rule for its member.
        """
        title = validate(TITLE, "title", title)
        post = cls(
            id=id,
            created_at=now,
            updated_at=now,
            title=title,
            content=validate(CONTENT, "content", content),
            slug=posts.free_slug(slug_of(title)),
            author_id=by.id,
        )
        post.record(PostCreated(aggregate_id=id, at=now, by=by.id))
        return post

    @property
    def title_key(self) -> str:
        """What sorting by title compares: enough of it to keep an index entry small."""
        return search_fold(self.title)[:200]

    @property
    def search_text(self) -> str:
        """What a search looks into: title and content."""
        return search_text(self.title, self.content)

    def edit(
        self, changes: PostChanges, now: datetime, *, by: Actor, posts: "PostRepository"
    ) -> None:
        """Give members other values; a change to what they are already changes nothing.

        A draft's address follows its title. Once it has been published others may lead there, and
        it stays.

        Raises:
            PermissionDenied: when `by` may not change this post.
            InvalidField: when a value breaks the rule for its member.
        """
        require_author_or_admin(by, self.author_id)
        before = slug_of(self.title)
        different = self.assign(changes, RULES)
        if not different:
            return
        if self.published_at is None and (slug := slug_of(self.title)) != before:
            self.slug = posts.free_slug(slug)
        self.updated_at = now
        members = tuple(different)
        self.record(PostEdited(aggregate_id=self.id, at=now, by=by.id, changed_fields=members))

    def publish(self, now: datetime, *, by: Actor) -> None:
        """Let everybody read it; doing so again changes nothing.

        Raises:
            PermissionDenied: when `by` may not change this post.
        """
        require_author_or_admin(by, self.author_id)
        if not self.published:
            self.published = True
            self.published_at = self.published_at or now
            self.updated_at = now
            self.record(PostPublished(aggregate_id=self.id, at=now, by=by.id))

    def unpublish(self, now: datetime, *, by: Actor) -> None:
        """Make it a draft again; when it was published first is not forgotten.

        Raises:
            PermissionDenied: when `by` may not change this post.
        """
        require_author_or_admin(by, self.author_id)
        if self.published:
            self.published = False
            self.updated_at = now
            self.record(PostUnpublished(aggregate_id=self.id, at=now, by=by.id))


@dataclass(frozen=True, kw_only=True)
class PostFilter:
    """Which posts are meant; every member that is not `None` must hold.

    `public` and `reader_id` narrow it to what somebody may see; `of` sets them.
    """

    published: bool | None = None
    author_id: UUID | None = None
    q: str | None = None
    public: bool | None = None
    reader_id: UUID | None = None

    @classmethod
    def of(cls, actor: Actor | None, **members: Any) -> "PostFilter":
        """Return the filter of the posts that somebody may see."""
        if actor is None:
            return cls(public=True, **members)
        return cls(reader_id=None if actor.is_admin else actor.id, **members)

    def matches(self, post: Post) -> bool:
        """Whether the post is among those meant."""
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
"""The orders a list of posts can have, each with the value it compares."""


class PostRepository(Repository[Post]):
    """Where posts are kept."""

    entity_name = Post.entity_name

    @abstractmethod
    def list_slugs(self, wanted: str) -> set[str]:
        """Return the slugs in use that are this one, or begin with it and a dash."""

    @abstractmethod
    def references_user(self, user_id: UUID) -> bool:
        """Whether a user wrote any post."""

    def free_slug(self, wanted: str) -> str:
        """Return the slug, or with the lowest number behind it that nobody has yet."""
        taken = self.list_slugs(wanted)
        number, slug = 1, wanted
        while slug in taken:
            number += 1
            slug = f"{wanted}-{number}"
        return slug
