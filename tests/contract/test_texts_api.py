"""Texts in the API: normalisation, invisible characters, lines, search."""

from typing import Any

import pytest

from support.clients import Answer, Client
from support.people import MEMBER
from support.texts import AREAS, LINES, NEW_RESOURCES

UNSEEN = ("\u200b", "\u00ad", "\u3164\u3164", "\u2800\u2800", "\u202e\u202c", "\ufe0f\u034f")


def create(client: Client, resource: str, **members: Any) -> Answer:
    return client.post(f"/api/v1/{resource}", json={**NEW_RESOURCES[resource], **members})


def pointers(answer: Answer) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("resource", LINES)
def test_a_text_of_one_line_has_no_control_characters_and_something_to_see(
    client: Client, resource: str
) -> None:
    made = None if resource == "tokens" else create(client, resource)
    for member in LINES[resource]:
        for text in ("Drill\npress", "Drill\u2028press", "Drill\tpress", "a\x9bb", *UNSEEN):
            assert pointers(create(client, resource, **{member: text})) == [f"#/{member}"]
            if made is not None:
                path = f"/api/v1/{resource}/{made.json()['id']}"
                edited = client.patch(path, json={member: text})
                assert pointers(edited) == [f"#/{member}"]


@pytest.mark.parametrize("resource", AREAS)
def test_the_lines_of_a_text_end_alike_wherever_they_come_from(
    client: Client, resource: str
) -> None:
    member = AREAS[resource]
    made = create(client, resource, **{member: "one\r\ntwo\rthree\u2028\n\tfour"})
    assert made.status_code == 201, made.text
    assert made.json()[member] == "one\ntwo\nthree\n\n\tfour"
    same = client.patch(
        f"/api/v1/{resource}/{made.json()['id']}", json={member: "one\ntwo\r\nthree\r\r\n\tfour"}
    )
    assert same.json()["version"] == made.json()["version"]
    for text in ("a\x0bb", "a\x1bb", "a\x85b", *UNSEEN):
        assert pointers(create(client, resource, **{member: text})) == [f"#/{member}"]


def test_a_note_and_a_report_are_of_one_line(client: Client) -> None:
    product = create(client, "products", stock=3).json()
    moved = {"quantity": 1, "reason": "received", "note": "from\nElla"}
    path = f"/api/v1/products/{product['id']}/movements"
    assert pointers(client.post(path, json=moved)) == ["#/note"]
    device = f"/api/v1/devices/{create(client, 'devices').json()['id']}"
    key = client.post(f"{device}/key").json()["key"]
    answer = client.as_(key).post(f"{device}/heartbeat", json={"agent_version": "1\u200b\n2"})
    assert pointers(answer) == ["#/agent_version"]


@pytest.mark.parametrize(
    ("resource", "member"), [("categories", "name"), ("products", "sku"), ("devices", "serial")]
)
def test_names_that_differ_in_nothing_that_can_be_seen_are_the_same(
    client: Client, resource: str, member: str
) -> None:
    first = create(client, resource, **{member: "Hand sa\u0301ws"})
    assert first.status_code == 201, first.text
    for text in (
        "Hand s\u00e1ws\u200b",
        "\u00adhand S\u00c1WS",
        "Hand\u202e sa\u034f\u0301ws\ufe0f",
        "Hand  s\u00e1ws",
        "Hand\u00a0\u2800 s\u00e1ws\u3164",
    ):
        answer = create(client, resource, **{member: text})
        assert answer.status_code == 409, (text, answer.text)
        assert answer.json()["errors"][0]["pointer"] == f"#/{member}"
    assert create(client, resource, **{member: "Hand saws"}).status_code == 201
    path = f"/api/v1/{resource}/{first.json()['id']}"
    kept = client.patch(path, json={member: "Hand s\u00e1w\u200ds"})
    assert kept.json()[member] == "Hand s\u00e1w\u200ds"


FINDS = [
    ("Circular\u00adsaw blade", "circularsaw"),
    ("Circularsaw blade", "CIRCULAR\u00adSAW"),
    ("the left\nhand\r\n\r\nside  door", "hand side door"),
    ("the left hand side door", "hand\nside\u00a0 door"),
    ("don\u2019t \u201ctouch\u201d", 'don\'t "touch"'),
    ('don\'t "touch"', "don\u2018t \u201etouch"),
    ("Model A\u2011B \u2212 new", "a-b - NEW"),
    ("Model A-B - new", "A\u2013B"),
    ("I \u2764\ufe0f wood", "\u2764"),
    ("I \u2764 wood", "\u2764\ufe0f w"),
    ("\U0001f468\u200d\U0001f469\u200d\U0001f467 evening", "\U0001f468\U0001f469\U0001f467 eve"),
    ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u062e\u0648"),
]


@pytest.mark.parametrize(("text", "q"), FINDS)
def test_a_search_ignores_what_cannot_be_seen_or_typed(client: Client, text: str, q: str) -> None:
    for resource, member in AREAS.items():
        made = create(client, resource, **{member: text})
        create(client, resource)
        found = client.get(f"/api/v1/{resource}", params={"q": q})
        assert [one["id"] for one in found.json()["items"]] == [made.json()["id"]], resource


def test_a_phrase_is_found_within_one_text_and_not_across_two(client: Client) -> None:
    create(client, "tasks", title="Oil the saw", description="Blade first")
    found = client.get("/api/v1/tasks", params={"q": "saw blade"})
    assert found.json()["items"] == []
    assert client.get("/api/v1/tasks", params={"q": "saw\nblade"}).json()["items"] == []


@pytest.mark.parametrize("resource", [name for name in LINES if name != "tokens"])
def test_a_search_for_nothing_that_can_be_seen_is_refused(client: Client, resource: str) -> None:
    for q in ("\u00ad", "\u200b\u2800", "\x1b"):
        answer = client.get(f"/api/v1/{resource}", params={"q": q})
        assert answer.status_code == 422, q
        assert [error["parameter"] for error in answer.json()["errors"]] == ["q"]
    # What a mark stands on is not told: that is no search for everything.
    create(client, resource)
    answer = client.get(f"/api/v1/{resource}", params={"q": "\u0301"})
    assert answer.json()["items"] == []


def test_a_machine_of_a_kind_is_found_whatever_is_invisible_in_it(client: Client) -> None:
    made = create(client, "devices", kind="Band\u00adsaw")
    found = client.get("/api/v1/devices", params={"kind": "bandsaw"})
    assert [one["id"] for one in found.json()["items"]] == [made.json()["id"]]


def test_a_title_of_signs_alone_has_an_address(client: Client) -> None:
    post = client.as_(MEMBER).post("/api/v1/posts", json={"title": "!? \u2764", "content": "x"})
    again = client.as_(MEMBER).post("/api/v1/posts", json={"title": "\u2026", "content": "x"})
    assert (post.json()["slug"], again.json()["slug"]) == ("post", "post-2")
