"""Access rules: which role may call each operation, stated independently of the code."""

import io
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from PIL import Image

from support.api import (
    DEVICES,
    TASKS,
    USERS,
    create_device,
    create_post,
    create_task,
    issue_key,
    user_path,
)
from support.clients import Answer, Client
from support.people import ADMIN, EXPIRED, MEMBER, OTHER, PASSWORD, READ_ONLY, Person

NEVER = "01900000-0000-7000-8000-00000000ffff"
# What is expected is told anew here, and not taken from the service: who may use each operation,
# and what it answers to those who may.
EVERYBODY, MEMBERS, THEMSELVES, ADMINS = "everybody", "members", "themselves", "admins"
AUTHORS = "authors"
THE_DEVICE = "the device"
EXPECTED: dict[str, tuple[str, int]] = {
    "live": (EVERYBODY, 200),
    "ready": (EVERYBODY, 200),
    "sign_in": (EVERYBODY, 200),
    "set_up": (EVERYBODY, 404),  # it is set up
    "read_user": (EVERYBODY, 200),
    "sign_out": (MEMBERS, 204),
    "list_tokens": (MEMBERS, 200),
    "create_token": (MEMBERS, 201),
    "read_token": (MEMBERS, 200),
    "delete_token": (MEMBERS, 204),
    "list_users": (MEMBERS, 200),
    "read_me": (MEMBERS, 200),
    "change_password": (MEMBERS, 204),
    "create_task": (MEMBERS, 201),
    "list_tasks": (MEMBERS, 200),
    "count_tasks": (MEMBERS, 200),
    "read_task": (MEMBERS, 200),
    "edit_task": (MEMBERS, 200),
    "delete_task": (MEMBERS, 204),
    "complete_task": (MEMBERS, 200),
    "reopen_task": (MEMBERS, 200),
    "create_category": (MEMBERS, 201),
    "list_categories": (MEMBERS, 200),
    "read_category": (MEMBERS, 200),
    "edit_category": (MEMBERS, 200),
    "delete_category": (MEMBERS, 204),
    "create_product": (MEMBERS, 201),
    "list_products": (MEMBERS, 200),
    "read_product": (MEMBERS, 200),
    "edit_product": (MEMBERS, 200),
    "delete_product": (MEMBERS, 204),
    "archive_product": (MEMBERS, 200),
    "restore_product": (MEMBERS, 200),
    "create_movement": (MEMBERS, 201),
    "list_movements": (MEMBERS, 200),
    "create_device": (MEMBERS, 201),
    "list_devices": (MEMBERS, 200),
    "read_device": (MEMBERS, 200),
    "edit_device": (MEMBERS, 200),
    "delete_device": (MEMBERS, 204),
    "create_device_key": (MEMBERS, 201),
    "send_heartbeat": (THE_DEVICE, 204),
    "edit_user": (THEMSELVES, 200),
    "put_image": (THEMSELVES, 200),
    "delete_image": (THEMSELVES, 204),
    "list_posts": (EVERYBODY, 200),
    "list_posts_of_user": (EVERYBODY, 200),
    "read_post": (EVERYBODY, 200),
    "create_post": (MEMBERS, 201),
    "edit_post": (AUTHORS, 200),
    "delete_post": (AUTHORS, 204),
    "publish_post": (AUTHORS, 200),
    "unpublish_post": (AUTHORS, 200),
    "create_user": (ADMINS, 201),
    "delete_user": (ADMINS, 204),
}
IN_SESSION = {"create_token", "delete_token", "change_password"}
"""What a personal token may not do: it must neither outlive its end nor take over an account."""
# Somebody else's token is not there for anybody; and the last admin may not delete themselves.
EXCEPTIONS = {
    ("read_token", "foreign"): 404,
    ("delete_token", "foreign"): 404,
    ("delete_user", "own"): 409,
}
_numbers = count()


def _new_user() -> dict[str, str]:
    name = f"user{next(_numbers)}"
    return {"username": name, "email": f"{name}@example.org", "name": name, "password": PASSWORD}


def _picture() -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (4, 4)).save(kept, "PNG")
    return kept.getvalue()


