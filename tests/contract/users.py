"""What a REST client is promised of users, and of their pictures."""

import io
import json
import re
from typing import Any

import pytest
from PIL import Image

from contract.http import TASKS, UNKNOWN, add, places, problem
from support.backends import Clock
from support.clients import Client
from support.people import (
    ADMIN,
    EXPIRED,
    MEMBER,
    OTHER,
    PASSWORD,
    PEOPLE,
    READ_ONLY,
    REVOKED,
    Person,
)

USERS = "/api/v1/users"
NOBODY = f"{USERS}/01900000-0000-7000-8000-00000000ffff"
NEW = {
    "username": "Dora.1",
    "email": " Dora@Example.ORG\n",
    "name": " Dora D ",
    "password": "long enough",
}
MEMBER_VIEW = {"id", "username", "name", "image_url", "city", "is_active", "created_at"}


def path_of(person: Person) -> str:
    return f"{USERS}/{person.id}"


def picture(format: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    kept = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "canary-in-the-picture"
    Image.effect_noise(size, 50).convert("RGB").save(kept, format, exif=exif)
    return kept.getvalue()


def put_picture(client: Client, path: str, content: bytes, media_type: str = "image/png") -> Any:
    return client.put(f"{path}/image", content=content, headers={"Content-Type": media_type})


# Taking people in


def test_a_new_user_is_answered_with_everything_but_the_password(client: Client) -> None:
    answer = client.post(USERS, json=NEW)

    assert answer.status_code == 201, answer.text
    user = answer.json()
    assert user == {
        "id": user["id"],
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "username": "Dora.1",
        "email": "dora@example.org",
        "name": "Dora D",
        "age": None,
        "city": "Unknown",
        "role": "member",
        "is_active": True,
        "image_file": None,
        "image_url": "/media/default.png",
    }
    assert answer.headers["location"] == f"{USERS}/{user['id']}"
    read = client.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (user, answer.headers["etag"])


def test_only_admins_take_people_in_unless_registration_is_open(
    client: Client, open_client: Client
) -> None:
    problem(client.as_(None).post(USERS, json=NEW), 401, "unauthenticated")
    problem(client.as_(MEMBER).post(USERS, json=NEW), 403, "forbidden")

    answer = open_client.as_(None).post(USERS, json=NEW)
    assert answer.status_code == 201
    assert answer.json()["role"] == "member"
    problem(open_client.as_(None).post(USERS, json={**NEW, "role": "admin"}), 422, "invalid")


def test_a_token_for_reading_takes_nobody_in_even_where_anybody_may_register(
    open_client: Client,
) -> None:
    problem(open_client.as_(READ_ONLY).post(USERS, json=NEW), 403, "forbidden")
    assert open_client.as_(MEMBER).post(USERS, json=NEW).status_code == 201
    # Whose token is worth nothing any more is a stranger, who may.
    for number, token in enumerate((EXPIRED, REVOKED, "atl_made-up")):
        another = {**NEW, "username": f"u{number}", "email": f"u{number}@example.org"}
        assert open_client.as_(token).post(USERS, json=another).status_code == 201


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"username": ""}, {"#/username"}),
        ({"username": "x" * 51}, {"#/username"}),
        ({"username": "ann bee"}, {"#/username"}),
        ({"username": "änn"}, {"#/username"}),
        ({"username": "ann@home"}, {"#/username"}),
        ({"username": "."}, {"#/username"}),
        ({"username": ".."}, {"#/username"}),
        ({"username": "._-"}, {"#/username"}),
        ({"username": " .. "}, {"#/username"}),
        ({"username": "ann\n."}, {"#/username"}),
        ({"email": "ann"}, {"#/email"}),
        ({"email": "ann@localhost"}, {"#/email"}),
        ({"email": "ann@@example.org"}, {"#/email"}),
        ({"email": "a nn@example.org"}, {"#/email"}),
        ({"email": "ann@example..org"}, {"#/email"}),
        ({"email": "ann@-example.org"}, {"#/email"}),
        ({"email": ".ann@example.org"}, {"#/email"}),
        ({"email": "ann@127.0.0.1"}, {"#/email"}),
        ({"email": f"{'a' * 109}@example.org"}, {"#/email"}),
        ({"email": "Ann <ann@example.org>"}, {"#/email"}),
        ({"name": "x"}, {"#/name"}),
        ({"name": " x "}, {"#/name"}),
        ({"name": "x" * 51}, {"#/name"}),
        ({"age": -1}, {"#/age"}),
        ({"age": 151}, {"#/age"}),
        ({"age": "7"}, {"#/age"}),
        ({"age": True}, {"#/age"}),
        ({"city": "x" * 51}, {"#/city"}),
        ({"city": None}, {"#/city"}),
        ({"password": "x" * 7}, {"#/password"}),
        ({"password": "x" * 129}, {"#/password"}),
        ({"password": "e\u0301" * 4}, {"#/password"}),
        ({"password": None}, {"#/password"}),
        ({"password": "password"}, {"#/password"}),
        ({"password": "PassW0rd123"}, {"#/password"}),
        ({"password": "12345678"}, {"#/password"}),
        ({"username": "dora.workshop", "password": "Dora.Workshop"}, {"#/password"}),
        ({"email": "dora@example.org", "password": "DORA@example.org"}, {"#/password"}),
        ({"role": "admin"}, {"#/role"}),
        ({"is_active": False, "image_file": "x.png"}, {"#/is_active", "#/image_file"}),
        ({"username": " ", "email": "x", "name": "", "password": ""},
         {"#/username", "#/email", "#/name", "#/password"}),
    ],
)  # fmt: skip
def test_an_unacceptable_member_of_a_user_is_pointed_at(
    client: Client, members: dict[str, Any], where: set[str]
) -> None:
    assert places(client.post(USERS, json={**NEW, **members})) == where
    assert len(client.get(USERS).json()["items"]) == len(PEOPLE)


