"""Lists in the API: pages, cursors, counts, filters."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from support.api import TASKS, create_task, error_locations, problem
from support.clients import Client
from support.people import MEMBER


def test_an_empty_list_has_no_items_and_no_next(client: Client) -> None:
    answer = client.get(TASKS)
    assert answer.json() == {"items": [], "next": None}
    assert "link" not in answer.headers


def test_pages_follow_each_other_by_cursor_and_by_link(client: Client) -> None:
    made = [create_task(client, f"t{n}") for n in range(5)]

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
        create_task(client, f"é {n}", priority=n)
    answer = client.get(TASKS, params={"q": "é", "sort": "-priority", "limit": 1, "count": "true"})

    for n in (2, 1, 0):
        answer = client.get(answer.headers["link"].split(">")[0][1:])
        assert [task["priority"] for task in answer.json()["items"]] == [n]
        assert answer.json()["total"] == 4
    assert "link" not in answer.headers


def test_the_same_tasks_make_pages_of_any_length(client: Client) -> None:
    made = [create_task(client, f"t{n}") for n in range(3)]
    for limit, counting in ((2, False), (3, False), (2, True), (2, False), (4, False)):
        asked = {"limit": limit, "count": str(counting).lower()}
        page = client.get(TASKS, params=asked).json()
        assert page["items"] == made[:limit]
        assert (page["next"] is None) == (limit > 2)
        assert page.get("total") == (3 if counting else None)


def test_a_page_that_is_asked_for_again_shows_what_has_changed_about_it(client: Client) -> None:
    first, second = create_task(client, "a"), create_task(client, "b", assignee_id=str(MEMBER.id))
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
    third = create_task(client, "c")
    assert client.get(TASKS).json()["items"] == [left, third]


def test_skip_jumps(client: Client) -> None:
    made = [create_task(client, f"t{n}") for n in range(5)]
    assert client.get(TASKS, params={"skip": 3, "limit": 10}).json()["items"] == made[3:]
    assert client.get(TASKS, params={"skip": 10000}).json()["items"] == []


def test_a_count_comes_when_it_is_asked_for(client: Client) -> None:
    for n in range(3):
        create_task(client, f"t{n}", priority=n)
    counted = client.get(TASKS, params={"count": "true", "limit": 1, "min_priority": 1}).json()
    beyond = client.get(TASKS, params={"count": "true", "skip": 100}).json()

    assert (counted["total"], counted["total_exact"]) == (2, True)
    assert beyond == {"items": [], "next": None, "total": 3, "total_exact": True}
    assert "total" not in client.get(TASKS, params={"count": "false"}).json()


def test_the_counts_agree_with_the_list(client: Client) -> None:
    for n in range(6):
        task = create_task(client, f"t{n % 2}", due_on="2026-02-01" if n % 3 else None, priority=n)
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
    create_task(client, "Late", due_on="2026-02-28", priority=3)
    create_task(client, "Today", due_on="2026-03-01", priority=5)
    create_task(client, "Someday", description="with the big SAW")
    done = create_task(client, "Done", due_on="2026-01-01")
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
    assert error_locations(answer)
    assert "link" not in answer.headers


def test_an_operation_without_parameters_takes_none(client: Client) -> None:
    task = create_task(client)
    path = f"{TASKS}/{task['id']}"
    for answer in (
        client.get(f"{path}?fields=title"),
        client.post(f"{TASKS}?notify=true", json={"title": "x"}),
        client.patch(f"{path}?force=1", json={}),
        client.delete(f"{path}?force=1"),
        client.post(f"{path}/complete?at=now"),
        client.get("/health/live?x=1"),
    ):
        assert error_locations(answer)
    assert client.get(path).json() == task


def test_a_cursor_that_no_page_handed_out_is_malformed(client: Client) -> None:
    for n in range(2):
        create_task(client, f"t{n}")
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
        create_task(client, f"t{n}")
    cursor = client.get(TASKS, params={"limit": 1}).json()["next"]

    assert error_locations(client.get(TASKS, params={"cursor": cursor, "skip": 0})) == {"skip"}
    assert error_locations(client.get(TASKS, params={"cursor": cursor, "sort": "title"})) == {
        "cursor"
    }
