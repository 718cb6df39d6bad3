"""Use cases of posts."""

from uuid import UUID

from domain.base import Context, Expected
from domain.errors import NotFound
from domain.posts import Post, PostChanges, PostDeleted, is_visible, require_author_or_admin
from service_layer.access import require_actor_exists
from service_layer.prefetch import prefetches
from service_layer.unit_of_work import UnitOfWork


def create_post(uow: UnitOfWork, ctx: Context, *, title: str, content: str) -> Post:
    """Create a draft.

    Raises:
        AuthenticationFailed: when the actor was deleted.
    """
    require_actor_exists(uow, ctx.actor)
    post = Post.create(uow.new_id(), ctx, title=title, content=content, posts=uow.posts)
    uow.posts.add(post)
    return post


@prefetches(Post)
def edit_post(
    uow: UnitOfWork, post_id: UUID, changes: PostChanges, ctx: Context, expected: Expected = None
) -> Post:
    """Set the given fields of a post."""
    post = _for_change(uow, post_id, ctx, expected)
    post.edit(changes, ctx, posts=uow.posts)
    return post


@prefetches(Post)
def publish_post(uow: UnitOfWork, post_id: UUID, ctx: Context, expected: Expected = None) -> Post:
    """Publish a post."""
    post = _for_change(uow, post_id, ctx, expected)
    post.publish(ctx)
    return post


@prefetches(Post)
def unpublish_post(uow: UnitOfWork, post_id: UUID, ctx: Context, expected: Expected = None) -> Post:
    """Make a post a draft again."""
    post = _for_change(uow, post_id, ctx, expected)
    post.unpublish(ctx)
    return post


@prefetches(Post)
def delete_post(uow: UnitOfWork, post_id: UUID, ctx: Context, expected: Expected = None) -> None:
    """Delete a post."""
    post = _for_change(uow, post_id, ctx, expected)
    post.record(PostDeleted(aggregate_id=post.id, at=ctx.now, by=ctx.by))
    uow.posts.remove(post)


def _for_change(uow: UnitOfWork, post_id: UUID, ctx: Context, expected: Expected) -> Post:
    """Return the post if the actor may change it.

    Raises:
        NotFound: when it does not exist, or the actor may not see it.
        PermissionDenied: when the actor may not change it.
        VersionMismatch: when `expected` does not contain its version.
    """
    actor = ctx.require_actor()
    post = uow.posts.find(post_id)
    if post is None or not is_visible(actor, post.author_id, published=post.published):
        raise NotFound(Post.entity_name, post_id)
    require_author_or_admin(actor, post.author_id)
    return uow.posts.get(post_id, expected)