@pytest.mark.parametrize(
    "members",
    [
        {"username": "x"}, {"username": "._-1"}, {"username": " X "}, {"username": "x" * 50},
        {"username": "..x"}, {"username": ".x."},
        {"email": f"{'a' * 108}@example.org"}, {"email": "o'hara+tag@sub.example.co"},
        {"name": "xy"}, {"name": "e\u0301" * 50}, {"age": 0}, {"age": 150}, {"age": 3.0},
        {"city": ""}, {"city": "x" * 50}, {"password": "x" * 8}, {"password": "🛠" * 128},
        {"password": " " * 8},
    ],
)  # fmt: skip
def test_what_is_just_within_the_rules_is_taken(client: Client, members: dict[str, Any]) -> None:
    assert client.post(USERS, json={**NEW, **members}).status_code == 201


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"username": "BOB"}, "#/username"),
        ({"email": "BOB@canary.EXAMPLE"}, "#/email"),
    ],
)
def test_what_is_taken_is_told_with_its_place_and_not_repeated(
    client: Client, members: dict[str, str], where: str
) -> None:
    dora = client.post(USERS, json=NEW).headers["location"]
    for answer in (
        client.post(USERS, json={**NEW, "username": "x", "email": "x@example.org", **members}),
        client.patch(dora, json=members),
    ):
        told = problem(answer, 409, "already-taken")
        assert [error["pointer"] for error in told["errors"]] == [where]
        assert "canary" not in answer.text.lower()
    assert client.get(dora).json()["version"] == 1


# Who sees what


def test_each_onlooker_has_a_view_of_their_own(client: Client) -> None:
    bob = path_of(MEMBER)
    public = client.as_(None).get(bob)
    member = client.as_(OTHER).get(bob)
    own, admin = client.as_(MEMBER).get(bob), client.get(bob)

    assert public.json() == MEMBER.public
    assert set(member.json()) == MEMBER_VIEW
    assert own.json() == admin.json()
    assert own.json()["email"] == MEMBER.email
    assert client.as_(MEMBER).get(f"{USERS}/me").json() == own.json()
    assert len({answer.headers["etag"] for answer in (public, member, own)}) == 3
    tag = public.headers["etag"]
    assert client.as_(None).get(bob, headers={"If-None-Match": tag}).status_code == 304
    assert client.as_(OTHER).get(bob, headers={"If-None-Match": tag}).status_code == 200
    # A tag of any view is good for a change: it is held to the version alone.
    assert client.patch(bob, json={"age": 5}, headers={"If-Match": tag}).status_code == 200
    assert client.patch(bob, json={"age": 6}, headers={"If-Match": tag}).status_code == 412


