"""From a list to one thing and back: the list is as it was left."""

import re
from html import unescape
from urllib.parse import quote

import pytest

from support.clients import Answer, Client
from support.pages import Browser, form
from support.people import ADMIN, OTHER

LISTS = {
    "/office/tasks": "?show=all&q=thing&sort=title",
    "/office/stock": "?in_stock=false&q=thing",
    "/office/machines": "?q=thing&status=active",
    "/office/news": "?show=drafts&q=thing",
    "/office/people": "?q=c&is_active=true",
}


@pytest.fixture
def browser(client: Client) -> Browser:
    return Browser(client).sign_in(ADMIN)


def add(client: Client, path: str) -> str:
    """Add what a list is to show, and return the address of its page."""
    if path == "/office/people":
        return f"{path}/{OTHER.id}"
    resource, body = {
        "/office/tasks": ("tasks", {"title": "A thing"}),
        "/office/stock": ("products", {"name": "A thing", "price": "1.00"}),
        "/office/machines": ("devices", {"name": "A thing"}),
        "/office/news": ("posts", {"title": "A thing", "content": "Text"}),
    }[path]
    answer = client.post(f"/api/v1/{resource}", json=body)
    assert answer.status_code == 201, answer.text
    return f"{path}/{answer.json()['id']}"


def links(page: Answer) -> list[str]:
    return [unescape(link) for link in re.findall(r' (?:href|action)="([^"]+)"', page.text)]


def follow(browser: Browser, start: str) -> Answer:
    """Follow the link of the page that leads to an address, whatever its query."""
    (link,) = {link for link in links(browser.page) if link.partition("?")[0] == start}
    return browser.get(link)


def sends(browser: Browser, start: str) -> str:
    """Return the action of the form of the page that is sent to an address."""
    (link,) = {
        link for link in links(browser.page) if link.partition("?")[0] == start and "?" in link
    }
    return link


@pytest.mark.parametrize(("path", "query"), LISTS.items())
def test_a_list_is_as_it_was_left_after_its_things_are_looked_at_edited_and_deleted(
    browser: Browser, client: Client, path: str, query: str
) -> None:
    thing, way_back = add(client, path), f"{path}{query}"
    browser.get(way_back)
    assert way_back in links(follow(browser, thing))

    if path == "/office/stock":
        assert way_back in links(follow(browser, f"{thing}/edit"))
        saving = sends(browser, f"{thing}/edit")
    else:
        saving = sends(browser, thing)
    fields = form(browser.page, saving).fields
    # Refused, and another version than the one that is there, and then right.
    name = "title" if "title" in fields else "name"
    page = browser.post(saving, {**fields, name: ""})
    assert page.status_code == 422
    assert way_back in links(page)
    page = browser.post(saving, {**fields, name: "Another thing", "version": "7"})
    assert page.status_code == 412
    assert saving in links(page)
    page = browser.post(saving, {**fields, name: "Another thing"})
    assert "Saved." in page.text
    assert way_back in links(page)

    if path == "/office/stock":
        page = browser.post(sends(browser, f"{thing}/move"), {"what": "sold", "pieces": "1"})
        assert page.status_code == 409
        follow(browser, f"{thing}/edit")
    deleting = sends(browser, f"{thing}/delete")
    page = browser.send(deleting, follow=False)
    assert page.status_code == 303
    assert page.headers["location"].startswith(f"{way_back}&done=")


@pytest.mark.parametrize("path", LISTS)
def test_a_way_back_leads_nowhere_but_into_the_office(
    browser: Browser, client: Client, path: str
) -> None:
    thing = add(client, path)
    before = set(links(browser.get(thing)))
    for back in (
        "https://evil.example/", "//evil.example/", "/\\evil.example", "/office\\..\\x",
        "javascript:alert(1)", "/officer", "/sign-out", "office", "/office/\r\nX: y",
        "/office/\u00e9", " /office", "/office?" + "x" * 4_000,
    ):  # fmt: skip
        page = browser.get(f"{thing}?back={quote(back, safe='')}")
        assert page.status_code == 200
        assert set(links(page)) == before
    hostile = quote("/office?<script>'\"", safe="")
    page = browser.get(f"{thing}?back={hostile}")
    assert "<script>" not in page.text


@pytest.mark.parametrize("path", [*LISTS, "/office/stock/categories", "/", "/people/ada"])
def test_a_blank_search_and_parameters_of_others_are_ignored_by_a_list(
    browser: Browser, client: Client, path: str
) -> None:
    for list_path in LISTS:
        add(client, list_path)
    plain = browser.get(path)
    assert plain.status_code == 200
    shown = re.findall(r'class="item-title"[^>]*>([^<]+)<', plain.text)

    for query in ("q=+", "q=%20%09&sort=+", "cursor=+", "utm_source=a&utm_source=b&fbclid=%ff%fe"):
        page = browser.get(f"{path}?{query}")
        assert page.status_code == 200, query
        assert re.findall(r'class="item-title"[^>]*>([^<]+)<', page.text) == shown
    assert client.get("/api/v1/tasks?q=+").status_code == 422
    assert client.get("/api/v1/tasks?utm_source=a").status_code == 422
