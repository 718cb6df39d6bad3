"""Views of posts, and their query port."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.posts import Post, PostFilter
from service_layer.queries.base import Queries, View
from service_layer.queries.users import PublicUser


@dataclass(kw_only=True)
class PostView(View):
    """A post with its author."""

    collection: ClassVar[str] = "posts"

    title: str
    content: str
    slug: str
    author_id: UUID
    author: PublicUser
    published: bool
    published_at: datetime | None

    @classmethod
    def of(cls, post: Post, people: Mapping[UUID, PublicUser]) -> "PostView":
        """Return the view of a loaded aggregate with its author."""
        return cls._of(post, author=people[post.author_id])


class PostQueries(Queries[PostView, PostFilter]):
    """Query port of posts."""

    entity_name = Post.entity_name

    @abstractmethod
    async def by_slug(self, slug: str) -> PostView | None:
        """Return the post with this slug, compared exactly, or `None`."""