def test_a_list_shows_members_no_addresses_and_admins_everything(client: Client) -> None:
    for_member = client.as_(MEMBER).get(USERS)
    for_admin = client.get(USERS).json()["items"]

    assert all(set(user) == MEMBER_VIEW for user in for_member.json()["items"])
    assert "canary" not in for_member.text
    assert [user["email"] for user in for_admin] == [person.email for person in PEOPLE]
    problem(client.as_(None).get(USERS), 401, "unauthenticated")


def test_a_search_for_an_address_finds_nobody(client: Client) -> None:
    for asked in ({"q": "canary"}, {"name": "canary"}, {"q": "@"}):
        assert client.as_(MEMBER).get(USERS, params=asked).json()["items"] == []
        assert client.get(USERS, params=asked).json()["items"] == []


def test_users_are_found_by_name_and_city_in_any_case(client: Client) -> None:
    client.post(USERS, json={**NEW, "name": "Zoë Öl", "city": "Köln_1"})

    def found(**asked: Any) -> list[str]:
        items = client.as_(MEMBER).get(USERS, params=asked).json()["items"]
        return [user["username"] for user in items]

    assert found(name="ZOE") == found(city="KOLN") == found(q="öl") == ["Dora.1"]
    assert found(city="köln_", name="ol") == ["Dora.1"]
    assert found(city="%") == []
    assert found(is_active="false") == []
    assert found(sort="-username") == ["Dora.1", "cleo", "bob", "ada"]
    assert found(sort="name", limit=2) == ["ada", "bob"]
    page = client.get(USERS, params={"limit": 3, "count": "true", "sort": "username"}).json()
    assert (page["total"], page["total_exact"]) == (4, True)
    rest = client.get(USERS, params={"cursor": page["next"], "sort": "username"}).json()
    assert [user["username"] for user in rest["items"]] == ["Dora.1"]


@pytest.mark.parametrize("query", ["email=x", "name=", "city=%00", "sort=email", "is_active=1",
                                   "sort=city", "role=admin", "age=3"])  # fmt: skip
def test_what_users_cannot_be_asked_for_is_refused(client: Client, query: str) -> None:
    assert places(client.get(f"{USERS}?{query}"))


# Changing people


def test_a_patch_of_a_profile_sets_clears_and_keeps(client: Client, clock: Clock) -> None:
    own = client.as_(MEMBER)
    before = own.get(path_of(MEMBER)).json()
    clock.advance(minutes=1)
    changed = own.patch(
        path_of(MEMBER), json={"username": "BOB", "age": 30, "email": "New@canary.example"}
    )
    cleared = own.patch(path_of(MEMBER), json={"age": None})
    same = own.patch(path_of(MEMBER), json={"age": None, "username": " BOB "})

    assert changed.json() == {
        **before, "version": 2, "updated_at": "2026-03-01T12:01:00Z", "username": "BOB",
        "age": 30, "email": "new@canary.example",
    }  # fmt: skip
    assert (cleared.json()["age"], cleared.json()["version"]) == (None, 3)
    assert same.json() == cleared.json()
    for name in ("username", "email", "name", "city", "role", "is_active", "password"):
        assert places(client.patch(path_of(MEMBER), json={name: None})) == {f"#/{name}"}
    for read_only in ("id", "version", "image_file", "image_url", "password_hash", "created_at"):
        assert places(client.patch(path_of(MEMBER), json={read_only: "x"})) == {f"#/{read_only}"}


def test_only_an_admin_changes_roles_and_who_is_active(client: Client) -> None:
    for change in ({"role": "admin"}, {"is_active": False}, {"role": "member"}):
        problem(client.as_(MEMBER).patch(path_of(MEMBER), json=change), 403, "forbidden")
    promoted = client.patch(path_of(MEMBER), json={"role": "admin"}).json()
    assert (promoted["role"], promoted["version"]) == ("admin", 2)
    assert client.as_(MEMBER).get(path_of(OTHER)).json()["email"] == OTHER.email
    assert client.as_(MEMBER).patch(path_of(ADMIN), json={"role": "member"}).status_code == 200
    # The next request knows.
    problem(client.post(USERS, json=NEW), 403, "forbidden")
    for role in ("owner", "Admin", 1, True):
        answer = client.as_(MEMBER).patch(path_of(OTHER), json={"role": role})
        assert places(answer) == {"#/role"}


def test_the_last_admin_stays(client: Client) -> None:
    for answer in (
        client.patch(path_of(ADMIN), json={"role": "member"}),
        client.patch(path_of(ADMIN), json={"is_active": False}),
        client.delete(path_of(ADMIN)),
    ):
        problem(answer, 409, "last-admin")
    assert client.get(f"{USERS}/me").json()["version"] == 1


