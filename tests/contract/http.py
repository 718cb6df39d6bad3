"""What a REST client is promised, whichever database is underneath."""

import json
import re
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from support.backends import Clock
from support.clients import Answer, Client
from support.people import ADMIN, MEMBER

TASKS = "/api/v1/tasks"
UNKNOWN = f"{TASKS}/01900000-0000-7000-8000-000000000000"
MERGE_PATCH = "application/merge-patch+json"


def add(client: Client, title: str = "Sharpen the chisels", **members: Any) -> dict[str, Any]:
    answer = client.post(TASKS, json={"title": title, **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Assert that the answer is a problem in full, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["type"] == f"/problems/{code}"
    assert (told["status"], told["code"]) == (status, code)
    assert told["title"]
    assert told["detail"]
    assert told["instance"] == answer.headers["x-request-id"]
    return told


def places(answer: Answer) -> set[str]:
    """Return where a 422 finds fault."""
    errors = problem(answer, 422, "invalid")["errors"]
    assert all(error["detail"] for error in errors)
    return {error.get("pointer") or error["parameter"] for error in errors}


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
    task = add(client, f"  {decomposed}\n", description=" \t ")

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
    task = add(client, description="soon", priority=4, due_on="2026-04-01")
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
    task = add(client)
    answer = client.patch(
        f"{TASKS}/{task['id']}", content=b'{"title":"New"}', headers={"Content-Type": media_type}
    )
    assert answer.json()["title"] == "New"


@pytest.mark.parametrize("patch", [{}, {"title": " Sharpen the chisels "}, {"description": None}])
def test_a_patch_that_changes_nothing_leaves_the_version_alone(
    client: Client, clock: Clock, patch: dict[str, Any]
) -> None:
    task = add(client)
    clock.advance(hours=1)
    answer = client.patch(f"{TASKS}/{task['id']}", json=patch)

    assert answer.status_code == 200
    assert answer.json() == task


def test_null_is_refused_where_there_must_be_a_value(client: Client) -> None:
    task = add(client)
    answer = client.patch(f"{TASKS}/{task['id']}", json={"title": None, "priority": None})
    assert places(answer) == {"#/title", "#/priority"}


def test_a_whole_number_may_be_written_with_a_fraction_of_zero(client: Client) -> None:
    task = add(client, priority=2.0)
    assert json.dumps(task["priority"]) == "2"


# Commands


def test_completing_twice_is_completing_once(client: Client, clock: Clock) -> None:
    task = add(client)
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
    task = add(client)
    client.post(f"{TASKS}/{task['id']}/complete")
    answer = client.post(f"{TASKS}/{task['id']}/reopen")
    again = client.post(f"{TASKS}/{task['id']}/reopen")

    assert (answer.json()["completed"], answer.json()["completed_at"]) == (False, None)
    assert answer.json()["version"] == again.json()["version"] == 3


def test_a_deleted_task_is_gone(client: Client) -> None:
    task = add(client)
    deleted = client.delete(f"{TASKS}/{task['id']}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    problem(client.get(f"{TASKS}/{task['id']}"), 404, "not-found")
    problem(client.delete(f"{TASKS}/{task['id']}"), 404, "not-found")


def test_a_command_takes_an_empty_object_and_judges_any_other_body(client: Client) -> None:
    task = add(client)
    path, json_ = f"{TASKS}/{task['id']}", {"Content-Type": "application/json"}

    for method, address in (("POST", f"{path}/complete"), ("DELETE", path)):
        big = client.request(method, address, content=b" " * (1024 * 1024 + 1), headers=json_)
        problem(big, 413, "too-large")
        other = client.request(method, address, content=b"x", headers={"Content-Type": "text/x"})
        problem(other, 415, "unsupported-media-type")
        problem(client.request(method, address, content=b"x", headers=json_), 400, "malformed-json")
        assert places(client.request(method, address, json={"at": "now"})) == {"#/at"}
    problem(client.request("DELETE", UNKNOWN, json={"x": 1}), 404, "not-found")
    assert client.get(path).json() == task
    assert client.post(f"{path}/complete", json={}).json()["completed"] is True


# Conditional requests


def test_a_known_tag_is_answered_with_304(client: Client) -> None:
    path = f"{TASKS}/{add(client)['id']}"
    tag = client.get(path).headers["etag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b""), known
        assert answer.headers["etag"] == tag
    for lines in ([tag, '"other"'], ['"other"', tag]):
        headers = [("If-None-Match", line) for line in lines]
        assert client.get(path, headers=headers).status_code == 304, lines
    for unknown in (f"w/{tag}", '"1-0000000000000000"', '"other"', tag.strip('"')):
        assert client.get(path, headers={"If-None-Match": unknown}).status_code == 200, unknown


def test_what_is_derived_changes_the_tag_but_refuses_no_change(
    client: Client, clock: Clock
) -> None:
    path = f"{TASKS}/{add(client, due_on='2026-03-01')['id']}"
    before = client.get(path)
    clock.advance(days=1)
    after = client.get(path, headers={"If-None-Match": before.headers["etag"]})

    assert (before.json()["overdue"], after.json()["overdue"]) == (False, True)
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    changed = client.patch(path, json={"priority": 1}, headers={"If-Match": before.headers["etag"]})
    assert changed.status_code == 200


def test_a_list_has_a_tag_too(client: Client) -> None:
    add(client)
    tag = client.get(TASKS).headers["etag"]
    assert client.get(TASKS, headers={"If-None-Match": tag}).status_code == 304
    add(client)
    assert client.get(TASKS, headers={"If-None-Match": tag}).status_code == 200


STALE = [
    '"7-0123456789abcdef"', '"01-0123456789abcdef"', 'W/"1-0123456789abcdef"',
    '"x"', '"2-0", "3-0"', '"a,b" ,, "c"', '""',
]  # fmt: skip


@pytest.mark.parametrize("tag", STALE)
def test_a_change_of_what_has_changed_is_refused_and_writes_nothing(
    client: Client, tag: str
) -> None:
    task = add(client)
    path = f"{TASKS}/{task['id']}"
    stale = {"If-Match": tag}

    problem(client.patch(path, json={"title": "No"}, headers=stale), 412, "precondition-failed")
    problem(client.post(f"{path}/complete", headers=stale), 412, "precondition-failed")
    problem(client.post(f"{path}/reopen", headers=stale), 412, "precondition-failed")
    problem(client.delete(path, headers=stale), 412, "precondition-failed")
    assert client.get(path).json() == task


NO_TAGS = [
    "1", "", "garbage", '"1-0', "1-0123456789abcdef", 'w/"1-0123456789abcdef"', 'W/ "1-0"',
    '"1-0" "2-0"', '"1-0", *', ",", '"1 0"', "'1-0'",
]  # fmt: skip


@pytest.mark.request_only
@pytest.mark.parametrize("header", NO_TAGS)
def test_a_precondition_that_is_no_list_of_tags_is_refused_and_writes_nothing(
    client: Client, header: str
) -> None:
    task = add(client)
    path = f"{TASKS}/{task['id']}"
    headers = {"If-Match": header}

    for answer in (
        client.patch(path, json={"title": "No"}, headers=headers),
        client.patch(path, json={"title": 1}, headers=headers),
        client.post(f"{path}/complete", headers=headers),
        client.delete(path, headers=headers),
    ):
        problem(answer, 400, "malformed-precondition")
    problem(client.delete(UNKNOWN, headers=headers), 404, "not-found")
    assert client.get(path).json() == task


def test_a_weak_tag_is_refused_with_a_hint_that_a_proxy_has_weakened_it(client: Client) -> None:
    made = client.post(TASKS, json={"title": "Oil the lathe"})
    path, tag = made.headers["location"], made.headers["etag"]

    weak = client.patch(path, json={"title": "No"}, headers={"If-Match": f"W/{tag}"})
    assert "proxy" in problem(weak, 412, "precondition-failed")["detail"]
    other = client.patch(path, json={"title": "No"}, headers={"If-Match": '"9-0"'})
    assert "proxy" not in problem(other, 412, "precondition-failed")["detail"]


@pytest.mark.parametrize("tag", ['"1-0123456789abcdef"', '"9-0", "1-0"', "*"])
def test_a_change_of_what_was_seen_is_made(client: Client, tag: str) -> None:
    path = f"{TASKS}/{add(client)['id']}"
    answer = client.patch(path, json={"title": "Yes"}, headers={"If-Match": tag})
    assert answer.json()["title"] == "Yes"


def test_the_tags_of_several_if_match_lines_are_one_list(client: Client) -> None:
    path = f"{TASKS}/{add(client)['id']}"
    lines = [("If-Match", '"9-0"'), ("If-Match", '"1-0"')]
    assert client.patch(path, json={"title": "Yes"}, headers=lines).status_code == 200


def test_a_setting_makes_the_tag_mandatory(strict_client: Client) -> None:
    path = f"{TASKS}/{add(strict_client)['id']}"

    for answer in (
        strict_client.patch(path, json={"title": "No"}),
        strict_client.post(f"{path}/complete"),
        strict_client.delete(path),
    ):
        problem(answer, 428, "precondition-required")
    tag = strict_client.get(path).headers["etag"]
    assert strict_client.delete(path, headers={"If-Match": tag}).status_code == 204


# Lists


def test_an_empty_list_has_no_items_and_no_next(client: Client) -> None:
    answer = client.get(TASKS)
    assert answer.json() == {"items": [], "next": None}
    assert "link" not in answer.headers


def test_pages_follow_each_other_by_cursor_and_by_link(client: Client) -> None:
    made = [add(client, f"t{n}") for n in range(5)]

    first = client.get(TASKS, params={"limit": 2})
    assert first.json()["items"] == made[:2]
    second = client.get(TASKS, params={"limit": 2, "cursor": first.json()["next"]})
    assert second.json()["items"] == made[2:4]
    link = re.fullmatch(r'<(.+)>; rel="next"', second.headers["link"])
    assert link is not None
    third = client.get(link[1])
    assert third.json() == {"items": made[4:], "next": None}


def test_the_link_keeps_what_was_asked(client: Client) -> None:
    for n in range(4):
        add(client, f"é {n}", priority=n)
    answer = client.get(TASKS, params={"q": "é", "sort": "-priority", "limit": 1, "count": "true"})

    for n in (2, 1, 0):
        answer = client.get(answer.headers["link"].split(">")[0][1:])
        assert [task["priority"] for task in answer.json()["items"]] == [n]
        assert answer.json()["total"] == 4
    assert "link" not in answer.headers


def test_the_same_tasks_make_pages_of_any_length(client: Client) -> None:
    made = [add(client, f"t{n}") for n in range(3)]
    for limit, counting in ((2, False), (3, False), (2, True), (2, False), (4, False)):
        asked = {"limit": limit, "count": str(counting).lower()}
        page = client.get(TASKS, params=asked).json()
        assert page["items"] == made[:limit]
        assert (page["next"] is None) == (limit > 2)
        assert page.get("total") == (3 if counting else None)


def test_a_page_that_is_asked_for_again_shows_what_has_changed_about_it(client: Client) -> None:
    first, second = add(client, "a"), add(client, "b", assignee_id=str(MEMBER.id))
    assert client.get(TASKS).json() == client.get(TASKS).json()

    tag = client.get(f"/api/v1/users/{MEMBER.id}").headers["etag"]
    renamed = client.patch(
        f"/api/v1/users/{MEMBER.id}", json={"username": "bobby"}, headers={"If-Match": tag}
    )
    assert renamed.status_code == 200, renamed.text
    assert client.get(TASKS).json()["items"][1]["assignee"]["username"] == "bobby"
    assert client.delete(f"{TASKS}/{first['id']}").status_code == 204
    (left,) = client.get(TASKS).json()["items"]
    assert left["id"] == second["id"]
    third = add(client, "c")
    assert client.get(TASKS).json()["items"] == [left, third]


def test_skip_jumps(client: Client) -> None:
    made = [add(client, f"t{n}") for n in range(5)]
    assert client.get(TASKS, params={"skip": 3, "limit": 10}).json()["items"] == made[3:]
    assert client.get(TASKS, params={"skip": 10000}).json()["items"] == []


def test_a_count_comes_when_it_is_asked_for(client: Client) -> None:
    for n in range(3):
        add(client, f"t{n}", priority=n)
    counted = client.get(TASKS, params={"count": "true", "limit": 1, "min_priority": 1}).json()
    beyond = client.get(TASKS, params={"count": "true", "skip": 100}).json()

    assert (counted["total"], counted["total_exact"]) == (2, True)
    assert beyond == {"items": [], "next": None, "total": 3, "total_exact": True}
    assert "total" not in client.get(TASKS, params={"count": "false"}).json()


def test_the_counts_agree_with_the_list(client: Client) -> None:
    for n in range(6):
        task = add(client, f"t{n % 2}", due_on="2026-02-01" if n % 3 else None, priority=n)
        if n in (1, 2):
            client.post(f"{TASKS}/{task['id']}/complete")

    for asked in ({}, {"q": "T1"}, {"min_priority": 2}, {"completed": "true"}, {"overdue": "true"}):
        told = client.get(f"{TASKS}/count", params=asked).json()
        listed = client.get(TASKS, params={**asked, "limit": 100}).json()["items"]
        done = [task for task in listed if task["completed"]]
        late = [task for task in listed if task["overdue"]]
        assert told == {
            "total": len(listed),
            "completed": len(done),
            "pending": len(listed) - len(done),
            "overdue": len(late),
        }, asked


def test_filters_choose(client: Client) -> None:
    add(client, "Late", due_on="2026-02-28", priority=3)
    add(client, "Today", due_on="2026-03-01", priority=5)
    add(client, "Someday", description="with the big SAW")
    done = add(client, "Done", due_on="2026-01-01")
    client.post(f"{TASKS}/{done['id']}/complete")

    def titles(**asked: Any) -> list[str]:
        return [task["title"] for task in client.get(TASKS, params=asked).json()["items"]]

    assert titles(overdue="true") == ["Late"]
    assert titles(overdue="false") == ["Today", "Someday", "Done"]
    assert titles(due_before="2026-03-01") == ["Late", "Done"]
    assert titles(completed="true") == ["Done"]
    assert titles(completed="false", min_priority=4) == ["Today"]
    assert titles(priority=3) == ["Late"]
    assert titles(q="big saw") == ["Someday"]
    assert titles(sort="-due_on") == ["Today", "Late", "Done", "Someday"]


@pytest.mark.request_only
@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=", "limit=1.0", "limit=+1", "limit=01", "limit=%EF%BC%91",
        "limit=1&limit=2", "skip=-1", "skip=10001", "sort=", "sort=colour", "sort=+title",
        "sort=created_at,title", "count=1", "count=True", "count=yes", "completed=1",
        "priority=10", "priority=x", "min_priority=-1", "due_before=tomorrow",
        "due_before=2026-02-30", "due_before=20260101", "due_before=2026-1-1", "q=", "q=%20",
        "q=%00", "q=%FF", f"q={'x' * 101}", "page=2", "Limit=5", "assignee_id=x", "=1",
    ],
)  # fmt: skip
def test_an_unusable_parameter_is_refused_never_ignored(client: Client, query: str) -> None:
    answer = client.get(f"{TASKS}?{query}")
    assert places(answer)
    assert "link" not in answer.headers


def test_an_operation_without_parameters_takes_none(client: Client) -> None:
    task = add(client)
    path = f"{TASKS}/{task['id']}"
    for answer in (
        client.get(f"{path}?fields=title"),
        client.post(f"{TASKS}?notify=true", json={"title": "x"}),
        client.patch(f"{path}?force=1", json={}),
        client.delete(f"{path}?force=1"),
        client.post(f"{path}/complete?at=now"),
        client.get("/health/live?x=1"),
    ):
        assert places(answer)
    assert client.get(path).json() == task


def test_a_cursor_that_no_page_handed_out_is_malformed(client: Client) -> None:
    for n in range(2):
        add(client, f"t{n}")
    real = client.get(TASKS, params={"limit": 1}).json()["next"]

    for cursor in (
        "",
        "x",
        "\0",
        real[:-4],
        real + "AAAA",
        "bm9uZQ",
        "W10",
        "WzEsMiwzXQ",
        "é",
        "a b",
    ):
        problem(client.get(TASKS, params={"cursor": cursor}), 400, "malformed-cursor")
        faulty = {"cursor": cursor, "limit": "0", "unknown": "1"}
        problem(client.get(TASKS, params=faulty), 400, "malformed-cursor")


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("created_at", "yesterday"), ("created_at", None), ("created_at", 5),
        ("created_at", "9999-12-31T23:59:59-14:00"), ("priority", "1"), ("priority", True),
        ("priority", 10**20), ("title", "\0"), ("title", "\ud800"), ("title", []),
        ("due_on", "2026-02-30"), ("due_on", 1),
    ],
)  # fmt: skip
def test_a_forged_cursor_is_malformed(client: Client, sort: str, value: Any) -> None:
    from base64 import urlsafe_b64encode

    forged = urlsafe_b64encode(json.dumps([sort, value, uuid4().hex]).encode()).decode().rstrip("=")
    answer = client.get(TASKS, params={"cursor": forged, "sort": sort})
    problem(answer, 400, "malformed-cursor")


