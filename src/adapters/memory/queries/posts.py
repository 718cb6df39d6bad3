"""Reads of posts."""

from adapters.memory.queries.base import MemoryQueries
from domain import posts
from domain.posts import Post, PostFilter
from service_layer.queries.posts import PostQueries, PostView


class MemoryPostQueries(MemoryQueries[Post, PostView, PostFilter], PostQueries):
    """Read posts in a dictionary."""

    type = Post
    sorts = posts.SORTS

    def _view(self, entity: Post, at: None) -> PostView:
        return PostView.of(entity, self._people())

    async def by_slug(self, slug: str) -> PostView | None:
        found = (post for post in self._store.all(Post) if post.slug == slug)
        return next((self._view(post, None) for post in found), None)