def test_a_user_with_tasks_is_deactivated_instead_of_deleted(client: Client) -> None:
    task = add(client.as_(MEMBER), assignee_id=str(OTHER.id))
    for person in (MEMBER, OTHER):
        problem(client.delete(path_of(person)), 409, "in-use")
    answer = client.patch(path_of(MEMBER), json={"is_active": False})

    assert answer.json()["is_active"] is False
    problem(client.as_(MEMBER).get(TASKS), 401, "unauthenticated")
    assert client.as_(None).get(path_of(MEMBER)).json() == MEMBER.public
    assert client.get(f"{TASKS}/{task['id']}").json()["created_by"] == MEMBER.public
    client.delete(f"{TASKS}/{task['id']}")
    assert client.delete(path_of(MEMBER)).status_code == 204
    problem(client.get(path_of(MEMBER)), 404, "not-found")
    problem(client.as_(MEMBER).delete(path_of(OTHER)), 401, "unauthenticated")


def test_whoever_is_reactivated_has_to_sign_in_anew(client: Client) -> None:
    client.patch(path_of(MEMBER), json={"is_active": False})
    client.patch(path_of(MEMBER), json={"is_active": True})
    problem(client.as_(MEMBER).get(TASKS), 401, "unauthenticated")


def test_an_admin_sets_somebody_elses_password_but_not_their_own_this_way(client: Client) -> None:
    new = {"password": "another password"}
    problem(client.patch(path_of(ADMIN), json=new), 403, "forbidden")
    problem(client.as_(MEMBER).patch(path_of(MEMBER), json=new), 403, "forbidden")
    assert client.patch(path_of(MEMBER), json=new).json()["version"] == 2

    problem(client.as_(MEMBER).get(TASKS), 401, "unauthenticated")
    form = {"username": "bob", "password": "another password"}
    assert client.as_(None).post("/api/v1/auth/token", data=form).status_code == 200
    form = {"username": "bob", "password": PASSWORD}
    assert client.as_(None).post("/api/v1/auth/token", data=form).status_code == 401


def test_a_change_of_a_user_that_was_not_seen_is_refused(
    client: Client, strict_client: Client
) -> None:
    stale = {"If-Match": '"7-0123456789abcdef"'}
    path = path_of(MEMBER)
    for answer in (
        client.patch(path, json={"age": 1}, headers=stale),
        client.delete(path, headers=stale),
        client.delete(f"{path}/image", headers=stale),
        client.put(f"{path}/image", content=b"x", headers={**stale, "Content-Type": "image/png"}),
    ):
        problem(answer, 412, "precondition-failed")
    for answer in (strict_client.patch(path, json={}), strict_client.delete(f"{path}/image")):
        problem(answer, 428, "precondition-required")


# The tasks they have to do


def test_a_task_names_whoever_wrote_it_and_whoever_is_to_do_it(client: Client) -> None:
    task = add(client.as_(MEMBER), assignee_id=str(OTHER.id).upper())
    path = f"{TASKS}/{task['id']}"

    assert (task["assignee_id"], task["assignee"]) == (str(OTHER.id), OTHER.public)
    assert task["created_by"] == MEMBER.public
    assert client.get(path).json() == task
    assert client.post(f"{path}/complete").json()["assignee"] == OTHER.public
    listed = client.get(TASKS, params={"assignee_id": str(OTHER.id)}).json()["items"]
    assert [one["id"] for one in listed] == [task["id"]]
    assert client.get(f"{TASKS}/count", params={"assignee_id": str(ADMIN.id)}).json()["total"] == 0
    cleared = client.patch(path, json={"assignee_id": None}).json()
    assert (cleared["assignee_id"], cleared["assignee"]) == (None, None)
    assert cleared["created_by"] == MEMBER.public


@pytest.mark.parametrize(
    "id", ["0f5f4043-ee04-4987-a6ee-632b8f74dcbd", "bob", "", 5, UNKNOWN[-36:]]
)
def test_a_task_is_for_somebody_there_is(client: Client, id: Any) -> None:
    assert places(client.post(TASKS, json={"title": "x", "assignee_id": id})) == {"#/assignee_id"}
    path = f"{TASKS}/{add(client)['id']}"
    assert places(client.patch(path, json={"assignee_id": id})) == {"#/assignee_id"}


