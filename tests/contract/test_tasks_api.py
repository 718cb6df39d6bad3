"""The API of tasks: representation, merge patch, commands."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from support.api import MERGE_PATCH, TASKS, UNKNOWN_TASK, create_task, error_locations, problem
from support.backends import Clock
from support.clients import Client
from support.people import ADMIN

# Representations


def test_a_new_task_is_answered_with_all_there_is_to_know(client: Client) -> None:
    answer = client.post(TASKS, json={"title": "Oil the lathe", "due_on": "2026-02-28"})

    assert answer.status_code == 201
    task = answer.json()
    assert UUID(task["id"]).version == 7
    assert task == {
        "id": task["id"].lower(),
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "title": "Oil the lathe",
        "description": None,
        "priority": 0,
        "due_on": "2026-02-28",
        "assignee_id": None,
        "assignee": None,
        "created_by": ADMIN.public,
        "completed": False,
        "completed_at": None,
        "product_id": None,
        "overdue": True,
    }
    assert answer.headers["location"] == f"{TASKS}/{task['id']}"
    read = client.get(answer.headers["location"])
    assert read.json() == task
    assert read.headers["etag"] == answer.headers["etag"]
    assert re.fullmatch(r'"1-[0-9a-f]+"', read.headers["etag"])


def test_text_is_trimmed_and_normalised_before_it_is_measured(client: Client) -> None:
    decomposed = "e\u0301" * 100
    task = create_task(client, f"  {decomposed}\n", description=" \t ")

    assert task["title"] == "\u00e9" * 100
    assert task["description"] == ""


def test_every_answer_carries_a_request_id_and_takes_over_a_safe_one(client: Client) -> None:
    given = client.get(TASKS, headers={"X-Request-ID": "job-17.a_B"})
    forged = client.get(TASKS, headers={"X-Request-ID": 'x" status=200'})
    long = client.get("/nowhere", headers={"X-Request-ID": "x" * 65})

    assert given.headers["x-request-id"] == "job-17.a_B"
    assert re.fullmatch(r"[0-9a-f]{32}", forged.headers["x-request-id"])
    assert re.fullmatch(r"[0-9a-f]{32}", long.headers["x-request-id"])


# Merge patch


def test_a_patch_sets_what_it_names_keeps_the_rest_and_clears_by_null(
    client: Client, clock: Clock
) -> None:
    task = create_task(client, description="soon", priority=4, due_on="2026-04-01")
    clock.advance(minutes=5)
    answer = client.patch(f"{TASKS}/{task['id']}", json={"due_on": None, "priority": 5})

    assert answer.status_code == 200
    assert answer.json() == {
        **task,
        "version": 2,
        "updated_at": "2026-03-01T12:05:00Z",
        "due_on": None,
        "priority": 5,
    }


@pytest.mark.parametrize(
    "media_type", ["application/json", MERGE_PATCH, "Application/JSON; x=y; charset=UTF-8"]
)
def test_a_patch_may_call_itself_json_or_merge_patch(client: Client, media_type: str) -> None:
    task = create_task(client)
    answer = client.patch(
        f"{TASKS}/{task['id']}", content=b'{"title":"New"}', headers={"Content-Type": media_type}
    )
    assert answer.json()["title"] == "New"


@pytest.mark.parametrize("patch", [{}, {"title": " Sharpen the chisels "}, {"description": None}])
def test_a_patch_that_changes_nothing_leaves_the_version_alone(
    client: Client, clock: Clock, patch: dict[str, Any]
) -> None:
    task = create_task(client)
    clock.advance(hours=1)
    answer = client.patch(f"{TASKS}/{task['id']}", json=patch)

    assert answer.status_code == 200
    assert answer.json() == task


def test_null_is_refused_where_there_must_be_a_value(client: Client) -> None:
    task = create_task(client)
    answer = client.patch(f"{TASKS}/{task['id']}", json={"title": None, "priority": None})
    assert error_locations(answer) == {"#/title", "#/priority"}


def test_a_whole_number_may_be_written_with_a_fraction_of_zero(client: Client) -> None:
    task = create_task(client, priority=2.0)
    assert json.dumps(task["priority"]) == "2"


# Commands


def test_completing_twice_is_completing_once(client: Client, clock: Clock) -> None:
    task = create_task(client)
    clock.advance(minutes=1)
    first = client.post(f"{TASKS}/{task['id']}/complete")
    clock.advance(minutes=1)
    second = client.post(f"{TASKS}/{task['id']}/complete")

    assert first.status_code == second.status_code == 200
    assert first.json()["completed_at"] == "2026-03-01T12:01:00Z"
    assert (first.json()["version"], first.json()["completed"]) == (2, True)
    assert second.json() == first.json()
    assert second.headers["etag"] == first.headers["etag"]


def test_a_reopened_task_has_to_be_done_again(client: Client) -> None:
    task = create_task(client)
    client.post(f"{TASKS}/{task['id']}/complete")
    answer = client.post(f"{TASKS}/{task['id']}/reopen")
    again = client.post(f"{TASKS}/{task['id']}/reopen")

    assert (answer.json()["completed"], answer.json()["completed_at"]) == (False, None)
    assert answer.json()["version"] == again.json()["version"] == 3


def test_a_deleted_task_is_gone(client: Client) -> None:
    task = create_task(client)
    deleted = client.delete(f"{TASKS}/{task['id']}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    problem(client.get(f"{TASKS}/{task['id']}"), 404, "not-found")
    problem(client.delete(f"{TASKS}/{task['id']}"), 404, "not-found")


def test_a_command_takes_an_empty_object_and_judges_any_other_body(client: Client) -> None:
    task = create_task(client)
    path, json_ = f"{TASKS}/{task['id']}", {"Content-Type": "application/json"}

    for method, address in (("POST", f"{path}/complete"), ("DELETE", path)):
        big = client.request(method, address, content=b" " * (1024 * 1024 + 1), headers=json_)
        problem(big, 413, "too-large")
        other = client.request(method, address, content=b"x", headers={"Content-Type": "text/x"})
        problem(other, 415, "unsupported-media-type")
        problem(client.request(method, address, content=b"x", headers=json_), 400, "malformed-json")
        assert error_locations(client.request(method, address, json={"at": "now"})) == {"#/at"}
    problem(client.request("DELETE", UNKNOWN_TASK, json={"x": 1}), 404, "not-found")
    assert client.get(path).json() == task
    assert client.post(f"{path}/complete", json={}).json()["completed"] is True


# Bodies


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, {"#/title"}),
        ({"title": ""}, {"#/title"}),
        ({"title": " \n\t "}, {"#/title"}),
        ({"title": "x" * 101}, {"#/title"}),
        ({"title": 1}, {"#/title"}),
        ({"title": None}, {"#/title"}),
        ({"title": ["x"]}, {"#/title"}),
        ({"title": "x", "description": "y" * 501}, {"#/description"}),
        ({"title": "x", "priority": 10}, {"#/priority"}),
        ({"title": "x", "priority": -1}, {"#/priority"}),
        ({"title": "x", "priority": "1"}, {"#/priority"}),
        ({"title": "x", "priority": True}, {"#/priority"}),
        ({"title": "x", "priority": 1.5}, {"#/priority"}),
        ({"title": "x", "priority": 1e300}, {"#/priority"}),
        ({"title": "x", "priority": 1e-300}, {"#/priority"}),
        ({"title": "x", "priority": None}, {"#/priority"}),
        ({"title": "x", "priority": 10**30}, {"#/priority"}),
        ({"title": "x", "due_on": 0}, {"#/due_on"}),
        ({"title": "x", "due_on": "2026-02-30"}, {"#/due_on"}),
        ({"title": "x", "due_on": "2026-03-01T00:00:00"}, {"#/due_on"}),
        ({"title": "x", "due_on": ""}, {"#/due_on"}),
        ({"title": "x", "colour": "red"}, {"#/colour"}),
        ({"title": "x", "a/b": 1, "é~": 2, "": 3}, {"#/a~1b", "#/%C3%A9~0", "#/"}),
        ({"title": "\u0301\u0323" * 80_000}, {"#/title"}),
        ({"title": "x", "completed": True}, {"#/completed"}),
        ({"title": "x", "id": str(uuid4()), "version": 1}, {"#/id", "#/version"}),
        ({"title": "", "priority": 99}, {"#/title", "#/priority"}),
        ([], {"#"}),
        ("x", {"#"}),
        (None, {"#"}),
    ],
)  # fmt: skip
def test_an_unacceptable_member_is_pointed_at(client: Client, body: Any, where: set[str]) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post(TASKS, content=json.dumps(body).encode(), headers=headers)
    assert error_locations(answer) == where
    assert client.get(TASKS).json()["items"] == []


def test_a_member_that_a_command_sets_names_the_command(client: Client) -> None:
    task = create_task(client)
    product = client.post("/api/v1/products", json={"name": "Glue", "price": "1"}).json()
    post = client.post("/api/v1/posts", json={"title": "New", "content": "x"}).json()
    for path, patch, commands in (
        (f"{TASKS}/{task['id']}", {"completed": True}, ("/complete", "/reopen")),
        (f"/api/v1/products/{product['id']}", {"archived": True}, ("/archive", "/restore")),
        (f"/api/v1/posts/{post['id']}", {"published": True}, ("/publish", "/unpublish")),
    ):
        detail = problem(client.patch(path, json=patch), 422, "invalid")["detail"]
        assert all(command in detail for command in commands)
    answer = client.patch(f"{TASKS}/{task['id']}", json={"version": 7, "colour": "red"})
    told = {each["pointer"]: each["detail"] for each in problem(answer, 422, "invalid")["errors"]}
    assert told == {
        "#/version": "This is read-only.",
        "#/colour": "There is no such member here.",
    }
