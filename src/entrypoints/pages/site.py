"""The site: the workshop's news for everybody, as pages and as a feed."""

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
# What XML cannot say at all (XML 1.0, 2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Crawlers find nothing of use there.
_ROBOTS = (
    "User-agent: *\nDisallow: /office\nDisallow: /api/\nDisallow: /sign-in\nDisallow: /setup\n"
    "Disallow: /register\n"
)

OLDER, NEWER = "-published_at", "published_at"


class PostPageQuery(ListParameters):
    """From where one goes on through the posts, and whether to older or to newer ones."""

    sorts = {"published_at": datetime}

    limit: Limit = 10
    sort: Literal["-published_at", "published_at"] = "-published_at"


@dataclass(frozen=True)
class PostPage:
    """Some posts, newest first, and the parameters that lead on to older and to newer ones."""

    items: Sequence[PostView]
    here: dict[str, str]
    older: dict[str, str] | None
    newer: dict[str, str] | None


@router.get("/")
async def show_home(request: CurrentRequest, post_queries: Posts, markdown: Markdown) -> Response:
    """Show the news; whoever comes before there is an admin is led to where one is made."""
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
    """Show a post; a draft is not there, not even for its author."""
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
    """Show somebody's posts, also when they do not work here any more.

    Of people who have published nothing strangers are not told that there are such people.
    """
    user = await user_queries.by_username(username)
    # The same is asked for a name that does not exist, so that it takes as long.
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
    # Only what is the same for everybody may be kept by a cache that many share.
    return (cached_page if has_published else page)(request, "site/person.html", **shown)


@router.get("/feed.atom")
async def show_feed(request: CurrentRequest, post_queries: Posts, markdown: Markdown) -> Response:
    """Return the newest posts as an Atom feed (RFC 4287); each is summed up, and read here."""
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
    """Tell crawlers what is not for them (RFC 9309)."""
    return cached(request, _ROBOTS, "text/plain")


async def _walk(request: Request, posts: PostQueries, meant: PostFilter) -> PostPage | None:
    """Return the posts that are asked for, `None` if they are best looked for at the start.

    A cursor leads on from a post either way; the way to newer ones is walked backwards. Other
    parameters are not ours: links that people share bring all kinds of them.
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
