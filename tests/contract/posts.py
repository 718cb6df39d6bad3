"""What is promised of posts: by every adapter, and to a REST client."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.adapters import in_order, in_threads
from contract.http import places, problem
from contract.users import USERS, path_of
from domain.base import Context, PageRequest
from domain.errors import StillReferenced
from domain.posts import SORTS, Post, PostFilter
from service_layer import posts as post_use_cases
from service_layer import users
from service_layer.queries.posts import PostView
from service_layer.queries.users import PublicUser
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend, Clock
from support.clients import Client
from support.people import ADMIN, MEMBER, OTHER, PEOPLE, Person

POSTS = "/api/v1/posts"
MISSING = f"{POSTS}/01900000-0000-7000-8000-00000000ffff"


# Adapters


def perform(backend: Backend, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return backend.usual.perform(use_case, *args, **kwargs)


def write(backend: Backend, title: str = "News", **members: Any) -> Any:
    members = {"content": "Text", "ctx": MEMBER.ctx, **members}
    return perform(backend, post_use_cases.create_post, title=title, **members)


def test_posts_of_one_title_written_at_once_have_addresses_of_their_own(backend: Backend) -> None:
    posts = in_threads(12, lambda _: write(backend, "Ünïcode & more!"))

    names = sorted((post.slug for post in posts), key=lambda slug: (len(slug), slug))
    assert names == ["unicode-more", *(f"unicode-more-{number}" for number in range(2, 13))]


def test_a_user_with_posts_cannot_be_deleted(backend: Backend) -> None:
    post = write(backend)
    with pytest.raises(StillReferenced):
        perform(backend, users.delete_user, MEMBER.id, ctx=ADMIN.ctx)
    perform(backend, post_use_cases.delete_post, post.id, ctx=MEMBER.ctx)
    perform(backend, users.delete_user, MEMBER.id, ctx=ADMIN.ctx)


some_posts = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "á b", "100%"]),
        st.sampled_from(["x", "Y\nz", "_"]),
        st.sampled_from(PEOPLE),
        st.booleans(),
    ),
    max_size=10,
)


def make_posts(uow: UnitOfWork, made: list[Any]) -> list[Post]:
    """Make posts, and return them."""
    entities: list[Post] = []
    for number, (title, content, author, published) in enumerate(made):
        ctx = Context(author.actor, NOON + timedelta(seconds=number // 2))
        post = post_use_cases.create_post(uow, title=title, content=content, ctx=ctx)
        if published:
            post.publish(ctx)
        # Each is settled, so that the next one sees its address taken.
        uow.flush()
        entities.append(post)
    return entities


some_filter = st.builds(
    PostFilter.of,
    st.none() | st.sampled_from([person.actor for person in PEOPLE]),
    published=st.none() | st.booleans(),
    author_id=st.none() | st.sampled_from([person.id for person in PEOPLE]),
    q=st.none() | st.sampled_from(["A", "b", "%", "_", "z"]),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=some_posts, filter=some_filter, sort=st.sampled_from(list(SORTS)), data=st.data())
def test_what_one_sees_of_posts_and_their_orders_agree_with_the_domain(
    backend: Backend, made: list[Any], filter: PostFilter, sort: str, data: st.DataObject
) -> None:
    with backend.open() as uow:
        entities = make_posts(uow, made)
        uow.commit()
    try:
        seen_by = {person.id: PublicUser(**{**person.public, "id": person.id}) for person in PEOPLE}  # type: ignore[arg-type]
        descending = data.draw(st.booleans())
        meant = [post for post in entities if filter.matches(post)]
        expected = in_order(meant, SORTS[sort], descending)
        page_request = PageRequest(
            sort=sort, descending=descending, limit=data.draw(st.integers(1, 4))
        )
        seen: list[PostView] = []
        for _ in range(20):
            page = backend.ask(backend.posts.list_page(filter, replace(page_request, count=True)))
            assert page.total == len(meant)
            seen += page.items
            if page.next_key is None:
                break
            page_request = replace(page_request, after=page.next_key)
        assert seen == [PostView.of(post, seen_by) for post in expected]
    finally:
        with backend.open() as uow:
            for post in entities:
                uow.posts.remove(uow.posts.get(post.id))
            uow.commit()


def test_a_post_is_found_by_its_slug_and_by_nothing_else(backend: Backend) -> None:
    first, second, other = (write(backend, title) for title in ("A saw", "A saw", "A sawhorse"))

    for kept in (first, second, other):
        found = backend.ask(backend.posts.by_slug(kept.slug))
        assert found == backend.ask(backend.posts.get(kept.id, NOON))
        assert found is not None
        assert (found.id, found.author.username) == (kept.id, "bob")
    assert {first.slug, second.slug, other.slug} == {"a-saw", "a-saw-2", "a-sawhorse"}
    for slug in ("A-saw", "a-saw ", "a_saw", "a-saw%", "á-saw", "a-saw-3", "", "a-saw\0", "\udcff"):
        assert backend.ask(backend.posts.by_slug(slug)) is None


def test_a_draft_that_is_renamed_is_no_longer_found_where_it_was(backend: Backend) -> None:
    draft = write(backend, "First idea")
    changes: Any = {"title": "Second idea"}
    perform(backend, post_use_cases.edit_post, draft.id, changes, ctx=MEMBER.ctx)

    assert backend.ask(backend.posts.by_slug("first-idea")) is None
    found = backend.ask(backend.posts.by_slug("second-idea"))
    assert found is not None
    assert found.id == draft.id


# REST


def post(client: Client, author: Person = MEMBER, *, publish: bool = False, **members: Any) -> Any:
    answer = client.as_(author).post(POSTS, json={"title": "News", "content": "Text", **members})
    assert answer.status_code == 201, answer.text
    path = answer.headers["location"]
    if publish:
        assert client.as_(author).post(f"{path}/publish").status_code == 200
    return path


def test_a_new_post_is_a_draft_with_its_author_and_an_address(client: Client) -> None:
    answer = client.as_(MEMBER).post(
        POSTS, json={"title": " Die Säge ist da! ", "content": "\n# Hallo\n\n*Welt*\n"}
    )

    made = answer.json()
    assert made == {
        "id": made["id"],
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "title": "Die Säge ist da!",
        "content": "# Hallo\n\n*Welt*",
        "slug": "die-sage-ist-da",
        "author_id": str(MEMBER.id),
        "author": MEMBER.public,
        "published": False,
        "published_at": None,
    }
    assert answer.headers["location"] == f"{POSTS}/{made['id']}"
    read = client.as_(MEMBER).get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (made, answer.headers["etag"])


def test_a_draft_is_there_for_its_author_and_for_admins_alone(client: Client) -> None:
    path = post(client)
    for who, status in ((MEMBER, 200), (ADMIN, 200), (OTHER, 404), (None, 404)):
        asker = client.as_(who)
        assert asker.get(path).status_code == status
        listed = [one["id"] for one in asker.get(POSTS).json()["items"]]
        assert (path[-36:] in listed) == (status == 200)
        assert asker.get(POSTS, params={"published": "false"}).json()["items"] == (
            [asker.get(path).json()] if status == 200 else []
        )
    for answer in (
        client.as_(OTHER).patch(path, json={"title": "x"}),
        client.as_(OTHER).patch(path, json={"x": 1}),
        client.as_(OTHER).post(f"{path}/publish"),
        client.as_(OTHER).delete(path),
        client.as_(OTHER).delete(path, headers={"If-Match": '"9-0"'}),
    ):
        problem(answer, 404, "not-found")


def test_a_published_post_is_read_by_everybody_and_changed_by_its_author_or_an_admin(
    client: Client,
) -> None:
    path = post(client, publish=True)
    for who in (None, OTHER, MEMBER, ADMIN):
        assert client.as_(who).get(path).json()["author"] == MEMBER.public
    html, stale = {"Content-Type": "text/html"}, {"If-Match": '"9-0"'}
    for answer in (
        client.as_(OTHER).patch(path, json={"title": "x"}),
        client.as_(OTHER).patch(path, content=b"{", headers=html),
        client.as_(OTHER).patch(path, json={}, headers=stale),
        client.as_(OTHER).post(f"{path}/unpublish"),
        client.as_(OTHER).delete(path),
    ):
        problem(answer, 403, "forbidden")
    problem(client.as_(None).delete(path), 401, "unauthenticated")
    assert client.patch(path, json={"title": "By the admin"}).json()["author"] == MEMBER.public
    assert client.as_(MEMBER).delete(path).status_code == 204
    problem(client.get(path), 404, "not-found")


def test_when_a_post_was_published_first_is_never_rewritten(client: Client, clock: Clock) -> None:
    path, own = post(client), client.as_(MEMBER)
    clock.advance(hours=1)
    first = own.post(f"{path}/publish").json()
    clock.advance(hours=1)
    again, back = own.post(f"{path}/publish").json(), own.post(f"{path}/unpublish").json()
    twice = own.post(f"{path}/unpublish").json()
    clock.advance(hours=1)
    anew = own.post(f"{path}/publish").json()

    assert (first["published"], first["published_at"]) == (True, "2026-03-01T13:00:00Z")
    assert again == first
    assert (back["published"], back["published_at"]) == (False, "2026-03-01T13:00:00Z")
    assert twice == back
    assert (anew["published_at"], anew["version"]) == ("2026-03-01T13:00:00Z", 4)


def test_an_address_follows_the_title_until_others_may_know_it(client: Client) -> None:
    own = client.as_(MEMBER)
    first, second = post(client, title="The Lathe"), post(client, title="the lathe?")
    assert [own.get(path).json()["slug"] for path in (first, second)] == [
        "the-lathe",
        "the-lathe-2",
    ]
    assert own.patch(second, json={"title": "The Saw"}).json()["slug"] == "the-saw"
    assert own.patch(first, json={"title": "THE LATHE"}).json()["slug"] == "the-lathe"
    own.post(f"{second}/publish")
    assert own.patch(second, json={"title": "The Drill"}).json()["slug"] == "the-saw"
    own.post(f"{second}/unpublish")
    assert own.patch(second, json={"title": "The Hammer"}).json()["slug"] == "the-saw"


@pytest.mark.parametrize(
    ("title", "slug"),
    [("日本", "post"), ("!?", "post"), ("Ærø -- Łódź", "aero-lodz"), ("x" * 100, "x" * 80)],
)
def test_any_title_has_an_address(client: Client, title: str, slug: str) -> None:
    assert client.get(post(client, title=title)).json()["slug"] == slug
    assert client.get(post(client, title=title)).json()["slug"] == f"{slug}-2"


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"title": ""}, {"#/title"}),
        ({"title": "x" * 101}, {"#/title"}),
        ({"content": " \n"}, {"#/content"}),
        ({"content": "x" * 50_001}, {"#/content"}),
        ({"content": None}, {"#/content"}),
        ({"content": "x" + "\u0301\u0323" * 50_000}, {"#/content"}),
        ({"content": "x" + "\u0301" * 31}, {"#/content"}),
        ({"slug": "mine"}, {"#/slug"}),
        ({"published": True, "author_id": str(OTHER.id)}, {"#/published", "#/author_id"}),
    ],
)  # fmt: skip
def test_an_unacceptable_member_of_a_post_is_pointed_at(
    client: Client, members: dict[str, Any], where: set[str]
) -> None:
    path = post(client)
    assert places(client.post(POSTS, json={"title": "x", "content": "y", **members})) == where
    assert places(client.patch(path, json=members)) == where


def test_fifty_thousand_characters_are_kept_as_they_are(client: Client) -> None:
    content = ("Zoë 🛠 \u0e01\u0e33 ** [x](y) " * 3_000)[:49_999] + "x"
    assert len(content) == 50_000
    assert client.get(post(client, content=content)).json()["content"] == content


def test_posts_are_listed_the_newest_first_and_by_author(client: Client, clock: Clock) -> None:
    paths = []
    for number, author in enumerate((MEMBER, OTHER, MEMBER, OTHER)):
        paths.append(post(client, author, publish=number != 2, title=f"News {number}"))
        clock.advance(minutes=1)

    def titles(who: Person | None, path: str = POSTS, **asked: Any) -> list[str]:
        answer = client.as_(who).get(path, params=asked)
        return [one["title"][-1] for one in answer.json()["items"]]

    assert titles(None) == ["3", "1", "0"]
    assert titles(MEMBER) == titles(ADMIN) == ["3", "2", "1", "0"]
    assert titles(MEMBER, published="false") == ["2"]
    assert titles(ADMIN, sort="published_at") == ["0", "1", "3", "2"]
    assert titles(ADMIN, sort="-published_at") == ["3", "1", "0", "2"]
    assert titles(None, author_id=MEMBER.id) == ["0"]
    assert titles(MEMBER, q="NEWS 2") == ["2"]
    assert titles(None, q="news 2") == []
    assert titles(None, f"{USERS}/{MEMBER.id}/posts") == ["0"]
    assert titles(MEMBER, f"{USERS}/{MEMBER.id}/posts") == ["2", "0"]
    assert titles(OTHER, f"{USERS}/{MEMBER.id}/posts", sort="created_at") == ["0"]
    page = client.get(POSTS, params={"limit": 3, "count": "true"}).json()
    assert (page["total"], len(page["items"])) == (4, 3)
    assert client.get(POSTS, params={"cursor": page["next"]}).json()["items"][0]["title"] == (
        "News 0"
    )


def test_the_posts_of_a_user_are_none_or_there_is_no_user(client: Client) -> None:
    none = client.as_(None).get(f"{USERS}/{MEMBER.id}/posts")
    assert none.json() == {"items": [], "next": None}
    nobody = f"{USERS}/{UUID(int=7)}/posts"
    problem(client.as_(None).get(nobody), 404, "not-found")
    problem(client.as_(None).get(f"{nobody}?x=1"), 404, "not-found")
    assert places(client.get(f"{USERS}/{MEMBER.id}/posts?author_id={OTHER.id}")) == {"author_id"}


def test_a_posts_tag_changes_with_its_authors_name_and_refuses_no_edit(client: Client) -> None:
    path = post(client, publish=True)
    tag = client.as_(None).get(path).headers["etag"]
    client.as_(MEMBER).patch(path_of(MEMBER), json={"name": "Robert"})
    read = client.as_(None).get(path, headers={"If-None-Match": tag})
    assert (read.status_code, read.json()["author"]["name"]) == (200, "Robert")
    own = client.as_(MEMBER)
    assert own.patch(path, json={"title": "x"}, headers={"If-Match": tag}).status_code == 200
    problem(
        own.patch(path, json={"title": "y"}, headers={"If-Match": tag}), 412, "precondition-failed"
    )
    problem(own.get(MISSING), 404, "not-found")


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = [name for name in globals() if name.startswith("test_")]
