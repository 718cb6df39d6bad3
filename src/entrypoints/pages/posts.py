"""Pages for posts: drafts, previews, publication."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.actors import Actor
from domain.base import validate
from domain.errors import NotFound
from domain.posts import (
    CONTENT,
    Post,
    PostFilter,
    is_visible,
    may_change,
    require_author_or_admin,
)
from entrypoints.api.posts import NewPost, PostParameters, PostPatch
from entrypoints.pages.addresses import back_of, list_address, with_back
from entrypoints.pages.edit_page import EditPage
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.markdown import plain, rendered, safe
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute, parse_query
from entrypoints.web.dependencies import (
    CurrentActor,
    CurrentContext,
    Markdown,
    Now,
    Posts,
    UseCases,
    ports,
)
from entrypoints.web.pagination import ListParameters
from entrypoints.web.problems import to_problem
from entrypoints.web.schema_types import Search
from service_layer import idempotency, posts
from service_layer.queries.posts import PostQueries, PostView

router = APIRouter(prefix="/office/news", include_in_schema=False, route_class=PageRoute)

HERE = "/office/news"

# The use case and the message for each value of the field `publish`.
_PUBLISHING = {
    "yes": (posts.publish_post, "post-published"),
    "no": (posts.unpublish_post, "post-unpublished"),
}


class PostListQuery(ListParameters):
    """The query parameters of the list of posts."""

    sorts = PostParameters.sorts

    show: Literal["all", "published", "drafts", "mine"] = "all"
    q: Search | None = None
    sort: Literal["-created_at", "-published_at", "title"] = "-created_at"

    def filter(self, by: Actor) -> PostFilter:
        """Return the filter for posts visible to an actor."""
        return PostFilter.of(
            by,
            published={"published": True, "drafts": False}.get(self.show),
            author_id=by.id if self.show == "mine" else None,
            q=self.q,
        )


class PostPage(EditPage[PostView]):
    """The page that edits a post, with a preview."""

    async def context(self, request: Request, post: PostView, form: Form) -> Mapping[str, Any]:
        return await _preview(request, form)


EDIT = PostPage(
    name="post", template="posts/edit.html", labels="posts", fields=("title", "content")
)


@router.get("")
async def show_posts(request: CurrentRequest, post_queries: Posts, by: CurrentActor) -> Response:
    """List the posts that the signed-in user may see."""
    wanted = parse_query(request, PostListQuery)
    listing = wanted.to_response(
        await post_queries.list_page(wanted.filter(by), wanted.page_request())
    )
    return page(request, "posts/list.html", wanted=wanted, listing=listing)


@router.get("/new")
async def show_new_post(request: CurrentRequest) -> Response:
    """Show the form that creates a post."""
    return await _write(request, Form.new())


@router.post("")
async def create_post(
    request: CurrentRequest, sent: SubmittedForm, run: UseCases, ctx: CurrentContext
) -> Response:
    """Create a post and publish it on request, or only preview it."""
    if sent["preview"]:
        return await _write(request, *_judged(sent))
    try:
        new = dict(sent.read(NewPost))
        use_case = posts.create_post
        key = sent.key
        place = await run(idempotency.idempotently, key, use_case, locate=_place, ctx=ctx, **new)
    except FORM_ERRORS as error:
        return await _write(request, sent.refused(error), to_problem(error).status)
    done = "post-written"
    if sent["publish"] == "yes":
        done = "post-published"
        await run(posts.publish_post, UUID(place.rpartition("/")[2]), ctx)
    return see_other(place, done)


@router.post("/preview")
async def preview_post(request: CurrentRequest, sent: SubmittedForm) -> Response:
    """Return the preview of a post as an HTML fragment; 422 if its text is invalid."""
    form, status = _judged(sent)
    shown = await _preview(request, form)
    return page(request, "posts/preview.html", status=status, form=form, **shown)


@router.get("/{post_id:id}")
async def show_post(
    post_id: UUID,
    request: CurrentRequest,
    post_queries: Posts,
    markdown: Markdown,
    by: CurrentActor,
    now: Now,
) -> Response:
    """Show a post, as a form to users who may edit it."""
    post = await _visible(post_queries, post_id, by, now)
    if may_change(by, post.author_id):
        return await EDIT.show(request, post)
    return page(
        request, "posts/post.html", post=post, content=await rendered(markdown, post.content)
    )


@router.post("/{post_id:id}")
async def save_post(
    post_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    post_queries: Posts,
    run: UseCases,
    by: CurrentActor,
    ctx: CurrentContext,
) -> Response:
    """Edit a post and publish or unpublish it on request, or only preview it.

    Show the merge page on an edit conflict.
    """
    post = await _visible(post_queries, post_id, by, ctx.now)
    require_author_or_admin(by, post.author_id)
    if sent["preview"]:
        return await EDIT.show(request, post, *_judged(sent))
    publish, done = _PUBLISHING.get(sent["publish"], (None, "saved"))
    response = await EDIT.save_edit(
        request,
        sent,
        lambda form: run(posts.edit_post, post_id, form.read(PostPatch), ctx, form.expected),
        lambda: _visible(post_queries, post_id, by, ctx.now),
        address=with_back(f"{HERE}/{post_id}", back_of(request)),
        done=done,
        loaded=post,
    )
    if publish is not None and response.status_code == 303:
        await run(publish, post_id, ctx)
    return response


@router.post("/{post_id:id}/delete")
async def delete_post(
    post_id: UUID, request: CurrentRequest, sent: SubmittedForm, run: UseCases, ctx: CurrentContext
) -> Response:
    """Delete a post.

    Raises:
        VersionMismatch: when it has changed since the form was rendered.
    """
    await run(posts.delete_post, post_id, ctx, sent.expected)
    return see_other(list_address(back_of(request), HERE), "post-deleted")


def _place(post: Post) -> str:
    return f"{HERE}/{post.id}"


async def _visible(post_queries: PostQueries, post_id: UUID, by: Actor, now: datetime) -> PostView:
    """Return a post that the actor may see.

    Raises:
        NotFound: when the post does not exist, or the actor may not see it.
    """
    post = await post_queries.one(post_id, now)
    if not is_visible(by, post.author_id, published=post.published):
        raise NotFound(Post.entity_name, post_id)
    return post


def _judged(sent: Form) -> tuple[Form, int]:
    """Validate the text for a preview; return the form with any error, and the status."""
    try:
        if sent["content"].strip():
            validate(CONTENT, "content", sent["content"])
    except FORM_ERRORS as error:
        return sent.refused(error), to_problem(error).status
    return sent, 200


async def _preview(request: Request, form: Form) -> dict[str, Any]:
    """Return the rendered text, and whether it is plain text because it exceeds the limits.

    An invalid text is not rendered.
    """
    judged, _ = _judged(form)
    text = "" if judged.errors else form["content"]
    html = await ports(request).markdown.to_html(text)
    return {"content": plain(text) if html is None else safe(html), "as_typed": html is None}


async def _write(request: Request, form: Form, status: int = 200) -> Response:
    shown = await _preview(request, form)
    return page(request, "posts/new.html", status=status, form=form, **shown)
