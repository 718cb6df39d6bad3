"""Registration: how people become members of their own accord, where that is open."""

import pytest
from fastapi import FastAPI

from adapters import passwords
from domain.login_throttle import ADDRESS_LIMIT
from support.backends import Clock, client_of, memory_app
from support.clients import Client
from support.pages import Browser, error_at, form
from support.people import MEMBER
from support.throttle import fail_from_address

REGISTER = "/register"
NEW = {"name": "Dora", "username": "dora", "email": "dora@example.org", "password": "long enough"}


@pytest.fixture
def app(clock: Clock) -> FastAPI:
    return memory_app(clock, registration_open=True)


@pytest.fixture
def browser(client: Client) -> Browser:
    return Browser(client)


def test_whoever_registers_is_a_member_and_signed_in(browser: Browser, client: Client) -> None:
    page = browser.get("/sign-in")
    assert f'<a href="{REGISTER}">' in page.text
    browser.get(REGISTER)
    page = browser.send(REGISTER, NEW)
    assert page.url.path == "/office"
    assert "Your account is ready." in page.text
    users = client.get("/api/v1/users?sort=-created_at&limit=1").json()["items"]
    assert (users[0]["username"], users[0]["role"]) == ("dora", "member")
    # Who is signed in has no use for the page.
    assert browser.get(REGISTER, follow=False).headers["location"] == "/office"
    assert browser.post(REGISTER, NEW, follow=False).headers["location"] == "/office"


def test_what_is_wrong_is_told_beside_its_field_and_the_rest_is_kept(browser: Browser) -> None:
    browser.get(REGISTER)
    for typed, field, status in (
        ({"username": MEMBER.username}, "username", 409),
        ({"email": "nothing"}, "email", 422),
        ({"password": "password1"}, "password", 422),
        ({"username": "dora.dora", "password": "dora.dora"}, "password", 422),
    ):
        answer = browser.send(REGISTER, {**NEW, **typed})
        assert answer.status_code == status
        assert error_at(answer, field)
        kept = form(answer, REGISTER).fields
        assert (kept["name"], kept["password"]) == ("Dora", "")


def test_a_form_from_elsewhere_registers_nobody(browser: Browser, client: Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.post(REGISTER, NEW, headers=headers).status_code == 403
    assert client.get("/api/v1/users?q=dora").json()["items"] == []


def test_registering_is_limited_by_address(client: Client) -> None:
    fail_from_address(client, ADDRESS_LIMIT.max_failures)
    answer = Browser(client).post(REGISTER, NEW)
    assert answer.status_code == 429
    assert "Too many attempts." in answer.text


def test_an_account_that_is_made_is_told_even_if_signing_in_has_to_wait(
    browser: Browser, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "STRANGERS_WAITING", 0)
    answer = browser.post(REGISTER, NEW)
    assert answer.url.path == "/sign-in"
    assert "Your account is ready." in answer.text
    monkeypatch.undo()
    assert "Dora" in browser.sign_in("dora", "long enough").page.text


def test_where_registration_is_closed_there_is_no_such_page(clock: Clock) -> None:
    with client_of(memory_app(clock)) as client:
        browser = Browser(client)
        assert REGISTER not in browser.get("/sign-in").text
        assert browser.get(REGISTER).status_code == 404
        assert browser.post(REGISTER, NEW).status_code == 404
        assert client.get("/api/v1/users?q=dora").json()["items"] == []