REQUESTS: dict[str, Callable[[], dict[str, Any]]] = {
    "sign_in": lambda: {"data": {"username": "cleo", "password": PASSWORD}},
    "set_up": lambda: {"json": {**_new_user(), "secret": "atl_x"}},
    "create_token": lambda: {"json": {"name": "x", "scope": "read"}},
    "change_password": lambda: {"json": {"current": PASSWORD, "new": "another password"}},
    "create_post": lambda: {"json": {"title": "x", "content": "y"}},
    "edit_post": lambda: {"json": {"title": f"x {next(_numbers)}"}},
    "create_task": lambda: {"json": {"title": "x"}},
    "edit_task": lambda: {"json": {"priority": next(_numbers) % 10}},
    "create_category": lambda: {"json": {"name": f"x {next(_numbers)}"}},
    "edit_category": lambda: {"json": {"name": f"x {next(_numbers)}"}},
    "create_product": lambda: {"json": {"name": "x", "price": "1.00"}},
    "edit_product": lambda: {"json": {"reorder_level": next(_numbers)}},
    "create_movement": lambda: {"json": {"quantity": 1, "reason": "received"}},
    "create_device": lambda: {"json": {"name": "x"}},
    "edit_device": lambda: {"json": {"location": f"Room {next(_numbers)}"}},
    "send_heartbeat": lambda: {"json": {"agent_version": "1"}},
    "create_user": lambda: {"json": _new_user()},
    "edit_user": lambda: {"json": {"city": f"City {next(_numbers)}"}},
    "put_image": lambda: {"content": _picture(), "headers": {"Content-Type": "image/png"}},
}


def operations(client: Client) -> dict[str, tuple[str, str]]:
    """Return the method and the path of each operation in the OpenAPI document."""
    document = client.get("/openapi.json").json()
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def objects(client: Client, path: str, caller: Person) -> Iterator[tuple[str, str]]:
    """Yield the relation of an object to the caller, and its path."""
    if "{" not in path:
        yield "none", path
        return
    other = OTHER if caller is not OTHER else MEMBER
    if "{task_id}" in path:
        ids = [create_task(client.as_(person))["id"] for person in (caller, other)]
    elif "{post_id}" in path:
        ids = [create_post(client, person, publish=True)[-36:] for person in (caller, other)]
    elif "{category_id}" in path or "{product_id}" in path:
        places = path[: path.index("/{")]
        new = {"name": f"y {next(_numbers)}"} | ({"price": 1} if "product" in path else {})
        made = client.as_(caller).post(places, json=new).json()
        new["name"] = f"y {next(_numbers)}"
        ids = [made["id"], client.as_(other).post(places, json=new).json()["id"]]
    elif "{device_id}" in path:
        ids = [create_device(client.as_(person))["id"] for person in (caller, other)]
    elif "{token_id}" in path:
        new = {"name": "x", "scope": "read"}
        asked = [client.as_(p).post("/api/v1/tokens", json=new) for p in (caller, other)]
        ids = [answer.json()["id"] for answer in asked]
    else:
        # Somebody of whom nothing else is expected, as they may be deleted.
        ids = [str(caller.id), client.post(USERS, json=_new_user()).json()["id"]]
    for kind, id in zip(("own", "foreign", "missing"), [*ids, NEVER], strict=True):
        yield kind, path[: path.index("{")] + id + path[path.index("}") + 1 :]


def expected(operation: str, method: str, token: str | None, caller: Person, kind: str) -> int:
    who, success = EXPECTED[operation]
    if who is THE_DEVICE:
        return 401
    if who is not EVERYBODY:
        if token is None or token not in (caller.token, caller.personal, READ_ONLY):
            return 401
        if token == READ_ONLY and method != "GET":
            return 403
        if token == caller.personal and operation in IN_SESSION:
            return 403
        if who is ADMINS and caller is not ADMIN:
            return 403
        if who is THEMSELVES and caller is not ADMIN and kind != "own":
            return 403
        if who is AUTHORS and caller is not ADMIN and kind == "foreign":
            return 403
    if kind == "missing":
        return 404
    return EXCEPTIONS.get((operation, kind), success)


def test_every_operation_of_the_document_is_expected_here(client: Client) -> None:
    assert set(operations(client)) == set(EXPECTED)