def test_a_cursor_goes_neither_with_skip_nor_with_another_sort(client: Client) -> None:
    for n in range(2):
        add(client, f"t{n}")
    cursor = client.get(TASKS, params={"limit": 1}).json()["next"]

    assert places(client.get(TASKS, params={"cursor": cursor, "skip": 0})) == {"skip"}
    assert places(client.get(TASKS, params={"cursor": cursor, "sort": "title"})) == {"cursor"}


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
    assert places(answer) == where
    assert client.get(TASKS).json()["items"] == []


@pytest.mark.request_only
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"{'title': 'x'}", b'{"title": NaN}', b'{"priority": Infinity, "title": "x"}',
        b'{"title": "x", "title": "y"}', b'{"title": "\\ud800"}', b'{"title": "a\\u0000b"}',
        b'{"\\u0000": 1}', b'{"title": "\xff"}', b'\xef\xbb\xbf{"title": "x"}', b"[" * 100_000,
        b'{"title": "x", "priority": 1e99999999999999999999}',
        b'{"title": "x"} {}', b'{"title": "tab\there"}', b'{"priority": ' + b"9" * 5_000 + b"}",
        b'{"a": {"b": 1, "b": 2}, "title": "x"}', '{"title": "x"}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_what_is_not_json_is_malformed(client: Client, body: bytes) -> None:
    answer = client.post(TASKS, content=body, headers={"Content-Type": "application/json"})
    problem(answer, 400, "malformed-json")


