"""Edits in pages: they change the fields that somebody has typed into, and no others."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.clients import Client
from support.pages import Browser
from support.people import ADMIN
from support.texts import AREAS, LINES, NEW_RESOURCES


@dataclass(frozen=True)
class Edit:
    """The page on which something is edited, and a field to edit there."""

    action: str
    typed: dict[str, str]


EDITS = {
    "tasks": Edit("/office/tasks/{id}", {"priority": "7"}),
    "posts": Edit("/office/news/{id}", {"title": "Another"}),
    "products": Edit("/office/stock/{id}/edit", {"price": "3.50"}),
    "devices": Edit("/office/machines/{id}", {"heartbeat_every": "90"}),
    "users": Edit("/office/people/{id}", {"age": "41"}),
}

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
    st.text(
        "ab \t\n\r\x0b\x0c\x1c\x85\xa0\xad\u200b\u2028\u2800<&\"'>\u0301\ufeff\u202e", max_size=8
    ),
)


@pytest.fixture
def browser(client: Client) -> Browser:
    return Browser(client).sign_in(ADMIN)


@pytest.mark.parametrize("resource", EDITS)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_text_survives_an_edit_of_another_field(
    client: Client, browser: Browser, resource: str, data: st.DataObject
) -> None:
    edit = EDITS[resource]
    members = [*LINES[resource], *filter(None, [AREAS.get(resource)])]
    path = f"/api/v1/{resource}"
    texts = {name: data.draw(TEXTS, label=name) for name in members if name not in edit.typed}
    made = client.post(path, json={**NEW_RESOURCES[resource], **texts})
    if made.status_code == 422:
        # Some texts are refused; the others are to be made then.
        wrong = {error["pointer"].removeprefix("#/") for error in made.json()["errors"]}
        texts = {name: text for name, text in texts.items() if name not in wrong}
        assume(texts)
        made = client.post(path, json={**NEW_RESOURCES[resource], **texts})
    assert made.status_code == 201, made.text
    before = made.json()
    try:
        action = edit.action.format(id=before["id"])
        browser.get(action)
        page = browser.send(action, edit.typed)
        assert page.status_code == 200, page.text
        after = client.get(f"{path}/{before['id']}").json()
        assert after["version"] == 2
        assert {name: after[name] for name in members if name not in edit.typed} == {
            name: before[name] for name in members if name not in edit.typed
        }
    finally:
        client.delete(f"{path}/{before['id']}")


def test_an_empty_text_is_not_made_none_by_an_edit_of_another_field(
    client: Client, browser: Browser
) -> None:
    task = client.post("/api/v1/tasks", json={"title": "x", "description": ""}).json()
    action = f"/office/tasks/{task['id']}"
    browser.get(action)
    browser.send(action, priority="3")
    assert client.get(f"/api/v1/tasks/{task['id']}").json()["description"] == ""


def test_a_text_of_several_lines_is_not_taken_for_edited_when_somebody_was_quicker(
    client: Client, browser: Browser
) -> None:
    new: dict[str, Any] = {"title": "x", "description": "one\r\ntwo\rthree"}
    task = client.post("/api/v1/tasks", json=new).json()
    action = f"/office/tasks/{task['id']}"
    browser.get(action)
    client.patch(f"/api/v1/tasks/{task['id']}", json={"description": "one\ntwo"})
    merge = browser.send(action, priority="3")
    assert merge.status_code == 412
    browser.send(action)
    after = client.get(f"/api/v1/tasks/{task['id']}").json()
    assert (after["priority"], after["description"]) == (3, "one\ntwo")
