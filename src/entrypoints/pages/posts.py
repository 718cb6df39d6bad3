"""The office's news: posts that are written, looked at, published and taken back."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.actors import Actor
from domain.base import validate
from domain.errors import NotFound, VersionMismatch
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
from entrypoints.pages.edit_conflicts import merge_page
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.markdown import plain, rendered, safe
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute, parse_query
from entrypoints.web.dependencies import CurrentActor, Markdown, Now, Posts, UseCases, ports
from entrypoints.web.pagination import ListParameters
from entrypoints.web.problems import to_problem
from entrypoints.web.schema_types import Search
from service_layer import idempotency, posts
from service_layer.queries.posts import PostQueries, PostView

router = APIRouter(prefix="/office/news", include_in_schema=False, route_class=PageRoute)

HERE = "/office/news"
FIELDS = ("title", "content")

# What is to happen with a post once it is saved, and what is told of it then.
_PUBLISHING = {
    "yes": (posts.publish_post, "post-published"),
    "no": (posts.unpublish_post, "post-unpublished"),
}


class PostListQuery(ListParameters):
    """Which posts are shown, and in which order."""

    sorts = PostParameters.sorts

    show: Literal["all", "published", "drafts", "mine"] = "all"
    q: Search | None = None
    sort: Literal["-created_at", "-published_at", "title"] = "-created_at"

    def filter(self, by: Actor) -> PostFilter:
        """Return the filter that somebody means."""
        return PostFilter.of(
            by,
            published={"published": True, "drafts": False}.get(self.show),
            author_id=by.id if self.show == "mine" else None,
            q=self.q,
        )


@router.get("")
async def show_posts(request: CurrentRequest, post_queries: Posts, by: CurrentActor) -> Response:
    """List the posts that whoever asks may see."""
    wanted = parse_query(request, PostListQuery)
    listing = wanted.to_response(
        await post_queries.list_page(wanted.filter(by), wanted.page_request())
    )
    return page(request, "news/list.html", wanted=wanted, listing=listing)


@router.get("/new")
async def show_new_post(request: CurrentRequest) -> Response:
    """Show where a post is written."""
    return await _write(request, Form.new())


@router.post("")
async def create_post(
    request: CurrentRequest, sent: SubmittedForm, run: UseCases, by: CurrentActor, now: Now
) -> Response:
    """Keep a draft, and publish it if that is wanted; or only show what it would look like."""
    if sent["preview"]:
        return await _write(request, *_judged(sent))
    try:
        new = dict(sent.read(NewPost))
        use_case = posts.create_post
        key = sent.key
        place = await run(
            idempotency.idempotently, key, use_case, locate=_place, actor=by, now=now, **new
        )
    except FORM_ERRORS as error:
        return await _write(request, sent.refused(error), to_problem(error).status)
    done = "post-written"
    if sent["publish"] == "yes":
        done = "post-published"
        await run(posts.publish_post, UUID(place.rpartition("/")[2]), actor=by, now=now)
    return see_other(place, done)


@router.post("/preview")
async def preview_post(request: CurrentRequest, sent: SubmittedForm) -> Response:
    """Return what a post that is being written looks like, to be put into the page."""
    form, status = _judged(sent)
    shown = await _preview(request, form)
    return page(request, "news/preview.html", status=status, form=form, **shown)


@router.get("/{post_id:id}")
async def show_post(
    post_id: UUID,
    request: CurrentRequest,
    post_queries: Posts,
    markdown: Markdown,
    by: CurrentActor,
    now: Now,
) -> Response:
    """Show a post, to whoever may change it as a form that does."""
    post = await _visible(post_queries, post_id, by, now)
    if may_change(by, post.author_id):
        return await _edit(request, post, Form.of(post, *FIELDS))
    return page(
        request, "news/post.html", post=post, content=await rendered(markdown, post.content)
    )


@router.post("/{post_id:id}")
async def save_post(
    post_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    post_queries: Posts,
    run: UseCases,
    by: CurrentActor,
    now: Now,
) -> Response:
    """Give a post another title or text, and publish it or take it back if that is wanted."""
    post = await _visible(post_queries, post_id, by, now)
    require_author_or_admin(by, post.author_id)
    if sent["preview"]:
        return await _edit(request, post, *_judged(sent))
    try:
        patch = sent.read(PostPatch)
        expected = sent.expected
        await run(posts.edit_post, post_id, patch, actor=by, now=now, expected=expected)
    except VersionMismatch:
        now_is = Form.of(await _visible(post_queries, post_id, by, now), *FIELDS)
        back = with_back(f"{HERE}/{post_id}", back_of(request))
        return merge_page(request, sent, now_is, FIELDS, labels="news", back=back)
    except FORM_ERRORS as error:
        return await _edit(request, post, sent.refused(error), to_problem(error).status)
    done = "saved"
    if sent["publish"] in _PUBLISHING:
        use_case, done = _PUBLISHING[sent["publish"]]
        await run(use_case, post_id, actor=by, now=now)
    return see_other(with_back(f"{HERE}/{post_id}", back_of(request)), done)


@router.post("/{post_id:id}/delete")
async def delete_post(
    post_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    run: UseCases,
    by: CurrentActor,
    now: Now,
) -> Response:
    """Throw a post away, unless it has changed since it was looked at."""
    await run(posts.delete_post, post_id, actor=by, now=now, expected=sent.expected)
    return see_other(list_address(back_of(request), HERE), "post-deleted")


def _place(post: Post) -> str:
    return f"{HERE}/{post.id}"


async def _visible(post_queries: PostQueries, post_id: UUID, by: Actor, now: datetime) -> PostView:
    """Return a post to somebody who may see it.

    Raises:
        NotFound: when there is none, or not for them.
    """
    post = await post_queries.one(post_id, now)
    if not is_visible(by, post.author_id, published=post.published):
        raise NotFound(Post.entity_name, post_id)
    return post


def _judged(sent: Form) -> tuple[Form, int]:
    """Return the form of a preview with what is wrong with its text, and the status for it."""
    try:
        if sent["content"].strip():
            validate(CONTENT, "content", sent["content"])
    except FORM_ERRORS as error:
        return sent.refused(error), to_problem(error).status
    return sent, 200


async def _preview(request: Request, form: Form) -> dict[str, Any]:
    """Return what a preview shows: the text, and whether it is shown as it was typed.

    A text that breaks the rule for posts is not shown.
    """
    judged, _ = _judged(form)
    text = "" if judged.errors else form["content"]
    html = await ports(request).markdown().to_html(text)
    return {"content": plain(text) if html is None else safe(html), "as_typed": html is None}


async def _write(request: Request, form: Form, status: int = 200) -> Response:
    shown = await _preview(request, form)
    return page(request, "news/new.html", status=status, form=form, **shown)


async def _edit(request: Request, post: PostView, form: Form, status: int = 200) -> Response:
    shown = await _preview(request, form)
    return page(request, "news/edit.html", status=status, post=post, form=form, **shown)
