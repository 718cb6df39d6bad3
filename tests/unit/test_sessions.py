"""Sessions: how a browser comes in, stays in and goes out, and what nobody else can do with it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from domain.access import SESSION_LIFETIME
from domain.base import Context
from domain.login_throttle import LOGIN_AT_ADDRESS_LIMIT
from domain.profile import UserChanges
from service_layer import access, users
from support.backends import Clock, client_of, memory_app
from support.clients import Answer, Client
from support.pages import HERE, Browser, error_at, form
from support.people import ADMIN, MEMBER, OTHER, PASSWORD, Person

SAFE = "https://atelier.example"
OFFICE = "/office"
TASKS = "/office/tasks"
TITLE = "Sharpen the planes"


@pytest.fixture
def browser(client: Client) -> Browser:
    return Browser(client)


def cookie_of(answer: Answer) -> tuple[str, str, set[str]]:
    """Return the name, the value and the attributes of the session's cookie in an answer."""
    lines = answer.headers.get_list("set-cookie")
    (line,) = (line for line in lines if not line.partition("=")[0].endswith("-known"))
    pair, *attributes = line.split("; ")
    name, _, value = pair.partition("=")
    return name, value, set(attributes)


def come_in(browser: Browser, whom: Person = MEMBER) -> Answer:
    """Sign in, and return the answer that lets in."""
    browser.get("/sign-in")
    return browser.send("/sign-in", username=whom.username, password=PASSWORD, follow=False)


def is_in(browser: Browser) -> bool:
    answer = browser.get(OFFICE, follow=False)
    if answer.status_code == 303:
        assert answer.headers["location"].startswith("/sign-in?")
        return False
    return answer.status_code == 200


def titles(client: Client) -> list[str]:
    return [task["title"] for task in client.get("/api/v1/tasks").json()["items"]]


# The cookie


def test_the_cookie_is_for_the_browser_alone_and_as_long_as_the_session(browser: Browser) -> None:
    answer = come_in(browser)

    assert (answer.status_code, answer.headers["location"]) == (303, OFFICE)
    assert answer.headers["cache-control"] == "no-store"
    name, value, attributes = cookie_of(answer)
    assert name == "atelier"
    assert value.startswith("atl_")
    lasts = f"Max-Age={int(SESSION_LIFETIME.total_seconds())}"
    assert attributes == {"HttpOnly", "SameSite=lax", "Path=/", lasts}


def test_behind_tls_the_cookie_belongs_to_this_host_and_to_tls(client: Client) -> None:
    name, _, attributes = cookie_of(come_in(Browser(client, SAFE)))
    assert name == "__Host-atelier"
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= attributes
    assert not any(attribute.startswith("Domain") for attribute in attributes)


def test_behind_tls_no_cookie_of_another_name_is_taken(client: Client) -> None:
    _, secret, _ = cookie_of(come_in(Browser(client, SAFE)))
    for name, comes_in in (("atelier", False), ("__Host-atelier", True)):
        other = Browser(client, SAFE)
        other.cookies.set(name, secret)
        assert is_in(other) is comes_in


def test_the_api_takes_no_cookie(client: Client) -> None:
    _, secret, _ = cookie_of(come_in(Browser(client)))
    for name in ("atelier", "__Host-atelier"):
        answer = client.as_(None).get("/api/v1/tasks", headers={"Cookie": f"{name}={secret}"})
        assert answer.status_code == 401
    assert client.as_(secret).get("/api/v1/tasks").status_code == 200


def test_a_personal_token_opens_no_page(browser: Browser, client: Client) -> None:
    browser.cookies.set("atelier", ADMIN.personal)
    assert not is_in(browser)
    answer = browser.post(TASKS, {"title": TITLE})
    assert answer.status_code == 403
    assert titles(client) == []


@pytest.mark.parametrize("cookie", ["atl_made-up", '"', "%00", "x" * 4_000])
def test_whatever_else_is_in_the_cookie_lets_nobody_in(browser: Browser, cookie: str) -> None:
    browser.cookies.set("atelier", cookie)
    assert not is_in(browser)


# Coming in and going out


def test_signing_in_ends_the_session_that_the_browser_had(client: Client) -> None:
    browser = Browser(client)
    _, before, _ = cookie_of(come_in(browser))
    fields = {"username": OTHER.username, "password": PASSWORD}
    _, after, _ = cookie_of(browser.post("/sign-in", fields, follow=False))
    assert before != after
    assert client.as_(before).get("/api/v1/users/me").status_code == 401
    assert client.as_(after).get("/api/v1/users/me").json()["username"] == OTHER.username