def test_a_surrogate_pair_is_one_character(client: Client) -> None:
    answer = client.post(
        TASKS,
        content=b'{"title": "\\ud83d\\udee0"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["title"] == "🛠"


def test_a_body_over_a_mebibyte_is_too_large(client: Client) -> None:
    body = b'{"title": "' + b"x" * 1024 * 1024 + b'"}'
    headers = {"Content-Type": "application/json"}

    def chunks() -> Any:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    problem(client.post(TASKS, content=body, headers=headers), 413, "too-large")
    problem(client.post(TASKS, content=chunks(), headers=headers), 413, "too-large")


@pytest.mark.request_only
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": MERGE_PATCH},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": 'application/json; x=y; charset="utf-16"'},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
def test_a_body_that_is_not_json_is_unsupported(client: Client, headers: dict[str, str]) -> None:
    answer = client.post(TASKS, content=b'{"title": "x"}', headers=headers)
    problem(answer, 415, "unsupported-media-type")


# Routes


@pytest.mark.parametrize(
    "path",
    [
        "/api", "/api/v1", "/api/v1/", f"{TASKS}/", f"{TASKS}/1", f"{TASKS}/abc",
        f"{TASKS}/{{01900000-0000-7000-8000-000000000000}}", f"{UNKNOWN}/", f"{UNKNOWN}/finish",
        f"{TASKS}/01900000000070008000000000000000", f"/api/{'a' * 60_000}",
    ],
)  # fmt: skip
def test_an_unknown_path_is_a_problem(client: Client, path: str) -> None:
    problem(client.get(path), 404, "not-found")


