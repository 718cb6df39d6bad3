"""The API of posts."""

from typing import Any
from uuid import UUID

import pytest

from support.api import POSTS, USERS, create_post, error_locations, problem, user_path
from support.backends import Clock
from support.clients import Client
from support.people import ADMIN, MEMBER, OTHER, Person

MISSING = f"{POSTS}/01900000-0000-7000-8000-00000000ffff"


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
    path = create_post(client)
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
    path = create_post(client, publish=True)
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
    path, own = create_post(client), client.as_(MEMBER)
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
    first, second = create_post(client, title="The Lathe"), create_post(client, title="the lathe?")
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
    assert client.get(create_post(client, title=title)).json()["slug"] == slug
    assert client.get(create_post(client, title=title)).json()["slug"] == f"{slug}-2"


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
    path = create_post(client)
    assert (
        error_locations(client.post(POSTS, json={"title": "x", "content": "y", **members})) == where
    )
    assert error_locations(client.patch(path, json=members)) == where


def test_fifty_thousand_characters_are_kept_as_they_are(client: Client) -> None:
    content = ("Zoë 🛠 \u0e01\u0e33 ** [x](y) " * 3_000)[:49_999] + "x"
    assert len(content) == 50_000
    assert client.get(create_post(client, content=content)).json()["content"] == content


def test_posts_are_listed_the_newest_first_and_by_author(client: Client, clock: Clock) -> None:
    paths = []
    for number, author in enumerate((MEMBER, OTHER, MEMBER, OTHER)):
        paths.append(create_post(client, author, publish=number != 2, title=f"News {number}"))
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
    assert error_locations(client.get(f"{USERS}/{MEMBER.id}/posts?author_id={OTHER.id}")) == {
        "author_id"
    }


def test_a_posts_tag_changes_with_its_authors_name_and_refuses_no_edit(client: Client) -> None:
    path = create_post(client, publish=True)
    tag = client.as_(None).get(path).headers["etag"]
    client.as_(MEMBER).patch(user_path(MEMBER), json={"name": "Robert"})
    read = client.as_(None).get(path, headers={"If-None-Match": tag})
    assert (read.status_code, read.json()["author"]["name"]) == (200, "Robert")
    own = client.as_(MEMBER)
    assert own.patch(path, json={"title": "x"}, headers={"If-Match": tag}).status_code == 200
    problem(
        own.patch(path, json={"title": "y"}, headers={"If-Match": tag}), 412, "precondition-failed"
    )
    problem(own.get(MISSING), 404, "not-found")