def test_a_new_name_shows_wherever_its_user_is_named(client: Client) -> None:
    path = f"{TASKS}/{add(client.as_(MEMBER))['id']}"
    before = client.get(path)
    client.as_(MEMBER).patch(path_of(MEMBER), json={"name": "Robert"})
    after = client.get(path, headers={"If-None-Match": before.headers["etag"]})

    assert after.status_code == 200
    assert after.json()["created_by"]["name"] == "Robert"
    assert after.json()["version"] == 1
    # And it refuses no change of the task, which has not changed.
    tag = {"If-Match": before.headers["etag"]}
    assert client.patch(path, json={"priority": 1}, headers=tag).status_code == 200


def test_whoever_changes_something_is_named_as_they_are_called_by_then(client: Client) -> None:
    own = client.as_(MEMBER)
    task, post = add(own), own.post("/api/v1/posts", json={"title": "News", "content": "x"}).json()
    assert own.get(TASKS).status_code == 200  # Who they are is remembered for a moment.
    client.patch(path_of(MEMBER), json={"name": "Robert"})

    renamed = {**MEMBER.public, "name": "Robert"}
    assert add(own)["created_by"] == renamed
    edited = own.patch(f"{TASKS}/{task['id']}", json={"assignee_id": str(MEMBER.id)}).json()
    assert (edited["created_by"], edited["assignee"]) == (renamed, renamed)
    assert own.post(f"/api/v1/posts/{post['id']}/publish").json()["author"] == renamed
    assert client.post(f"{TASKS}/{task['id']}/complete").json()["created_by"] == renamed


# Pictures


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_shown_at_an_address_of_its_own_for_good(client: Client, format: str) -> None:
    own, path = client.as_(MEMBER), path_of(MEMBER)
    sent = picture(format)
    # What it is shows in the content, whatever the header says.
    answer = put_picture(own, path, sent, "image/webp")

    assert answer.status_code == 200, answer.text
    user = answer.json()
    assert (user["version"], user["image_url"]) == (2, f"/media/{user['image_file']}")
    assert answer.headers["etag"] == own.get(path).headers["etag"]
    shown = client.as_(None).get(user["image_url"])
    assert shown.headers["content-type"] == f"image/{format.lower()}"
    assert "immutable" in shown.headers["cache-control"]
    assert "max-age=31536000" in shown.headers["cache-control"]
    assert shown.headers["cross-origin-resource-policy"] == "cross-origin"
    assert b"canary-in-the-picture" in sent
    assert b"canary-in-the-picture" not in shown.content
    seen = Image.open(io.BytesIO(shown.content))
    assert (seen.format, seen.size) == (format, (40, 30))
    assert client.as_(None).get(path).json()["image_url"] == user["image_url"]


def test_another_picture_has_another_address_and_the_old_one_is_gone(client: Client) -> None:
    own, path = client.as_(MEMBER), path_of(MEMBER)
    first = put_picture(own, path, picture()).json()["image_url"]
    second = put_picture(own, path, picture()).json()["image_url"]

    assert first != second
    assert client.get(first).status_code == 404
    assert client.get(second).status_code == 200
    assert own.delete(f"{path}/image").status_code == 204
    assert client.get(second).status_code == 404
    user = own.get(path).json()
    assert (user["image_file"], user["image_url"]) == (None, "/media/default.png")
    assert own.delete(f"{path}/image").status_code == 204
    assert own.get(path).json() == user


def test_everybody_has_the_default_picture_to_begin_with(client: Client) -> None:
    shown = client.as_(None).get(client.as_(None).get(path_of(MEMBER)).json()["image_url"])
    assert shown.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(shown.content)).size == (256, 256)


def test_a_picture_is_changed_by_its_owner_or_an_admin(client: Client) -> None:
    path = path_of(MEMBER)
    for content in (picture(), b"no picture"):
        problem(put_picture(client.as_(OTHER), path, content), 403, "forbidden")
        problem(put_picture(client.as_(OTHER), NOBODY, content), 403, "forbidden")
        problem(put_picture(client.as_(None), path, content), 401, "unauthenticated")
        problem(put_picture(client, NOBODY, content), 404, "not-found")
    problem(client.as_(OTHER).delete(f"{path}/image"), 403, "forbidden")
    assert put_picture(client, path, picture()).status_code == 200


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize("content", [b"", b"x", SVG, picture()[:300], picture(size=(4097, 1))])
def test_what_is_no_picture_is_refused_and_leaves_the_old_one(
    client: Client, content: bytes
) -> None:
    own, path = client.as_(MEMBER), path_of(MEMBER)
    before = put_picture(own, path, picture()).json()
    assert places(put_picture(own, path, content)) == {"#"}
    assert own.get(path).json() == before
    assert client.get(before["image_url"]).status_code == 200