def test_a_secret_that_somebody_has_planted_is_not_taken_over(browser: Browser) -> None:
    browser.cookies.set("atelier", "atl_planted")
    _, secret, _ = cookie_of(come_in(browser))
    assert secret != "atl_planted"


def test_signing_out_ends_the_session_here_and_nowhere_else(client: Client) -> None:
    browser, elsewhere = Browser(client), Browser(client).sign_in(MEMBER)
    _, secret, _ = cookie_of(come_in(browser))
    browser.get(OFFICE)

    answer = browser.send("/sign-out", follow=False)

    name, value, attributes = cookie_of(answer)
    assert (name, value.strip('"')) == ("atelier", "")
    assert "Max-Age=0" in attributes
    assert client.as_(secret).get("/api/v1/users/me").status_code == 401
    assert not is_in(browser)
    assert is_in(elsewhere)
    assert "You are signed out." in browser.get(answer.headers["location"]).text


def test_signing_out_twice_is_signing_out(browser: Browser) -> None:
    browser.sign_in(MEMBER).send("/sign-out")
    assert browser.post("/sign-out", follow=False).headers["location"].startswith("/sign-in")


def test_whoever_is_signed_in_is_not_asked_to_sign_in(browser: Browser) -> None:
    browser.sign_in(MEMBER)
    answer = browser.get(f"/sign-in?then={TASKS}", follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, TASKS)


def test_a_session_ends_after_its_time(browser: Browser, clock: Clock) -> None:
    browser.sign_in(MEMBER)
    clock.now += SESSION_LIFETIME
    assert not is_in(browser)


def change_password(client: Client) -> None:
    change = {"current": PASSWORD, "new": "another good one"}
    assert client.as_(MEMBER).put("/api/v1/users/me/password", json=change).status_code == 204


def deactivate(client: Client) -> None:
    path = f"/api/v1/users/{MEMBER.id}"
    assert client.patch(path, json={"is_active": False}).status_code == 200


@pytest.mark.parametrize("end", [change_password, deactivate])
def test_another_password_and_deactivation_end_every_session(client: Client, end: Any) -> None:
    first, second = Browser(client).sign_in(MEMBER), Browser(client).sign_in(MEMBER)
    other = Browser(client).sign_in(OTHER)
    end(client)
    assert not is_in(first)
    assert second.post(TASKS, {"title": TITLE}).status_code == 403
    assert titles(client) == []
    assert is_in(other)


@pytest.mark.parametrize("way", ["another password", "deactivated"])
def test_what_another_process_ends_no_form_gets_past_and_a_page_for_less_than_a_second(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    app = memory_app(clock)
    with client_of(app) as client:
        sender, reader = Browser(client).sign_in(MEMBER), Browser(client).sign_in(MEMBER)
        assert is_in(sender)
        assert is_in(reader)
        # Another process does without this one's runner, so nothing is forgotten here.
        changes: UserChanges = {} if way == "another password" else {"is_active": False}
        password_hash = "another" if way == "another password" else None
        with app.state.container.unit_of_work() as uow:
            by, now = ADMIN.actor, clock()
            users.edit_user(
                uow, MEMBER.id, changes, password_hash=password_hash, ctx=Context(by, now)
            )
            access.revoke_tokens(uow, MEMBER.id, ctx=Context(None, now))
            uow.commit()

        assert sender.post(TASKS, {"title": TITLE}).status_code == 403
        assert titles(client) == []
        later = time.monotonic() + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert not is_in(reader)


# Who asks


def test_an_office_page_leads_to_where_one_signs_in_and_back(browser: Browser) -> None:
    answer = browser.get(f"{TASKS}?show=done&q=a%26b", follow=False)
    assert answer.status_code == 303
    browser.get(answer.headers["location"])
    answer = browser.send("/sign-in", username="bob", password=PASSWORD, follow=False)
    assert answer.headers["location"] == f"{TASKS}?show=done&q=a%26b"


ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "https:evil.example",
    "https://evil.example/office",
    "javascript:alert(1)",
    "/office\r\nSet-Cookie: a=b",
    "/office\nX: y",
    " //evil.example",
    "evil.example",
    "",
]


@pytest.mark.parametrize("then", ELSEWHERE)
def test_nobody_is_led_elsewhere_after_signing_in(browser: Browser, then: str) -> None:
    fields = {"username": "bob", "password": PASSWORD, "then": then}
    answer = browser.post("/sign-in", fields, follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, OFFICE)
    names = [line.partition("=")[0] for line in answer.headers.get_list("set-cookie")]
    assert names == ["atelier", "atelier-known"]


