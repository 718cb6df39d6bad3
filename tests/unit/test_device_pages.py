"""The office's machines: what somebody sees of them, and what they can do to them."""

import re
from typing import Any

import pytest

from domain.access import SESSION_LIFETIME
from support.backends import Clock
from support.clients import Answer, Client
from support.pages import Browser, error_at, form
from support.people import MEMBER, OTHER, PASSWORD

MACHINES = "/office/machines"
DEVICES = "/api/v1/devices"
HOSTILE = "<script>alert(1)</script>\"'&"


def add(client: Client, name: str = "Saw", **members: Any) -> dict[str, Any]:
    answer = client.post(DEVICES, json={"name": name, **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def path_of(device: dict[str, Any]) -> str:
    return f"{MACHINES}/{device['id']}"


def beat(client: Client, device: dict[str, Any], key: str = "", **told: Any) -> Answer:
    if not key:
        key = client.post(f"{DEVICES}/{device['id']}/key").json()["key"]
    return client.as_(key).post(f"{DEVICES}/{device['id']}/heartbeat", json=told)


def names(answer: Answer) -> list[str]:
    return re.findall(r'<a class="item-title"[^>]*>(.*?)</a>', answer.text)


def test_the_list_tells_who_is_heard_of_in_words(
    browser: Browser, client: Client, clock: Clock
) -> None:
    for name in ("Offline", "Late", "Online"):
        beat(client, add(client, name))
        clock.advance(seconds=80)
    add(client, "Never")
    answer = browser.get(MACHINES)
    assert names(answer) == ["Late", "Never", "Offline", "Online"]
    for presence, ago in (("late", "2 minutes"), ("offline", "4 minutes"), ("online", "1 minute")):
        row = answer.text.split(f">{presence.title()}</a>")[1].split("</tr>")[0]
        assert f'<span class="presence {presence}">{presence.title()}</span>' in row
        assert f"{ago} ago</time>" in row
    row = answer.text.split(">Never</a>")[1].split("</tr>")[0]
    assert '<td data-label="Last seen"><span class="muted">Never</span></td>' in row
    assert "4 machines in service" in answer.text
    assert "Machines in service, by connection" in answer.text
    assert "Late: 1 (25%)" in answer.text
    for presence in ("online", "late", "offline", "never"):
        assert f'<b>1</b><span class="presence {presence}">' in answer.text
        link = f'href="{MACHINES}?presence={presence}&amp;status=active"'
        assert link in answer.text
        shown = browser.get(f"{MACHINES}?presence={presence}&status=active")
        assert names(shown) == [presence.title()]


def test_machines_are_found_filtered_and_sorted(
    browser: Browser, client: Client, clock: Clock
) -> None:
    add(client, "Band saw", kind="saw", location="Wood shop")
    clock.advance(seconds=1)
    add(client, "Printer", kind="printer", status="maintenance")
    assert names(browser.get(f"{MACHINES}?q=wood&kind=&presence=&status=")) == ["Band saw"]
    for kind in ("Printer", "PRINT", "r"):
        assert names(browser.get(f"{MACHINES}?kind={kind}")) == ["Printer"]
    assert names(browser.get(f"{MACHINES}?status=maintenance")) == ["Printer"]
    assert names(browser.get(f"{MACHINES}?sort=-created_at")) == ["Printer", "Band saw"]
    # Of what is in maintenance nothing is expected.
    assert "Never connected: 1 (100%)" in browser.page.text
    assert "No machines here" in browser.get(f"{MACHINES}?q=lathe").text
    assert browser.get(f"{MACHINES}?status=broken").status_code == 422


def test_a_long_list_is_walked_by_pages_within_what_was_looked_for(
    browser: Browser, client: Client
) -> None:
    for number in range(25):
        add(client, f"Sensor {number:02}")
    add(client, "Saw")
    shown = names(browser.get(f"{MACHINES}?q=sensor"))
    (following,) = re.findall(r'rel="next" href="([^"]+)"', browser.page.text)
    shown += names(browser.get(following.replace("&amp;", "&")))
    assert shown == [f"Sensor {number:02}" for number in range(25)]


def test_a_machine_is_added_once_however_often_the_form_is_sent(
    browser: Browser, client: Client
) -> None:
    fields = {**form(browser.get(MACHINES), MACHINES).fields, "name": "Lathe"}
    fields |= {"kind": "lathe", "heartbeat_every": "30"}
    for _ in range(2):
        answer = browser.post(MACHINES, fields)
        assert "Machine added." in answer.text
    (device,) = client.get(DEVICES).json()["items"]
    assert answer.url.path == path_of(device)
    assert (device["name"], device["kind"], device["heartbeat_every"]) == ("Lathe", "lathe", 30)
    assert (device["serial"], device["status"]) == (None, "active")


def test_what_is_wrong_with_a_new_machine_is_told_beside_the_field_and_nothing_is_lost(
    browser: Browser, client: Client
) -> None:
    add(client, serial="S-1")
    browser.get(MACHINES)
    answer = browser.send(MACHINES, name="", location="Attic", heartbeat_every="5")
    assert answer.status_code == 422
    assert error_at(answer, "name")
    assert error_at(answer, "heartbeat_every")
    assert form(answer, MACHINES).fields["location"] == "Attic"
    answer = browser.send(MACHINES, name="Lathe", heartbeat_every="", serial="s-1")
    assert answer.status_code == 409
    assert error_at(answer, "serial") == "This serial number is already used by another device."
    assert "Machine added." in browser.send(MACHINES, serial="S-2").text


def test_a_page_of_a_machine_shows_whatever_it_tells_of_itself_as_text(
    browser: Browser, client: Client
) -> None:
    device = add(client, HOSTILE, kind=HOSTILE, location=HOSTILE)
    metrics = {HOSTILE: HOSTILE, "nested": {"deep": [1, {"é": "</pre>"}]}, "lines": "a\nb"}
    assert beat(client, device, agent_version=HOSTILE, metrics=metrics).status_code == 204
    for path in (path_of(device), MACHINES):
        text = browser.get(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;" in text
    text = browser.get(path_of(device)).text
    assert "&#34;é&#34;: &#34;&lt;/pre&gt;&#34;" in text
    assert form(browser.page, path_of(device)).fields["name"] == HOSTILE


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(10, "10 seconds"), (60, "1 minute"), (90, "90 seconds"), (5400, "90 minutes"),
     (3600, "1 hour"), (10_800, "3 hours")],
)  # fmt: skip
def test_the_check_in_interval_is_shown_in_its_largest_whole_unit(
    browser: Browser, client: Client, seconds: int, shown: str
) -> None:
    page = browser.get(path_of(add(client, heartbeat_every=seconds)))
    assert f"<dt>Check-in interval</dt><dd>{shown}</dd>" in re.sub(
        r"\s*(</?d[td]>)\s*", r"\1", page.text
    )


def test_a_machine_is_edited_and_what_is_wrong_is_told(browser: Browser, client: Client) -> None:
    path = path_of(add(client, location="Attic"))
    browser.get(path)
    answer = browser.send(path, name="Band saw", heartbeat_every="often")
    assert answer.status_code == 422
    assert error_at(answer, "heartbeat_every") == "Enter a whole number."
    assert form(answer, path).fields["name"] == "Band saw"
    answer = browser.send(path, heartbeat_every="120", status="maintenance", location="")
    assert "Saved." in answer.text
    device = client.get(path.replace("/office/machines", DEVICES)).json()
    assert (device["name"], device["heartbeat_every"]) == ("Band saw", 120)
    assert (device["status"], device["location"]) == ("maintenance", None)


def test_whoever_saves_second_sees_both_and_decides(browser: Browser, client: Client) -> None:
    device = add(client, location="Attic")
    path = path_of(device)
    browser.get(path)
    change = {"status": "retired", "location": "Cellar"}
    client.patch(path.replace("/office/machines", DEVICES), json=change)
    answer = browser.send(path, location="Wood shop", name="Band saw")
    assert answer.status_code == 412
    assert "Retired" in answer.text
    assert "Cellar" in answer.text
    assert "Wood shop" in answer.text
    browser.send(path)
    device = client.get(path.replace("/office/machines", DEVICES)).json()
    assert (device["name"], device["location"]) == ("Band saw", "Wood shop")
    assert device["status"] == "retired"


def test_a_new_key_is_shown_once_and_ends_the_one_before(browser: Browser, client: Client) -> None:
    device = add(client)
    path = path_of(device)
    keys = []
    for _ in range(2):
        asked = browser.get(path).text
        assert "stops working at once" in asked
        answer = browser.send(f"{path}/key")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        (key,) = re.findall(r'<code class="secret">(.*?)</code>', answer.text)
        keys.append(key)
        address = f"http://testserver/api/v1/devices/{device['id']}/heartbeat"
        assert f"curl --fail --request POST {address}" in answer.text
    assert beat(client, device, keys[0]).status_code == 401
    assert beat(client, device, keys[1]).status_code == 204
    assert keys[1] not in browser.get(path).text


@pytest.mark.parametrize("origin", ["http://testserver", "https://atelier.example"])
def test_reloading_the_page_that_shows_a_key_neither_makes_another_nor_shows_it_again(
    client: Client, origin: str
) -> None:
    browser = Browser(client, origin).sign_in(MEMBER)
    device = add(client)
    path = f"{path_of(device)}/key"
    browser.get(path_of(device))

    answer = browser.send(path, follow=False)

    assert (answer.status_code, answer.headers["location"]) == (303, path)
    cookie = answer.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", f"path={path}", "max-age=60"):
        assert part in cookie
    assert ("secure" in cookie) == origin.startswith("https")
    key = re.findall(r'<code class="secret">(.*?)</code>', browser.get(path).text)[0]
    assert key not in cookie
    again = browser.get(path)
    assert again.status_code == 200
    assert "A key is shown only once" in again.text
    assert key not in again.text
    assert beat(client, device, key).status_code == 204


def test_a_key_is_shown_to_nobody_else_and_at_no_other_machine(
    browser: Browser, client: Client
) -> None:
    mine, other = add(client), add(client, "Lathe")
    browser.get(path_of(mine))
    sealed = browser.send(f"{path_of(mine)}/key", follow=False).cookies["atelier-once"]
    somebody_else = Browser(client).sign_in(OTHER)

    for reader, device, value in (
        (somebody_else, mine, sealed),
        (browser, other, sealed),
        (browser, other, "atl_planted"),
        (browser, other, sealed.swapcase()),
        (browser, other, ""),
    ):
        reader.cookies.set("atelier-once", value, path=f"{path_of(device)}/key")
        answer = reader.get(f"{path_of(device)}/key")
        assert answer.status_code == 200
        assert "A key is shown only once" in answer.text


def test_a_key_asked_for_when_the_session_had_ended_is_shown_after_signing_in(
    browser: Browser, client: Client, clock: Clock
) -> None:
    device = add(client)
    browser.get(path_of(device))
    clock.now += SESSION_LIFETIME
    browser.send(f"{path_of(device)}/key")
    answer = browser.send("/sign-in", username="bob", password=PASSWORD)
    (key,) = re.findall(r'<code class="secret">(.*?)</code>', answer.text)
    assert beat(client, device, key).status_code == 204


def test_the_example_of_a_heartbeat_goes_to_where_the_page_is(client: Client) -> None:
    browser = Browser(client, "https://atelier.example").sign_in(MEMBER)
    path = path_of(add(client))
    browser.get(path)
    assert "POST https://atelier.example/api/v1/devices/" in browser.send(f"{path}/key").text


def test_a_machine_is_deleted_after_asking(browser: Browser, client: Client) -> None:
    path = path_of(add(client))
    assert "permanently deleted" in browser.get(path).text
    assert "Machine deleted." in browser.send(f"{path}/delete").text
    assert browser.get(path).status_code == 404
    assert client.get(DEVICES).json()["items"] == []


def test_a_machine_that_has_changed_since_is_not_deleted(browser: Browser, client: Client) -> None:
    path = path_of(add(client))
    browser.get(path)
    client.patch(path.replace("/office/machines", DEVICES), json={"location": "Attic"})
    answer = browser.send(f"{path}/delete")
    assert answer.status_code == 412
    assert "has changed since you read it" in answer.text
    assert form(answer, path).fields["location"] == "Attic"
    assert "Machine deleted." in browser.send(f"{path}/delete").text


def test_a_machine_typed_in_when_the_session_had_ended_is_added_after_signing_in(
    browser: Browser, client: Client, clock: Clock
) -> None:
    browser.get(MACHINES)
    clock.now += SESSION_LIFETIME
    assert browser.send(MACHINES, name="Lathe").status_code == 403
    assert "Machine added." in browser.send("/sign-in", username="bob", password=PASSWORD).text
    assert [device["name"] for device in client.get(DEVICES).json()["items"]] == ["Lathe"]


@pytest.mark.parametrize("way", ["", "/key", "/delete"])
def test_nothing_happens_to_a_machine_from_elsewhere_or_by_a_stranger(
    browser: Browser, client: Client, way: str
) -> None:
    device = add(client)
    fields = {"name": "Stolen", "version": "1"}
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    path = f"{path_of(device)}{way}"
    assert browser.post(path, fields, headers=elsewhere).status_code == 403
    assert Browser(client).post(path, fields).status_code == 403
    assert client.get(f"{DEVICES}/{device['id']}").json() == device


def test_there_is_no_page_of_a_machine_that_is_not_there(browser: Browser) -> None:
    nowhere = f"{MACHINES}/{OTHER.id}"
    for answer in (browser.get(nowhere), browser.post(f"{nowhere}/key"), browser.post(nowhere)):
        assert answer.status_code == 404