def test_a_picture_may_be_two_mebibytes_and_no_more(client: Client) -> None:
    own, path = client.as_(MEMBER), path_of(MEMBER)
    # A valid picture may be padded behind its end.
    content = picture().ljust(2 * 1024 * 1024, b"\0")
    assert put_picture(own, path, content).status_code == 200
    problem(put_picture(own, path, content + b"\0"), 413, "too-large")

    def chunks() -> Any:
        for _ in range(64):
            yield bytes(65_536)

    answer = own.put(f"{path}/image", content=chunks(), headers={"Content-Type": "image/png"})
    problem(answer, 413, "too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "image/svg+xml"}, {"Content-Type": "image/gif"},
        {"Content-Type": "application/json"}, {"Content-Type": "multipart/form-data"},
        {"Content-Type": "image/png", "Content-Encoding": "gzip"}, {},
    ],
)  # fmt: skip
def test_a_picture_that_calls_itself_something_else_is_unsupported(
    client: Client, headers: dict[str, str]
) -> None:
    answer = client.put(f"{path_of(MEMBER)}/image", content=picture(), headers=headers)
    problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("name", ["x.png", "..%2f..%2fetc%2fpasswd", f"{'0' * 32}.png", "a/b"])
def test_a_picture_that_there_is_not_is_not_found(client: Client, name: str) -> None:
    problem(client.as_(None).get(f"/media/{name}"), 404, "not-found")


# Views and canaries


def test_the_three_views_are_three_schemas_and_only_one_has_the_address(client: Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]

    assert set(schemas["PublicUser"]["properties"]) == {"id", "username", "name", "image_url"}
    assert set(schemas["MemberUser"]["properties"]) == MEMBER_VIEW
    assert "password" not in schemas["UserView"]["properties"]
    told = {name for name, schema in schemas.items() if "email" in schema.get("properties", {})}
    assert told == {"UserView", "NewUser", "UserPatch", "FirstAdmin"}
    for name, schema in schemas.items():
        for member in schema.get("properties", {}):
            secret = member in ("password", "password_hash", "digest", "token", "access_token")
            assert not secret or name in {
                "NewUser", "UserPatch", "FirstAdmin", "SignIn", "SignedIn", "IssuedToken",
            }, (name, member)  # fmt: skip


def test_nobody_is_told_somebody_elses_address_by_any_read(client: Client) -> None:
    add(client, assignee_id=str(OTHER.id))
    add(client.as_(OTHER), assignee_id=str(MEMBER.id))
    put_picture(client, path_of(OTHER), picture())
    client.as_(OTHER).post("/api/v1/products", json={"name": "x", "price": 1, "stock": 1})
    document = client.get("/openapi.json").json()
    reads = [path for path, methods in document["paths"].items() if "get" in methods]
    assert len(reads) >= 10
    for person in PEOPLE:
        new = {"title": "x", "content": "y"}
        path = client.as_(person).post("/api/v1/posts", json=new).headers["location"]
        client.post(f"{path}/publish")
    ids = [str(person.id) for person in PEOPLE] + [
        thing["id"]
        for path in (TASKS, "/api/v1/posts", "/api/v1/products")
        for thing in client.get(path).json()["items"]
    ]
    told: dict[str, str] = {"nobody": "", "member": "", "admin": ""}
    for onlooker, name in ((None, "nobody"), (MEMBER, "member"), (ADMIN, "admin")):
        for path in reads:
            for id in ids if "{" in path else [""]:
                answer = client.as_(onlooker).get(re.sub(r"{\w+}", id, path))
                told[name] += answer.text + json.dumps(dict(answer.headers))

    assert "canary" not in told["nobody"]
    assert MEMBER.email in told["member"]
    assert "canary" not in told["member"].replace(MEMBER.email, "")
    assert all(person.email in told["admin"] for person in PEOPLE)
    for text in told.values():
        assert "argon2" not in text
        assert "atl_" not in text


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = [name for name in globals() if name.startswith("test_")]
