"""`/posts`: posts, as drafts or published."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from domain.actors import Actor
from domain.errors import NotFound
from domain.posts import CONTENT, TITLE, Post, PostFilter, is_visible
from entrypoints.api.users import UserId
from entrypoints.web.authorization import OptionalActor, optional_actor
from entrypoints.web.dependencies import (
    CurrentContext,
    IfMatch,
    Now,
    Posts,
    ReferencedUsers,
    UseCases,
    Users,
    UsersByReference,
    ports,
)
from entrypoints.web.pagination import ListParameters, ListResponse
from entrypoints.web.route import ApiRoute, PathEntity
from entrypoints.web.schema_types import Flag, Id, Search, text
from service_layer import posts
from service_layer.queries.posts import PostView

router = APIRouter(prefix="/api/v1", tags=["posts"], route_class=ApiRoute)


async def _look(request: Request, post_id: UUID) -> PostView | None:
    post = await ports(request).post_queries.get(post_id, ports(request).clock())
    return _to_view(await optional_actor(request), post)


def _to_view(actor: Actor | None, post: PostView | None) -> PostView | None:
    """Return the post if the actor may see it."""
    if post is None or not is_visible(actor, post.author_id, published=post.published):
        return None
    return post


PostId = Annotated[UUID, Path(description="The post's id."), PathEntity("post", _look)]
Title = Annotated[str, text(TITLE)]
Content = Annotated[str, text(CONTENT)]


class NewPost(BaseModel):
    """A draft to create; `content` is Markdown."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    content: Content


class PostPatch(TypedDict, total=False):
    """JSON merge patch (RFC 7396): absent members keep their values."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    title: Title
    content: Content


class PostParameters(ListParameters):
    """Filters, sort and pagination of a list of the posts of one user."""

    sorts = {"created_at": datetime, "published_at": datetime | None, "title": str}

    published: Flag | None = Field(None, description="Only published posts, or only drafts.")
    q: Search | None = Field(None, description="Search in title and content.")
    sort: Literal[
        "created_at", "-created_at", "published_at", "-published_at", "title", "-title"
    ] = "-created_at"


class AllPostParameters(PostParameters):
    """Filters, sort and pagination of a list of posts."""

    author_id: Id | None = Field(None, description="Written by this user.")


@router.post("/posts", status_code=201)
async def create_post(
    new: NewPost, run: UseCases, people: UsersByReference, ctx: CurrentContext
) -> PostView:
    """Create a draft."""
    return await _seen(await run(posts.create_post, ctx, **vars(new)), people)


@router.get("/posts")
async def list_posts(
    asked: Annotated[AllPostParameters, Query()], post_queries: Posts, visitor: OptionalActor
) -> ListResponse[PostView]:
    """List the posts that the caller may see, with pagination."""
    meant = PostFilter.of(visitor, published=asked.published, author_id=asked.author_id, q=asked.q)
    return asked.to_response(await post_queries.list_page(meant, asked.page_request()))


@router.get("/posts/{post_id:id}")
async def read_post(
    post_id: PostId, post_queries: Posts, visitor: OptionalActor, now: Now
) -> PostView:
    """Read a post. Only its author and admins may see a draft."""
    post = _to_view(visitor, await post_queries.get(post_id, now))
    if post is None:
        raise NotFound(Post.entity_name, post_id)
    return post


@router.patch("/posts/{post_id:id}")
async def edit_post(
    post_id: PostId,
    patch: Annotated[PostPatch, Body()],
    expected: IfMatch,
    run: UseCases,
    people: UsersByReference,
    ctx: CurrentContext,
) -> PostView:
    """Edit members of a post."""
    post = await run(posts.edit_post, post_id, patch, ctx, expected)
    return await _seen(post, people)


@router.delete("/posts/{post_id:id}", status_code=204)
async def delete_post(
    post_id: PostId, expected: IfMatch, run: UseCases, ctx: CurrentContext
) -> None:
    """Delete a post."""
    await run(posts.delete_post, post_id, ctx, expected)


@router.post("/posts/{post_id:id}/publish")
async def publish_post(
    post_id: PostId, expected: IfMatch, run: UseCases, people: UsersByReference, ctx: CurrentContext
) -> PostView:
    """Publish a post."""
    post = await run(posts.publish_post, post_id, ctx, expected)
    return await _seen(post, people)


@router.post("/posts/{post_id:id}/unpublish")
async def unpublish_post(
    post_id: PostId, expected: IfMatch, run: UseCases, people: UsersByReference, ctx: CurrentContext
) -> PostView:
    """Unpublish a post: it becomes a draft again."""
    post = await run(posts.unpublish_post, post_id, ctx, expected)
    return await _seen(post, people)


@router.get("/users/{user_id:id}/posts")
async def list_posts_of_user(
    user_id: UserId,
    asked: Annotated[PostParameters, Query()],
    post_queries: Posts,
    user_queries: Users,
    visitor: OptionalActor,
) -> ListResponse[PostView]:
    """List the posts of a user that the caller may see, with pagination."""
    meant = PostFilter.of(visitor, published=asked.published, author_id=user_id, q=asked.q)
    page = await post_queries.list_page(meant, asked.page_request())
    # Without posts in the page, check that the user exists.
    if not page.items and not await user_queries.public({user_id}):
        raise NotFound("user", user_id)
    return asked.to_response(page)


async def _seen(post: Post, people: ReferencedUsers) -> PostView:
    """Return the view of a post after a change, with its author."""
    return PostView.of(post, await people(post.author_id))
