"""The public site: published posts as pages and as an Atom feed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from fastapi import APIRouter, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from domain.base import PageRequest
from domain.posts import PostFilter
from entrypoints.pages import sessions
from entrypoints.pages.access import awaits_setup
from entrypoints.pages.markdown import excerpts, rendered
from entrypoints.pages.rendering import cached, cached_page, origin_of, page, render, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute
from entrypoints.web.dependencies import Markdown, Posts, Users
from entrypoints.web.pagination import Limit, ListParameters, encode
from entrypoints.web.problems import ApiProblem
from entrypoints.web.validation import pointer_in_query, validated
from service_layer.queries.posts import PostQueries, PostView

router = APIRouter(include_in_schema=False, route_class=PageRoute)

IN_FEED = 20

_ONE = PageRequest(sort="published_at", limit=1)
_NOBODY = UUID(int=0)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# Characters that XML does not allow (XML 1.0, 2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Paths without content for search engines.
_ROBOTS = (
    "User-agent: *\nDisallow: /office\nDisallow: /api/\nDisallow: /sign-in\nDisallow: /setup\n"
    "Disallow: /register\n"
)

OLDER, NEWER = "-published_at", "published_at"


class PostPageQuery(ListParameters):
    """The query parameters of a page of posts: a cursor, and the direction as `sort`."""

    sorts = {"published_at": datetime}

    limit: Limit = 10
    sort: Literal["-published_at", "published_at"] = "-published_at"


@dataclass(frozen=True)
class PostPage:
    """A page of posts, newest first, and the query parameters of its neighbours.

    `here` are the parameters of this page. `older` and `newer` are `None` without such a page.
    """

    items: Sequence[PostView]
    here: dict[str, str]
    older: dict[str, str] | None
    newer: dict[str, str] | None


@router.get("/")
async def show_home(request: CurrentRequest, post_queries: Posts, markdown: Markdown) -> Response:
    """Show the latest posts; redirect to `/setup` before the first admin exists."""
    if await awaits_setup(request):
        return see_other("/setup")
    walked = await _walk(request, post_queries, PostFilter(public=True))
    if walked is None:
        return see_other("/")
    begins = await excerpts(markdown, walked.items)
    return cached_page(request, "site/home.html", walked=walked, excerpts=begins)


@router.get("/posts/{slug}")
async def show_article(
    slug: str, request: CurrentRequest, post_queries: Posts, markdown: Markdown
) -> Response:
    """Show a published post.

    Raises:
        ApiProblem: 404 when it does not exist or is a draft, even to its author.
    """
    post = await post_queries.by_slug(slug)
    if post is None or not post.published:
        raise ApiProblem("not-found", "There is no such post.")
    content = await rendered(markdown, post.content)
    about = (await excerpts(markdown, [post]))[post.id]
    return cached_page(request, "site/post.html", post=post, content=content, about=about)


@router.get("/people/{username}")
async def show_posts_of_user(
    username: str,
    request: CurrentRequest,
    post_queries: Posts,
    user_queries: Users,
    markdown: Markdown,
) -> Response:
    """Show the published posts of a user, active or not.

    Raises:
        ApiProblem: 404 when the user does not exist. Clients without a session get it for users
            without published posts too.
    """
    user = await user_queries.by_username(username)
    # Unknown usernames run the same queries, so that timing does not disclose users.
    meant = PostFilter(public=True, author_id=user.id if user else _NOBODY)
    walked = await _walk(request, post_queries, meant)
    has_published = bool(walked and walked.items) or bool(
        (await post_queries.list_page(meant, _ONE)).items
    )
    if user is None or not (has_published or await sessions.known(request)):
        raise ApiProblem("not-found", "There is no person with this username.")
    if walked is None:
        return see_other(f"/people/{user.username}")
    person = user.public()
    begins = await excerpts(markdown, walked.items)
    shown: dict[str, Any] = {"person": person, "walked": walked, "excerpts": begins}
    # A page that depends on the session must not be stored by shared caches.
    return (cached_page if has_published else page)(request, "site/person.html", **shown)


@router.get("/feed.atom")
async def show_feed(request: CurrentRequest, post_queries: Posts, markdown: Markdown) -> Response:
    """Return the latest posts as an Atom feed with excerpts (RFC 4287)."""
    newest = PageRequest(sort="published_at", descending=True, limit=IN_FEED)
    found = (await post_queries.list_page(PostFilter(public=True), newest)).items
    origin = origin_of(request)
    body = render(
        "site/feed.xml",
        id=uuid5(NAMESPACE_URL, f"{origin}/feed.atom"),
        updated=max((post.updated_at for post in found), default=_BEGINNING),
        origin=origin,
        posts=found,
        excerpts=await excerpts(markdown, found),
    )
    return cached(request, _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", body), "application/atom+xml")


@router.get("/robots.txt")
async def show_robots(request: CurrentRequest) -> Response:
    """Return `robots.txt` (RFC 9309)."""
    return cached(request, _ROBOTS, "text/plain")


async def _walk(request: Request, posts: PostQueries, meant: PostFilter) -> PostPage | None:
    """Return a page of posts by keyset pagination, `None` to redirect to the first page.

    A cursor leads to older or to newer posts; newer ones are queried in ascending order and then
    reversed. Unknown parameters are ignored, as in `parse_query`.
    """
    asked = request.query_params
    said = {name: asked[name] for name in ("cursor", "sort") if asked.get(name, "").strip()}
    if "cursor" not in said:
        said = {}
    way = validated(TypeAdapter(PostPageQuery), said, pointer_in_query)
    page = await posts.list_page(meant, way.page_request())
    items, on = page.items, page.next_key and _way(way.sort, *page.next_key)
    if way.cursor is None:
        return PostPage(items, {}, older=on, newer=None)
    if way.sort == NEWER:
        if on is None:
            return None
        items = items[::-1]
        return PostPage(items, said, older=_way(OLDER, *_place(items[-1])), newer=on)
    return PostPage(items, said, on, _way(NEWER, *_place(items[0]))) if items else None


def _place(post: PostView) -> tuple[datetime | None, UUID]:
    return post.published_at, post.id


def _way(sort: str, published_at: datetime | None, id: UUID) -> dict[str, str]:
    return {"cursor": encode(sort, published_at, id), "sort": sort}