@pytest.mark.parametrize("then", ELSEWHERE)
def test_nobody_is_led_elsewhere_who_is_signed_in_or_goes_back(
    browser: Browser, client: Client, then: str
) -> None:
    browser.sign_in(MEMBER)
    request = browser.http.build_request("GET", f"{HERE}/sign-in", params={"then": then})
    browser.cookies.set_cookie_header(request)
    answer = browser.http.send(request, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, OFFICE)

    task = client.post("/api/v1/tasks", json={"title": TITLE}).json()["id"]
    answer = browser.post(f"{TASKS}/{task}/complete", {"back": then}, follow=False)
    assert answer.headers["location"] == f"{TASKS}?done=task-completed"


# From where


OWN_PAGE: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": HERE},
    {"Origin": HERE},
]
FOREIGN: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://other.testserver"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": HERE},
    {"Sec-Fetch-Site": ""},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "http://testserver:8080"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "http://evil.example/testserver"},
    {"Origin": "http://evil@testserver"},
    {"Origin": "http://["},
    {"Referer": f"{HERE}/office/tasks"},
]


@pytest.mark.parametrize("headers", OWN_PAGE)
def test_a_form_of_a_page_of_ours_is_taken(
    browser: Browser, client: Client, headers: dict[str, str]
) -> None:
    browser.sign_in(MEMBER)
    assert browser.post(TASKS, {"title": TITLE}, headers=headers).status_code == 200
    assert titles(client) == [TITLE]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_form_from_anywhere_else_changes_nothing(
    browser: Browser, client: Client, headers: dict[str, str]
) -> None:
    browser.sign_in(MEMBER)
    answer = browser.post(TASKS, {"title": TITLE}, headers=headers)
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.text
    assert titles(client) == []
    assert browser.post("/sign-out", headers=headers).status_code == 403
    assert is_in(browser)


