"""The API of users: what each reader sees, and where users are named."""

import json
import re
from typing import Any

import pytest

from support.api import (
    NEW_USER,
    TASKS,
    UNKNOWN_TASK,
    USERS,
    create_task,
    error_locations,
    image,
    problem,
    put_image,
    user_path,
)
from support.clients import Client
from support.people import ADMIN, MEMBER, OTHER, PEOPLE

MEMBER_VIEW = {"id", "username", "name", "image_url", "city", "is_active", "created_at"}


# Views


def test_each_onlooker_has_a_view_of_their_own(client: Client) -> None:
    bob = user_path(MEMBER)
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


def test_search_by_email_address_finds_no_user(client: Client) -> None:
    for asked in ({"q": "canary"}, {"name": "canary"}, {"q": "@"}):
        assert client.as_(MEMBER).get(USERS, params=asked).json()["items"] == []
        assert client.get(USERS, params=asked).json()["items"] == []


def test_users_are_found_by_name_and_city_in_any_case(client: Client) -> None:
    client.post(USERS, json={**NEW_USER, "name": "Zoë Öl", "city": "Köln_1"})

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


# References in tasks


def test_task_shows_its_author_and_its_assignee(client: Client) -> None:
    task = create_task(client.as_(MEMBER), assignee_id=str(OTHER.id).upper())
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
    "id", ["0f5f4043-ee04-4987-a6ee-632b8f74dcbd", "bob", "", 5, UNKNOWN_TASK[-36:]]
)
def test_assignee_of_a_task_must_exist(client: Client, id: Any) -> None:
    assert error_locations(client.post(TASKS, json={"title": "x", "assignee_id": id})) == {
        "#/assignee_id"
    }
    path = f"{TASKS}/{create_task(client)['id']}"
    assert error_locations(client.patch(path, json={"assignee_id": id})) == {"#/assignee_id"}


def test_a_new_name_shows_wherever_its_user_is_named(client: Client) -> None:
    path = f"{TASKS}/{create_task(client.as_(MEMBER))['id']}"
    before = client.get(path)
    client.as_(MEMBER).patch(user_path(MEMBER), json={"name": "Robert"})
    after = client.get(path, headers={"If-None-Match": before.headers["etag"]})

    assert after.status_code == 200
    assert after.json()["created_by"]["name"] == "Robert"
    assert after.json()["version"] == 1
    # And it refuses no change of the task, which has not changed.
    tag = {"If-Match": before.headers["etag"]}
    assert client.patch(path, json={"priority": 1}, headers=tag).status_code == 200


def test_changes_show_the_current_name_of_their_author(client: Client) -> None:
    own = client.as_(MEMBER)
    task, post = (
        create_task(own),
        own.post("/api/v1/posts", json={"title": "News", "content": "x"}).json(),
    )
    assert own.get(TASKS).status_code == 200  # Who they are is remembered for a moment.
    client.patch(user_path(MEMBER), json={"name": "Robert"})

    renamed = {**MEMBER.public, "name": "Robert"}
    assert create_task(own)["created_by"] == renamed
    edited = own.patch(f"{TASKS}/{task['id']}", json={"assignee_id": str(MEMBER.id)}).json()
    assert (edited["created_by"], edited["assignee"]) == (renamed, renamed)
    assert own.post(f"/api/v1/posts/{post['id']}/publish").json()["author"] == renamed
    assert client.post(f"{TASKS}/{task['id']}/complete").json()["created_by"] == renamed


# Email addresses


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


def test_no_read_shows_the_email_address_of_another_user(client: Client) -> None:
    create_task(client, assignee_id=str(OTHER.id))
    create_task(client.as_(OTHER), assignee_id=str(MEMBER.id))
    put_image(client, user_path(OTHER), image())
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
