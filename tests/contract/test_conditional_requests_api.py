"""Conditional requests: entity tags, If-None-Match, If-Match."""

import pytest

from support.api import TASKS, UNKNOWN_TASK, create_task, problem
from support.backends import Clock
from support.clients import Client


def test_a_known_tag_is_answered_with_304(client: Client) -> None:
    path = f"{TASKS}/{create_task(client)['id']}"
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
    path = f"{TASKS}/{create_task(client, due_on='2026-03-01')['id']}"
    before = client.get(path)
    clock.advance(days=1)
    after = client.get(path, headers={"If-None-Match": before.headers["etag"]})

    assert (before.json()["overdue"], after.json()["overdue"]) == (False, True)
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    changed = client.patch(path, json={"priority": 1}, headers={"If-Match": before.headers["etag"]})
    assert changed.status_code == 200


def test_a_list_has_a_tag_too(client: Client) -> None:
    create_task(client)
    tag = client.get(TASKS).headers["etag"]
    assert client.get(TASKS, headers={"If-None-Match": tag}).status_code == 304
    create_task(client)
    assert client.get(TASKS, headers={"If-None-Match": tag}).status_code == 200


STALE = [
    '"7-0123456789abcdef"', '"01-0123456789abcdef"', 'W/"1-0123456789abcdef"',
    '"x"', '"2-0", "3-0"', '"a,b" ,, "c"', '""',
]  # fmt: skip


@pytest.mark.parametrize("tag", STALE)
def test_a_change_of_what_has_changed_is_refused_and_writes_nothing(
    client: Client, tag: str
) -> None:
    task = create_task(client)
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
    task = create_task(client)
    path = f"{TASKS}/{task['id']}"
    headers = {"If-Match": header}

    for answer in (
        client.patch(path, json={"title": "No"}, headers=headers),
        client.patch(path, json={"title": 1}, headers=headers),
        client.post(f"{path}/complete", headers=headers),
        client.delete(path, headers=headers),
    ):
        problem(answer, 400, "malformed-precondition")
    problem(client.delete(UNKNOWN_TASK, headers=headers), 404, "not-found")
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
    path = f"{TASKS}/{create_task(client)['id']}"
    answer = client.patch(path, json={"title": "Yes"}, headers={"If-Match": tag})
    assert answer.json()["title"] == "Yes"


def test_the_tags_of_several_if_match_lines_are_one_list(client: Client) -> None:
    path = f"{TASKS}/{create_task(client)['id']}"
    lines = [("If-Match", '"9-0"'), ("If-Match", '"1-0"')]
    assert client.patch(path, json={"title": "Yes"}, headers=lines).status_code == 200


def test_a_setting_makes_the_tag_mandatory(strict_client: Client) -> None:
    path = f"{TASKS}/{create_task(strict_client)['id']}"

    for answer in (
        strict_client.patch(path, json={"title": "No"}),
        strict_client.post(f"{path}/complete"),
        strict_client.delete(path),
    ):
        problem(answer, 428, "precondition-required")
    tag = strict_client.get(path).headers["etag"]
    assert strict_client.delete(path, headers={"If-Match": tag}).status_code == 204
