"""Who is let in, who is not, and what does not get lost on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import StorageState, expect

from browser.conftest import Visit
from support.clients import Client
from support.service import Service

TASKS = "/api/v1/tasks"


def titled(api: Client, title: str) -> list[Any]:
    """Return the tasks of this title."""
    found = api.get(TASKS, params={"q": title}).json()["items"]
    return [task for task in found if task["title"] == title]


def test_who_was_signed_out_meanwhile_signs_in_and_what_they_sent_is_saved(
    workshop: Service, api: Client, visit: Visit
) -> None:
    task = api.post(TASKS, json={"title": "Oil the lathe"}).json()
    ada = visit(workshop)
    ada.sign_in()
    ada.open(f"/office/tasks/{task['id']}")
    ada.type(Title="Oil the lathe, and the drill press")
    (cookie,) = (one for one in ada.context.cookies() if "known" not in one["name"])
    ended = api.as_(cookie["value"]).delete("/api/v1/auth/token")
    assert ended.status_code == 204
    ada.watch.provoke(403)
    ada.click("Save")
    ada.sees("You've been signed out.")
    ada.fill_sign_in()
    ada.click("Sign in and save")
    ada.sees("Saved.")
    assert api.get(f"{TASKS}/{task['id']}").json()["title"] == "Oil the lathe, and the drill press"


@pytest.mark.parametrize("scripts", [True, False])
def test_a_double_click_makes_one_task(
    workshop: Service, api: Client, signed_in: StorageState, visit: Visit, scripts: bool
) -> None:
    title = f"Order sandpaper {scripts}"
    ada = visit(workshop, scripts=scripts, state=signed_in)
    ada.open("/office/tasks")
    ada.type(Title=title)
    ada.page.get_by_role("button", name="Add task").dblclick()
    ada.sees("Task added.")
    assert len(titled(api, title)) == 1


def test_a_form_that_is_sent_twice_without_javascript_makes_one_task(
    workshop: Service, api: Client, signed_in: StorageState, visit: Visit
) -> None:
    ada = visit(workshop, scripts=False, state=signed_in)
    ada.open("/office/tasks")
    ada.type(Title="Order varnish")
    # A tab of its own for each answer: so the first is not given up for the second.
    form = ada.page.get_by_role("form", name="Add task")
    form.evaluate("(form) => { form.target = '_blank' }")
    for _ in range(2):
        with ada.context.expect_page() as opened:
            ada.click("Add task")
        expect(opened.value.get_by_text("Task added.")).to_be_visible()
    assert len(titled(api, "Order varnish")) == 1


def test_after_signing_out_the_back_button_leads_to_nothing_private(
    workshop: Service, visit: Visit
) -> None:
    ada = visit(workshop)
    ada.sign_in()
    ada.open("/office/tasks")
    ada.open("/office")
    ada.page.locator("summary", has_text="Ada Lovelace").click()
    ada.click("Sign out")
    ada.sees("You are signed out.")
    for _ in range(2):
        ada.page.go_back()
        ada.sees_no("Ada Lovelace")
    expect(ada.page.get_by_role("heading", name="Sign in")).to_be_visible()


class Elsewhere(BaseHTTPRequestHandler):
    """A site of somebody else's, with a form that is sent to us."""

    target = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        form = (
            f'<form method="post" action="{self.target}"><input name="title" value="Paid for">'
            "<button>Win a prize</button></form>"
        )
        self.wfile.write(form.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def elsewhere(target: str) -> Iterator[int]:
    """Serve a page whose form is sent to an address; yield the port."""
    handler = type("Handler", (Elsewhere,), {"target": target})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_form_on_somebody_elses_page_changes_nothing(
    workshop: Service, api: Client, signed_in: StorageState, visit: Visit, host: str
) -> None:
    ada = visit(workshop, state=signed_in)
    before = api.get(f"{TASKS}/count").json()
    with elsewhere(f"{workshop.url}/office/tasks") as port:
        ada.watch.hosts.add(f"{host}:{port}")
        ada.watch.provoke(403)
        ada.open(f"http://{host}:{port}/")
        ada.click("Win a prize")
        ada.sees("This form was not sent from a page of this workshop. Nothing was changed.")
    assert api.get(f"{TASKS}/count").json() == before
    assert titled(api, "Paid for") == []


def test_one_signs_in_and_adds_a_task_by_keyboard_alone(
    workshop: Service, api: Client, visit: Visit
) -> None:
    ada = visit(workshop)
    ada.open("/sign-in")
    keys = ada.page.keyboard
    expect(ada.page.get_by_label("Username or e-mail address")).to_be_focused()
    keys.type("ada")
    keys.press("Tab")
    keys.type("correct horse battery")
    keys.press("Enter")
    ada.sees_greeting()
    keys.press("Tab")
    skip = ada.page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    for _ in range(20):
        if ada.page.evaluate("document.activeElement.textContent.trim()") == "Tasks":
            break
        keys.press("Tab")
    keys.press("Enter")
    expect(ada.page.get_by_role("heading", name="Tasks", level=1)).to_be_visible()
    keys.press("Tab")
    keys.press("Enter")  # on the link that skips the navigation
    keys.press("Tab")
    expect(ada.page.get_by_label("Title", exact=True)).to_be_focused()
    keys.type("Tidy up by keyboard")
    keys.press("Enter")
    ada.sees("Task added.")
    assert len(titled(api, "Tidy up by keyboard")) == 1


SHOWN = """() => {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return {
    what: at.outerHTML.slice(0, 120),
    seen: outlined && box.width > 0 && box.height > 0 && box.top < innerHeight && box.bottom > 0,
    end: at === document.body,
  };
}"""


@pytest.mark.parametrize("path", ["/office", "/office/tasks", "/sign-in"])
def test_wherever_the_keyboard_gets_to_is_seen(
    workshop: Service, signed_in: StorageState, visit: Visit, path: str
) -> None:
    somebody = visit(workshop, state=None if path == "/sign-in" else signed_in)
    somebody.open(path)
    stops = 0
    for _ in range(120):
        somebody.page.keyboard.press("Tab")
        at = somebody.page.evaluate(SHOWN)
        if at["end"]:
            break
        assert at["seen"], at["what"]
        stops += 1
    assert stops >= 3
