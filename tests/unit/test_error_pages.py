"""Errors in the office: whoever is signed in keeps the navigation."""

from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi import FastAPI

from service_layer.errors import DatabaseUnavailable
from support.clients import Answer, Client
from support.pages import Browser
from support.people import ADMIN, MEMBER

FRAME = '<header class="office-head">'


class Failing:
    """The ports of an application, of which the one for tasks fails."""

    def __init__(self, ports: Any, error: Exception) -> None:
        self._ports = ports
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ports, name)

    @property
    def task_queries(self) -> Any:
        raise self._error


def assert_in_frame(page: Answer, status: int, name: str = "Bob") -> None:
    assert page.status_code == status
    assert page.headers["cache-control"] == "no-store"
    assert FRAME in page.text
    assert f">{name}</span></summary>" in page.text
    assert page.headers["x-request-id"] in page.text


def test_an_error_in_the_office_keeps_its_navigation(client: Client) -> None:
    browser = Browser(client).sign_in(MEMBER)
    assert_in_frame(browser.get("/office/nowhere"), 404)
    assert_in_frame(browser.get(f"/office/tasks/{ADMIN.id}"), 404)
    assert_in_frame(browser.get("/office/tasks?cursor=made-up"), 400)
    assert_in_frame(browser.get("/office/machines?status=broken"), 422)
    assert_in_frame(browser.get(f"/office/tasks/{ADMIN.id}/complete"), 405)
    assert_in_frame(browser.post(f"/office/people/{ADMIN.id}/delete"), 403)
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert_in_frame(browser.post("/office/tasks", {"title": "x"}, headers=elsewhere), 403)


@pytest.mark.parametrize(
    ("error", "status"), [(DatabaseUnavailable("The database is away."), 503), (ValueError(), 500)]
)
def test_an_error_of_the_service_keeps_the_navigation_of_the_office(
    app: FastAPI, client: Client, error: Exception, status: int
) -> None:
    browser = Browser(client).sign_in(MEMBER)
    app.state.ports = Failing(app.state.ports, error)
    assert_in_frame(browser.get("/office/tasks"), status)


def test_an_error_is_told_even_if_it_cannot_be_told_who_is_signed_in(
    app: FastAPI, client: Client
) -> None:
    browser = Browser(client).sign_in(MEMBER)

    class Away(Failing):
        @property
        def authenticator(self) -> Any:
            raise self._error

    for error, status in ((DatabaseUnavailable("The database is away."), 503), (ValueError(), 500)):
        app.state.ports = Away(app.state.ports, error)
        page = browser.get("/office/tasks")
        assert page.status_code == status
        assert FRAME in page.text
        page = browser.get("/office/nowhere")
        assert page.status_code == 404
        assert FRAME in page.text


def test_an_error_shows_strangers_and_the_site_nothing_of_the_office(client: Client) -> None:
    browser = Browser(client).sign_in(MEMBER)
    assert FRAME not in browser.get("/posts/nowhere").text
    assert FRAME not in browser.get("/officer").text
    stranger = Browser(client)
    page = stranger.get("/office/nowhere")
    assert page.status_code == 404
    assert FRAME not in page.text
    stranger.cookies.set("atelier", "atl_made_up")
    assert FRAME not in stranger.get("/office/nowhere").text


@pytest.mark.parametrize(
    ("path", "action", "names"),
    [
        ("/office/tasks", "/office/tasks", {"title"}),
        ("/office/news/new", "/office/news", {"title", "content"}),
        ("/office/stock/new", "/office/stock/new", {"name", "price"}),
        ("/office/machines", "/office/machines", {"name"}),
    ],
)
def test_a_field_with_an_error_is_marked_as_invalid_and_described_by_it(
    client: Client, path: str, action: str, names: set[str]
) -> None:
    class Fields(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            told = dict(attrs)
            if told.get("aria-invalid") == "true" and "required" in told:
                marked[str(told["name"])] = (told.get("aria-describedby") or "").split()

    marked: dict[str, list[str]] = {}
    browser = Browser(client).sign_in(MEMBER)
    browser.get(path)
    page = browser.send(action, dict.fromkeys(names, " "))
    assert page.status_code == 422
    Fields().feed(page.text)
    assert marked.keys() == names
    for name, ids in marked.items():
        assert f"{name}-error" in ids
        assert all(f'id="{id}"' in page.text for id in ids)