@pytest.mark.parametrize("headers", FOREIGN)
def test_nobody_is_signed_in_from_elsewhere(browser: Browser, headers: dict[str, str]) -> None:
    fields = {"username": "bob", "password": PASSWORD}
    answer = browser.post("/sign-in", fields, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_behind_tls_an_origin_without_it_is_another(client: Client) -> None:
    browser = Browser(client, SAFE).sign_in(MEMBER)
    plain = {"Origin": SAFE.replace("https", "http")}
    assert browser.post(TASKS, {"title": TITLE}, headers=plain).status_code == 403
    assert browser.post(TASKS, {"title": TITLE}).status_code == 200
    assert titles(client) == [TITLE]


def test_tls_may_end_at_a_proxy_that_is_not_trusted_to_say_so(client: Client) -> None:
    browser = Browser(client).sign_in(MEMBER)
    headers = {"Origin": HERE.replace("http", "https")}
    assert browser.post(TASKS, {"title": TITLE}, headers=headers).status_code == 200


# Who it is


def test_it_is_not_told_whether_the_name_or_the_password_was_wrong(
    browser: Browser, client: Client
) -> None:
    client.patch(f"/api/v1/users/{OTHER.id}", json={"is_active": False})
    pages = set()
    for username, password in (("nobody", PASSWORD), ("bob", "wrong"), ("cleo", PASSWORD)):
        browser.get("/sign-in")
        answer = browser.send("/sign-in", username=username, password=password)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "www-authenticate" not in answer.headers
        assert "Wrong username or password." in answer.text
        assert form(answer, "/sign-in").fields["username"] == username
        assert "wrong" not in form(answer, "/sign-in").fields.values()
        pages.add(answer.text.replace(username, "NAME"))
    assert len(pages) == 1


@pytest.mark.parametrize(
    ("username", "password", "wrong"),
    [("", PASSWORD, "username"), ("bob", "", "password"), ("b\0b", PASSWORD, "username")],
)
def test_what_cannot_be_a_name_or_a_password_is_told_beside_the_field(
    browser: Browser, username: str, password: str, wrong: str
) -> None:
    browser.get("/sign-in")
    answer = browser.send("/sign-in", username=username, password=password)
    assert answer.status_code == 422
    assert error_at(answer, wrong)


def test_too_many_attempts_are_told_on_the_form_and_end(browser: Browser, clock: Clock) -> None:
    browser.get("/sign-in")
    for _ in range(LOGIN_AT_ADDRESS_LIMIT.max_failures):
        assert browser.send("/sign-in", username="bob", password="wrong").status_code == 401
    answer = browser.send("/sign-in", username="bob", password=PASSWORD)
    assert answer.status_code == 429
    assert "Too many attempts. Try again in 15 minutes." in answer.text
    assert form(answer, "/sign-in").fields["username"] == "bob"

    clock.now += LOGIN_AT_ADDRESS_LIMIT.window
    assert "Bob" in browser.send("/sign-in", username="bob", password=PASSWORD).text


# What was sent when the session had ended


def sent_too_late(browser: Browser, clock: Clock, whom: Person = MEMBER) -> Answer:
    """Have somebody send a form after their session has ended."""
    browser.sign_in(whom).get(TASKS)
    clock.now += SESSION_LIFETIME
    return browser.send(TASKS, title=TITLE, description='All "five" of\nthem & <b>more</b>')


def test_what_is_sent_when_the_session_has_ended_is_saved_after_signing_in(
    browser: Browser, client: Client, clock: Clock
) -> None:
    answer = sent_too_late(browser, clock)
    assert answer.status_code == 403
    assert "save your changes" in answer.text
    assert titles(client) == []

    answer = browser.send("/sign-in", username="bob", password=PASSWORD)

    assert "Task added." in answer.text
    (task,) = client.get("/api/v1/tasks").json()["items"]
    assert (task["title"], task["created_by"]["username"]) == (TITLE, "bob")
    assert task["description"] == 'All "five" of\nthem & <b>more</b>'
    assert is_in(browser)


def test_what_was_kept_outlives_a_wrong_password(
    browser: Browser, client: Client, clock: Clock
) -> None:
    sent_too_late(browser, clock)
    assert browser.send("/sign-in", username="bob", password="wrong").status_code == 401
    assert browser.send("/sign-in", username="bob", password="").status_code == 422
    browser.send("/sign-in", username="bob", password=PASSWORD)
    assert titles(client) == [TITLE]


def test_what_was_kept_is_done_as_whoever_signs_in(
    browser: Browser, client: Client, clock: Clock
) -> None:
    sent_too_late(browser, clock)
    browser.send("/sign-in", username="cleo", password=PASSWORD)
    (task,) = client.get("/api/v1/tasks").json()["items"]
    assert task["created_by"]["username"] == "cleo"


def test_what_was_kept_is_done_by_the_rights_of_whoever_signs_in(
    browser: Browser, client: Client, clock: Clock
) -> None:
    path = f"/office/people/{OTHER.id}"
    browser.sign_in(ADMIN).get(path)
    clock.now += SESSION_LIFETIME
    browser.send(f"{path}/deactivate")
    answer = browser.send("/sign-in", username="bob", password=PASSWORD)
    assert answer.status_code == 403
    assert "Only an admin may do this." in answer.text
    assert client.get(f"/api/v1/users/{OTHER.id}").json()["is_active"] is True
    assert is_in(browser)


def test_what_was_kept_and_cannot_be_done_is_shown_with_what_is_wrong(
    browser: Browser, client: Client, clock: Clock
) -> None:
    browser.sign_in(MEMBER).get(TASKS)
    clock.now += SESSION_LIFETIME
    browser.send(TASKS, title=TITLE, priority="12")
    answer = browser.send("/sign-in", username="bob", password=PASSWORD)
    assert answer.status_code == 422
    assert error_at(answer, "priority")
    assert form(answer, TASKS).fields["title"] == TITLE
    browser.send(TASKS, priority="9")
    assert titles(client) == [TITLE]


def test_a_password_is_not_kept_but_asked_for_again(
    browser: Browser, client: Client, clock: Clock
) -> None:
    browser.sign_in(ADMIN).get("/office/people")
    clock.now += SESSION_LIFETIME
    profile = {"username": "dora", "email": "dora@example.org", "name": "Dora"}
    answer = browser.send("/office/people", profile, password="canary of a password")
    assert answer.status_code == 403
    assert "canary" not in answer.text
    answer = browser.send("/sign-in", username="ada", password=PASSWORD)
    assert error_at(answer, "password")
    assert form(answer, "/office/people").fields["name"] == "Dora"
    assert "Person added." in browser.send("/office/people", password="canary of a password").text


@pytest.mark.parametrize("then", ["/setup", "/sign-out", "/sign-in", "/api/v1/tasks", "/nowhere"])
def test_only_a_form_of_the_office_is_resumed(browser: Browser, client: Client, then: str) -> None:
    fields = {"resume": "1", "then": then, "kept.title": TITLE}
    credentials = {"username": "bob", "password": PASSWORD}
    answer = browser.post("/sign-in", {**fields, **credentials}, follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, OFFICE)
    assert titles(client) == []
    assert is_in(browser)


# The first admin


@pytest.fixture
def empty(clock: Clock) -> Iterator[tuple[Browser, str]]:
    """A workshop in which there is nobody yet, and the secret that lets the first admin in."""
    app = memory_app(clock)
    with app.state.container.unit_of_work() as uow:
        for person in (ADMIN, MEMBER, OTHER):
            access.revoke_tokens(uow, person.id, ctx=Context(None, clock()))
            uow.users.remove(uow.users.get(person.id))
        uow.commit()
    with app.state.container.unit_of_work() as uow:
        secret = access.prepare_setup(uow, ctx=Context(None, clock()))
        uow.commit()
    with client_of(app) as client:
        yield Browser(client), secret or ""


FIRST = {"name": "Grace", "username": "grace", "email": "grace@example.org"}


def test_whoever_has_the_secret_becomes_the_first_admin_and_is_in(
    empty: tuple[Browser, str],
) -> None:
    browser, secret = empty
    browser.get("/office")
    assert browser.page.url.path == "/setup"
    browser.get(f"/setup?secret={secret}")
    answer = browser.send("/setup", FIRST, password=PASSWORD)
    assert answer.url.path == OFFICE
    assert "Grace" in answer.text
    assert browser.get("/setup").url.path == OFFICE
    answer = browser.post("/setup", {**FIRST, "secret": secret, "password": PASSWORD}, follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_wrong_secret_makes_no_admin_and_what_was_typed_stays(empty: tuple[Browser, str]) -> None:
    browser, secret = empty
    browser.get("/setup")
    answer = browser.send("/setup", FIRST, secret="atl_guessed", password="canary of a password")
    assert answer.status_code == 401
    assert "This is not the setup code" in answer.text
    assert "canary" not in answer.text
    assert "set-cookie" not in answer.headers
    assert FIRST.items() <= form(answer, "/setup").fields.items()
    answer = browser.send("/setup", secret=secret, password=PASSWORD)
    assert "Grace" in answer.text


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ("email", "nowhere"),
        ("username", "two words"),
        ("name", "G"),
        ("password", "canary"),
        ("password", ""),
    ],
)
def test_what_is_wrong_with_the_first_admin_is_told_beside_the_field(
    empty: tuple[Browser, str], wrong: str, value: str
) -> None:
    browser, secret = empty
    browser.get("/setup")
    typed = {**FIRST, "secret": secret, "password": "canary of a password", wrong: value}
    answer = browser.send("/setup", typed)
    assert answer.status_code == 422
    assert error_at(answer, wrong)
    assert "canary" not in answer.text
    right = {**FIRST, "password": PASSWORD}[wrong]
    answer = browser.send("/setup", {"password": PASSWORD, wrong: right})
    assert "Grace" in answer.text


