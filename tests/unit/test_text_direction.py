"""People's text has a direction of its own on every page, whatever language the page is in."""

import re
from html.parser import HTMLParser
from typing import Any

from starlette.applications import Starlette

from entrypoints.pages.routes import PageRoute
from support.clients import Client
from support.pages import Browser
from support.people import ADMIN, MEMBER

API = "/api/v1"
RIGHT_TO_LEFT = re.compile("[\u0590-\u06ff]")
VOID = {"br", "hr", "img", "input", "link", "meta", "use"}
NOT_SHOWN = {"script", "style", "title"}

# These need what only a form before them gives, or show nothing that people wrote.
ELSEWHERE = {"/setup", "/feed.atom", "/robots.txt"}


class Directions(HTMLParser):
    """Finds text from right to left, and whether an element around it has `dir=auto`."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0
        self.wrong: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        automatic = told.get("dir") == "auto"
        if tag == "input" and told.get("type") != "hidden" and told.get("hidden", "no") == "no":
            self._judge(told.get("value") or "", automatic)
        if tag not in VOID:
            self._open.append((tag, automatic))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] not in NOT_SHOWN:
            self._judge(data, any(automatic for _, automatic in self._open))

    def _judge(self, text: str, automatic: bool) -> None:
        if RIGHT_TO_LEFT.search(text):
            self.found += 1
            if not automatic:
                self.wrong.append(f"{text} in {self._open}")


def create(client: Client, path: str, **members: Any) -> Any:
    answer = client.as_(ADMIN).post(f"{API}/{path}", json=members)
    assert answer.status_code == 201, answer.text
    return answer.json()


def furnish(client: Client) -> dict[str, str]:
    """Write Arabic and Hebrew wherever people can write; return what addresses name."""
    for person, name in ((ADMIN, "عائشة"), (MEMBER, "יוסף כהן")):
        members = {"name": name, "city": "القاهرة"}
        assert client.as_(ADMIN).patch(f"{API}/users/{person.id}", json=members).is_success
    category = create(client, "categories", name="أدوات")
    product = create(
        client,
        "products",
        name="מסור (2)",
        sku="מס-1",
        description="מברג חד.\nמאד.",
        price="1.00",
        stock=1,
        reorder_level=5,
        category_id=category["id"],
    )
    movement = {"quantity": 1, "reason": "received", "note": "وصل اليوم"}
    assert client.post(f"{API}/products/{product['id']}/movements", json=movement).is_success
    device = create(client, "devices", name="מדפסת", kind="طابعة", location="חדר 3", serial="א1")
    key = client.post(f"{API}/devices/{device['id']}/key").json()["key"]
    beat = {"agent_version": "גרסה 1", "metrics": {"حرارة": "حار", "x": {"y": "מים"}}}
    path = f"{API}/devices/{device['id']}/heartbeat"
    bearer = {"Authorization": f"Bearer {key}"}
    assert client.as_(None).post(path, json=beat, headers=bearer).is_success
    task = create(
        client, "tasks", title="שלום!", description="مرحبا", assignee_id=str(MEMBER.id), priority=9
    )
    post = create(client, "posts", title="أخبار (1)", content="# שלום\n\nמברג\n\n- مرحبا\n")
    post = client.post(f"{API}/posts/{post['id']}/publish").json()
    return {
        "slug": post["slug"],
        "username": ADMIN.username,
        "post_id": post["id"],
        "user_id": str(MEMBER.id),
        "task_id": task["id"],
        "product_id": product["id"],
        "category_id": category["id"],
        "device_id": device["id"],
    }


def judged(page: Any) -> Directions:
    assert page.status_code < 500, page.text
    found = Directions()
    found.feed(page.text)
    assert not found.wrong, (page.url, found.wrong)
    return found


def test_arabic_and_hebrew_have_their_own_direction_on_every_page(
    client: Client, app: Starlette
) -> None:
    known = furnish(client)
    browser = Browser(client).sign_in(ADMIN)
    browser.get("/office/profile/tokens")
    assert judged(browser.send("/office/profile/tokens", name="מפתח", scope="read")).found
    seen = set()
    for route in app.routes:
        if not isinstance(route, PageRoute) or "GET" not in (route.methods or ()):
            continue
        path = re.sub(r"{(\w+)(:\w+)?}", lambda match: known.get(match[1], "none"), route.path)
        if path not in ELSEWHERE and judged(browser.get(path)).found:
            seen.add(route.path)
    assert len(seen) >= 18, seen
    assert judged(browser.get("/office/tasks?q=שלום")).found > 3
    reader = Browser(client)
    for path in ("/", "/posts/{slug}", "/people/{username}"):
        assert judged(reader.get(path.format(**known))).found


def test_both_sides_of_a_conflict_have_their_own_direction(client: Client) -> None:
    known = furnish(client)
    browser = Browser(client).sign_in(ADMIN)
    for path, member in (("tasks", "title"), ("tasks", "description"), ("tasks", "assignee_id")):
        page = f"/office/{path}/{known['task_id']}"
        browser.get(page)
        others = {"title": "آخر", "description": "אחר", "assignee_id": str(ADMIN.id)}
        change = client.as_(ADMIN).patch(
            f"{API}/{path}/{known['task_id']}", json={member: others[member]}
        )
        assert change.is_success
        typed = "" if member == "assignee_id" else f"{others[member]} 2"
        assert judged(browser.send(page, {member: typed})).found >= 2