@pytest.mark.request_only
@pytest.mark.parametrize("operation", sorted(EXPECTED))
def test_an_operation_is_for_those_it_is_meant_for(client: Client, operation: str) -> None:
    method, path = operations(client)[operation]
    revoked = client.as_(MEMBER).post("/api/v1/tokens", json={"name": "x", "scope": "write"}).json()
    assert client.as_(revoked["token"]).get(TASKS).status_code == 200
    client.as_(MEMBER).delete(f"/api/v1/tokens/{revoked['id']}")
    callers: list[tuple[str | None, Person]] = [
        (None, MEMBER),
        (EXPIRED, MEMBER),
        (revoked["token"], MEMBER),
        (READ_ONLY, MEMBER),
        (MEMBER.personal, MEMBER),
        (ADMIN.personal, ADMIN),
        (MEMBER.token, MEMBER),
        (OTHER.token, OTHER),
        (ADMIN.token, ADMIN),
    ]
    judged = 0
    for token, caller in callers:
        for kind, place in list(objects(client, path, caller)):
            options = REQUESTS.get(operation, dict)()
            answer: Answer = client.as_(token).request(method, place, **options)
            wanted = expected(operation, method, token, caller, kind)
            assert answer.status_code == wanted, (token, kind, answer.text)
            if wanted in (401, 403):
                judged += 1
                assert set(answer.json()) == {
                    *("type", "title", "status", "detail", "code", "instance"),
                }
    assert judged > 0 or EXPECTED[operation][0] is EVERYBODY


def test_a_device_key_opens_the_heartbeat_of_its_device_and_nothing_else(client: Client) -> None:
    device = create_device(client)
    bearer = client.as_(issue_key(client, device))
    for operation, (method, path) in operations(client).items():
        for kind, place in list(objects(client, path, MEMBER)):
            options = REQUESTS.get(operation, dict)()
            answer = bearer.request(method, place, **options)
            who, success = EXPECTED[operation]
            wanted = (404 if kind == "missing" else success) if who is EVERYBODY else 401
            assert answer.status_code == wanted, (operation, kind, answer.text)
    assert bearer.post(f"{DEVICES}/{device['id']}/heartbeat").status_code == 204


def test_openapi_document_declares_which_operations_need_a_token(client: Client) -> None:
    document = client.get("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert schemes["password"]["flows"]["password"]["tokenUrl"] == "/api/v1/auth/token"
    for name in ("token", "device_key"):
        assert (schemes[name]["type"], schemes[name]["scheme"]) == ("http", "bearer")
    for methods in document["paths"].values():
        for operation in methods.values():
            who = EXPECTED[operation["operationId"]][0]
            needed = operation.get("security", [{}])
            if who is THE_DEVICE:
                assert needed == [{"device_key": []}]
                assert {"401", "410"} <= set(operation["responses"])
                continue
            for_all = who is EVERYBODY
            # An empty list means that no token is needed.
            assert ({} in needed or needed == []) == for_all
            assert {"token": []} in needed or for_all
            told = set(operation["responses"])
            assert for_all or {"401", "403"} <= told


TAKES_OVER: list[dict[str, Any]] = [
    {"email": "new@example.org"},
    {"role": "admin"},
    {"is_active": False},
    {"password": "another password"},
    {"city": "x", "email": "new@example.org"},
]


@pytest.mark.parametrize("changes", TAKES_OVER)
def test_personal_token_cannot_change_access_of_users(
    client: Client, changes: dict[str, Any]
) -> None:
    program = client.as_(ADMIN.personal)
    for path in (user_path(MEMBER), user_path(ADMIN), f"{USERS}/{NEVER}"):
        before = client.get(path)
        assert program.patch(path, json=changes).status_code == 403
        assert client.get(path).text == before.text or path.endswith(NEVER)
    assert client.patch(user_path(MEMBER), json=changes).status_code == 200


def test_personal_token_edits_a_profile_and_creates_users(client: Client) -> None:
    program = client.as_(ADMIN.personal)
    assert program.patch(user_path(MEMBER), json={"city": "Ghent"}).json()["city"] == "Ghent"
    assert program.post(USERS, json=_new_user()).status_code == 201


def test_member_gets_the_same_refusal_for_existing_and_missing_users(client: Client) -> None:
    told = [
        client.as_(MEMBER).patch(path, json={"city": "x"}).json()
        for path in (user_path(OTHER), f"{USERS}/{NEVER}")
    ]
    assert told[0]["detail"] == told[1]["detail"]