def test_a_setup_form_without_a_password_is_no_defect(empty: tuple[Browser, str]) -> None:
    browser, secret = empty
    answer = browser.post("/setup", {**FIRST, "secret": secret})
    assert answer.status_code == 422
    assert "This is required." in answer.text


def test_a_workshop_that_is_set_up_has_no_setup_page(browser: Browser) -> None:
    answer = browser.get("/setup", follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    answer = browser.post("/setup", {**FIRST, "secret": "x", "password": PASSWORD}, follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


# What stands in a cookie


def test_a_session_is_found_among_other_cookies_and_by_its_own_name_alone(
    client: Client, browser: Browser
) -> None:
    name, value, _ = cookie_of(come_in(browser))
    for line, is_known in (
        (f"{name}={value}", True),
        (f"a=b; {name}={value}; c=d", True),
        (f' ;a="b;{name} = {value} ;=', True),
        (f"{name}=wrong; {name}={value}", True),
        (f"x{name}={value}", False),
        (f"{name}x={value}; {name.upper()}={value}", False),
        (f'{name}="{value}', False),
        (f"{name}={value}{'x' * 100}", False),
        (f'{name}="' + '\\"' * 30_000 + '"', False),
        (";" * 60_000 + name, False),
    ):
        page = client.as_(None).get(OFFICE, headers={"Cookie": line}, follow_redirects=False)
        assert (page.status_code == 200) is is_known, line[:80]


def test_a_text_too_long_for_a_token_is_none(client: Client) -> None:
    for header in (f"Bearer {MEMBER.token}{'x' * 100}", f"Bearer {'x' * 60_000}"):
        answer = client.get("/api/v1/tasks", headers={"Authorization": header})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