@pytest.mark.request_only
@pytest.mark.parametrize("path", [TASKS, "/health/live", "/office", "/openapi.json", "/docs"])
def test_a_path_with_a_line_end_leads_nowhere(client: Client, path: str) -> None:
    as_program = {"Accept": "application/json"}
    for address in (f"{path}%0A", f"{path}%0A?limit=1", f"{path}%0D%0A"):
        problem(client.get(address, headers=as_program), 404, "not-found")
    task = f"{TASKS}/{add(client)['id']}"
    problem(client.get(f"{task}%0A"), 404, "not-found")
    problem(client.delete(f"{task}%0A"), 404, "not-found")
    assert client.get(task).status_code == 200


ELSEWHERE = ("/nothing", "/API/v1/tasks", "/docs/x", "/problems/x", "/openapi.yaml", "/office/x")


@pytest.mark.parametrize("path", [*ELSEWHERE, f"/{'a' * 60_000}"])
def test_an_unknown_path_where_people_are_is_a_page(client: Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Page not found" in answer.text
    assert client.get(path).text.startswith("<!doctype html>")


@pytest.mark.parametrize("path", ELSEWHERE)
def test_an_unknown_path_is_a_problem_to_whoever_asks_for_json(client: Client, path: str) -> None:
    problem(client.get(path, headers={"Accept": "application/json"}), 404, "not-found")


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", TASKS, "GET, HEAD, POST"),
        ("DELETE", TASKS, "GET, HEAD, POST"),
        ("OPTIONS", TASKS, "GET, HEAD, POST"),
        ("POST", f"{TASKS}/count", "GET, HEAD"),
        ("DELETE", f"{TASKS}/count", "GET, HEAD"),
        ("POST", UNKNOWN, "DELETE, GET, HEAD, PATCH"),
        ("PUT", UNKNOWN, "DELETE, GET, HEAD, PATCH"),
        ("GET", f"{UNKNOWN}/complete", "POST"),
        ("HEAD", f"{UNKNOWN}/complete", "POST"),
        ("BREW", f"{UNKNOWN}/reopen", "POST"),
        ("POST", "/health/live", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_there_is_told_all_that_are(
    client: Client, method: str, path: str, allow: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    if method != "HEAD":
        problem(answer, 405, "method-not-allowed")


def test_head_answers_wherever_get_does_without_the_body(client: Client) -> None:
    path = f"{TASKS}/{add(client)['id']}"
    for place in (path, TASKS, f"{TASKS}/count", "/health/live", "/health/ready", "/openapi.json",
                  "/docs", "/problems/invalid", UNKNOWN, "/nowhere"):  # fmt: skip
        got, head = client.get(place), client.head(place)
        assert (head.status_code, head.content) == (got.status_code, b""), place
        for header in ("content-type", "content-length", "etag"):
            assert head.headers.get(header) == got.headers.get(header), place


def test_every_problem_is_explained_at_its_type(client: Client) -> None:
    told = client.get("/api/nowhere").json()
    explained = client.get(told["type"])
    assert explained.status_code == 200
    assert told["title"] in explained.text


def test_the_detail_of_a_422_names_the_fields(client: Client) -> None:
    body = client.post(TASKS, json={"title": "", "priority": 10, "due_on": 1})
    detail = problem(body, 422, "invalid")["detail"]
    assert all(f"{name}: " in detail for name in ("title", "priority", "due_on"))
    query = client.get(TASKS, params={"limit": "0", "sort": "size"})
    detail = problem(query, 422, "invalid")["detail"]
    assert "limit: " in detail
    assert "sort: Give created_at, -created_at, " in detail


def test_a_member_that_a_command_sets_names_the_command(client: Client) -> None:
    task = add(client)
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


def test_a_405_names_the_method_that_does_it(client: Client) -> None:
    path = f"{TASKS}/{add(client)['id']}"
    for answer, name in (
        (client.put(path, json={}), "PATCH"),
        (client.post(path, json={}), "PATCH"),
        (client.patch(f"{path}/complete", json={}), "POST"),
        (client.get(f"{path}/complete"), "POST"),
        (client.delete(TASKS), "GET, HEAD, POST"),
        (client.post("/api/v1/users/me/password", json={}), "PUT"),
    ):
        assert name in problem(answer, 405, "method-not-allowed")["detail"]


# The order of judgement


def test_the_order_of_judgement_is_the_contracts(client: Client) -> None:
    task = add(client)
    path = f"{TASKS}/{task['id']}"
    stale, html = {"If-Match": '"9-0"'}, {"Content-Type": "text/html"}
    json_ = {"Content-Type": "application/json"}

    # 415 before 404 of the object, but 404 of the route and 405 before it.
    assert client.patch(UNKNOWN, content=b"{", headers=html).status_code == 415
    assert client.patch("/nowhere", content=b"{", headers=html).status_code == 404
    assert client.put(path, content=b"{", headers=html).status_code == 405
    # 404 of the object before 412, 400 and 422.
    for body, headers in ((b"{", json_), (b'{"x":1}', json_), (b"{}", {**json_, **stale})):
        problem(client.patch(UNKNOWN, content=body, headers=headers), 404, "not-found")
    problem(client.get(f"{UNKNOWN}?x=1"), 404, "not-found")
    # 412 before 400 and 422.
    for body in (b"{", b'{"x":1}'):
        answer = client.patch(path, content=body, headers={**json_, **stale})
        problem(answer, 412, "precondition-failed")
    problem(client.delete(f"{path}?x=1", headers=stale), 412, "precondition-failed")
    # 400 before 422.
    problem(client.patch(f"{path}?x=1", content=b"{", headers=json_), 400, "malformed-json")
    assert client.get(path).json() == task


def test_the_missing_tag_is_told_after_the_missing_object(strict_client: Client) -> None:
    headers = {"Content-Type": "application/json"}
    path = f"{TASKS}/{add(strict_client)['id']}"

    problem(strict_client.patch(UNKNOWN, content=b"{", headers=headers), 404, "not-found")
    answer = strict_client.patch(path, content=b"{", headers=headers)
    problem(answer, 428, "precondition-required")


def test_input_is_not_echoed(client: Client) -> None:
    canary = "hunter2-canary"
    path = f"{TASKS}/{add(client)['id']}"
    json_ = {"Content-Type": "application/json"}
    for answer in (
        client.post(TASKS, json={"title": [canary], "x": canary, "priority": canary}),
        client.post(TASKS, content=f'{{"title": {canary}'.encode(), headers=json_),
        client.patch(path, json={"due_on": canary}),
        client.get(TASKS, params={"sort": canary, "cursor": canary, "x": canary}),
        client.get(f"/{canary}"),
        client.get(f"{TASKS}/{canary}"),
        client.patch(path, json={}, headers={"If-Match": f'"{canary}"'}),
        client.post(TASKS, json={}, headers={"Content-Type": canary}),
    ):
        assert answer.status_code >= 400
        assert canary not in answer.text
        assert canary not in str(answer.headers)


# Operation


def test_health_tells_that_all_is_well(client: Client) -> None:
    assert client.get("/health/live").status_code == 200
    ready = client.get("/health/ready")
    assert ready.json() == {"status": "ok", "database": "reachable", "schema": "current"}


def test_the_health_address_leads_to_readiness(client: Client) -> None:
    answer = client.get("/health", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/health/ready")


def test_the_documentation_asks_nothing_of_other_hosts(client: Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) >= 3
    for address in named:
        assert not urlsplit(address).netloc, address
        assert client.get(address).status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_the_document_declares_each_operation_with_its_problems(client: Client) -> None:
    document = client.get("/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    operations = {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    assert set(operations) >= {
        "create_task", "list_tasks", "count_tasks", "read_task", "edit_task", "delete_task",
        "complete_task", "reopen_task", "live", "ready",
    }  # fmt: skip
    assert set(operations["edit_task"]["responses"]) == {
        *("200", "400", "401", "403", "404", "409", "412", "413", "415", "422", "428"),
        *("408", "431", "500", "503"),
    }  # fmt: skip
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (name, status)


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = [name for name in globals() if name.startswith("test_")]
