"""Everybody's own corner of the office: profile, picture, password and tokens."""

import io
import re
from typing import Any

import pytest
from PIL import Image

from domain.access import MAX_TOKENS, SESSION_LIFETIME
from domain.login_throttle import CONFIRMATION_LIMIT
from support.backends import Clock
from support.clients import Answer, Client
from support.pages import Browser, error_at, form
from support.people import MEMBER, OTHER, PASSWORD

PROFILE = "/office/profile"
PICTURE = f"{PROFILE}/picture"
CHANGE = f"{PROFILE}/password"
TOKENS = f"{PROFILE}/tokens"
ME = "/api/v1/users/me"
NEW_PASSWORD = "quite another one"


def me(client: Client) -> dict[str, Any]:
    told: dict[str, Any] = client.as_(MEMBER).get(ME).json()
    return told


def drawn(format: str = "PNG", width: int = 40) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, 30)).convert("RGB").save(file, format)
    return file.getvalue()


def send_picture(browser: Browser, content: bytes, name: str = "me.png") -> Answer:
    browser.get(PROFILE)
    return browser.send(PICTURE, files={"picture": (name, content, "image/png")})


# Who one is


def test_one_edits_ones_profile(browser: Browser, client: Client) -> None:
    browser.get(PROFILE)
    fields = form(browser.page, PROFILE).fields
    assert (fields["username"], fields["email"]) == (MEMBER.username, MEMBER.email)
    assert "role" not in fields
    answer = browser.send(PROFILE, city="Porto", age="200")
    assert answer.status_code == 422
    assert error_at(answer, "age")
    assert form(answer, PROFILE).fields["city"] == "Porto"
    assert "Saved." in browser.send(PROFILE, age="36").text
    told = me(client)
    assert (told["city"], told["age"], told["name"]) == ("Porto", 36, "Bob")


def test_a_name_that_somebody_else_has_is_told_beside_it(browser: Browser) -> None:
    browser.get(PROFILE)
    answer = browser.send(PROFILE, username="CLEO")
    assert answer.status_code == 409
    assert error_at(answer, "username") == "This username is already used by another person."


def test_what_an_admin_has_changed_meanwhile_is_shown_to_decide(
    browser: Browser, client: Client
) -> None:
    browser.get(PROFILE)
    client.patch(f"/api/v1/users/{MEMBER.id}", json={"name": "Robert", "city": "Porto"})
    answer = browser.send(PROFILE, name="Bobby")
    assert answer.status_code == 412
    assert "Robert" in answer.text
    assert "Bobby" in answer.text
    browser.send(PROFILE)
    assert (me(client)["name"], me(client)["city"]) == ("Bobby", "Porto")


def test_nobody_makes_themselves_an_admin_by_the_form(browser: Browser, client: Client) -> None:
    browser.get(PROFILE)
    browser.send(PROFILE, role="admin", password=NEW_PASSWORD, city="Porto")
    assert (me(client)["role"], me(client)["city"]) == ("member", "Porto")
    assert "Bob" in Browser(client).sign_in(MEMBER).page.text


# Their picture


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_one_shows_another_picture_of_oneself(
    browser: Browser, client: Client, format: str
) -> None:
    answer = send_picture(browser, drawn(format))
    assert "Photo updated." in answer.text
    address = me(client)["image_url"]
    assert f'src="{address}"' in answer.text
    assert client.get(address).status_code == 200

    send_picture(browser, drawn(format, 50))
    assert client.get(address).status_code == 404

    answer = browser.send(f"{PICTURE}/remove")
    assert "Photo removed." in answer.text
    assert me(client)["image_url"] == "/media/default.png"
    assert f"{PICTURE}/remove" not in answer.text


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "Send a PNG, JPEG or WebP picture."),
        (drawn()[:60], 422, "Send a picture that is not damaged."),
        (b"", 422, "Choose a photo first."),
        (b"\x89PNG" + bytes(2 * 1024 * 1024), 413, "Choose a photo of at most 2 MiB."),
        (b"\x89PNG" + bytes(3 * 1024 * 1024), 413, "Choose a photo of at most 2 MiB."),
    ],
    ids=["foreign", "damaged", "empty", "large", "very large"],
)
def test_what_is_no_picture_is_told_beside_the_field(
    browser: Browser, client: Client, content: bytes, status: int, told: str
) -> None:
    answer = send_picture(browser, content)
    assert answer.status_code == status
    assert error_at(answer, "picture") == told
    assert me(client)["image_file"] is None
    assert form(answer, PROFILE).fields["username"] == "bob"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nnonsense"),
        ({"Content-Type": "multipart/form-data"}, b"--x--"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b""),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"picture=me.png"),
        ({}, b""),
    ],
)
def test_a_form_without_a_picture_is_told_so(
    browser: Browser, headers: dict[str, str], body: bytes
) -> None:
    given = {"Origin": browser.origin, **headers}
    request = browser.http.build_request("POST", PICTURE, content=body, headers=given)
    browser.cookies.set_cookie_header(request)
    answer = browser.http.send(request)
    assert answer.status_code == 422
    assert error_at(answer, "picture")


def test_a_picture_is_chosen_once_more_when_the_session_had_ended(
    browser: Browser, client: Client, clock: Clock
) -> None:
    browser.get(PROFILE)
    clock.now += SESSION_LIFETIME
    files = {"picture": ("me.png", drawn(), "image/png")}
    assert browser.send(PICTURE, files=files).status_code == 403
    answer = browser.send("/sign-in", username="bob", password=PASSWORD)
    assert error_at(answer, "picture") == "Choose the photo again."
    assert "Photo updated." in browser.send(PICTURE, files=files).text


def test_no_picture_comes_from_elsewhere(browser: Browser, client: Client) -> None:
    files = {"picture": ("me.png", drawn(), "image/png")}
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.post(PICTURE, files=files, headers=headers).status_code == 403
    assert me(client)["image_file"] is None


# Their password


def test_whoever_changes_their_password_stays_signed_in_here_and_nowhere_else(
    browser: Browser, client: Client
) -> None:
    elsewhere = Browser(client).sign_in(MEMBER)
    before = browser.cookies["atelier"]
    browser.get(CHANGE)
    answer = browser.send(CHANGE, current=PASSWORD, new=NEW_PASSWORD)
    assert "Your password is changed." in answer.text
    assert browser.cookies["atelier"] != before
    assert browser.get("/office").url.path == "/office"
    assert elsewhere.get("/office").url.path == "/sign-in"
    for secret in (before, MEMBER.token):
        assert client.as_(secret).get(ME).status_code == 401
    assert Browser(client).sign_in(MEMBER).page.status_code == 401
    assert "Bob" in Browser(client).sign_in(MEMBER, NEW_PASSWORD).page.text


@pytest.mark.parametrize(
    ("current", "new", "wrong"),
    [
        ("canary of a guess", NEW_PASSWORD, "current"),
        ("", NEW_PASSWORD, "current"),
        (PASSWORD, "canary", "new"),
        (PASSWORD, "", "new"),
    ],
)
def test_what_is_wrong_with_a_password_is_told_beside_it_and_nothing_is_echoed(
    browser: Browser, client: Client, current: str, new: str, wrong: str
) -> None:
    browser.get(CHANGE)
    answer = browser.send(CHANGE, current=current, new=new)
    assert answer.status_code == 422
    assert error_at(answer, wrong)
    assert "canary" not in answer.text.replace("@canary", "")
    assert PASSWORD not in answer.text
    assert NEW_PASSWORD not in answer.text
    assert "Bob" in Browser(client).sign_in(MEMBER).page.text


def test_guesses_at_the_current_password_are_limited_and_no_failed_sign_ins(
    browser: Browser, client: Client
) -> None:
    browser.get(CHANGE)
    for _ in range(CONFIRMATION_LIMIT.max_failures):
        assert browser.send(CHANGE, current="a guess", new=NEW_PASSWORD).status_code == 422
    answer = browser.send(CHANGE, current=PASSWORD, new=NEW_PASSWORD)
    assert answer.status_code == 429
    assert "Too many attempts." in answer.text
    assert Browser(client).sign_in(MEMBER).page.status_code == 200


def test_a_password_typed_when_the_session_had_ended_is_on_no_page(
    browser: Browser, client: Client, clock: Clock
) -> None:
    browser.get(CHANGE)
    clock.now += SESSION_LIFETIME
    answer = browser.send(CHANGE, current=PASSWORD, new=NEW_PASSWORD)
    assert answer.status_code == 403
    assert PASSWORD not in answer.text
    assert NEW_PASSWORD not in answer.text
    answer = browser.send("/sign-in", username="bob", password=PASSWORD)
    assert error_at(answer, "new")
    browser.send(CHANGE, current=PASSWORD, new=NEW_PASSWORD)
    assert "Bob" in Browser(client).sign_in(MEMBER, NEW_PASSWORD).page.text


# Their tokens


def made(answer: Answer) -> str:
    """Return the secret that a page shows."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    (secret,) = re.findall(r'<code class="secret">(atl_[^<]*)</code>', answer.text)
    return str(secret)


def tokens_of(client: Client) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = client.as_(MEMBER).get("/api/v1/tokens").json()["items"]
    return told


def test_a_token_is_shown_once_and_does_what_it_may(browser: Browser, client: Client) -> None:
    browser.get(TOKENS)
    answer = browser.send(TOKENS, name="Till <b>", scope="read")
    secret = made(answer)
    assert "curl --fail http://testserver/api/v1/tasks" in answer.text
    assert client.as_(secret).get(ME).json()["username"] == "bob"
    assert client.as_(secret).post("/api/v1/tasks", json={"title": "x"}).status_code == 403
    text = browser.get(TOKENS).text
    assert secret not in text
    assert "Till &lt;b&gt;" in text
    assert '<td data-label="Expires"><span class="muted">Never</span></td>' in text


def test_reloading_the_page_that_shows_a_token_neither_makes_another_nor_shows_it_again(
    browser: Browser, client: Client
) -> None:
    browser.get(TOKENS)
    secret = made(browser.send(TOKENS, name="Till", scope="read"))
    address = browser.page.url.path
    before = [token["id"] for token in tokens_of(client)]

    again = browser.get(address)

    assert "A token is shown only once" in again.text
    assert secret not in again.text
    assert [token["id"] for token in tokens_of(client)] == before
    assert Browser(client).sign_in(OTHER).get(address).status_code == 404


def test_a_token_lasts_until_the_end_of_its_last_day(
    browser: Browser, client: Client, clock: Clock
) -> None:
    browser.get(TOKENS)
    last_day = clock().date().isoformat()
    secret = made(browser.send(TOKENS, name="Till", scope="write", expires_at=last_day))
    clock.now = clock.now.replace(hour=23, minute=59)
    assert client.as_(secret).get(ME).status_code == 200
    clock.advance(minutes=1)
    assert client.as_(secret).get(ME).status_code == 401
    assert ">Expired</span>" in browser.sign_in(MEMBER).get(TOKENS).text


def test_the_list_tells_when_a_token_was_used_last(
    browser: Browser, client: Client, clock: Clock
) -> None:
    browser.get(TOKENS)
    secret = made(browser.send(TOKENS, name="Till", scope="read"))
    row = browser.get(TOKENS).text.split(">Till</th>")[1].split("</tr>")[0]
    assert '<td data-label="Last used"><span class="muted">Never</span></td>' in row
    client.as_(secret).get(ME)
    # It is written in the writer's turn, before what comes after it.
    browser.send(TOKENS, name="Next", scope="read")
    clock.advance(minutes=5)
    row = browser.get(TOKENS).text.split(">Till</th>")[1].split("</tr>")[0]
    assert "5 minutes ago" in row


def test_what_is_wrong_with_a_token_is_told_beside_the_field(browser: Browser) -> None:
    browser.get(TOKENS)
    answer = browser.send(TOKENS, name=" ", scope="read", expires_at="2026-02-30")
    assert answer.status_code == 422
    assert error_at(answer, "name")
    assert error_at(answer, "expires_at")
    assert form(answer, TOKENS).fields["expires_at"] == "2026-02-30"
    answer = browser.send(TOKENS, name="Till", expires_at="2020-01-01")
    assert error_at(answer, "expires_at") == "Enter a time in the future."
    made(browser.send(TOKENS, expires_at=""))


def test_whoever_has_too_many_tokens_is_told_so(browser: Browser, client: Client) -> None:
    new = {"name": "one of many", "scope": "read"}
    while client.as_(MEMBER).post("/api/v1/tokens", json=new).status_code == 201:
        pass
    browser.get(TOKENS)
    assert browser.page.text.count("/delete") == MAX_TOKENS
    answer = browser.send(TOKENS, name="Till")
    assert answer.status_code == 409
    assert "Revoke one that you do not need." in answer.text
    assert form(answer, TOKENS).fields["name"] == "Till"


def test_a_token_is_ended_after_asking(browser: Browser, client: Client) -> None:
    browser.get(TOKENS)
    secret = made(browser.send(TOKENS, name="Till", scope="write"))
    (token,) = [each["id"] for each in tokens_of(client) if each["name"] == "Till"]
    assert "loses access immediately" in browser.get(TOKENS).text
    answer = browser.send(f"{TOKENS}/{token}/delete")
    assert "Token revoked." in answer.text
    assert client.as_(secret).get(ME).status_code == 401
    assert "Till" not in answer.text


def test_nobody_sees_or_ends_a_token_of_somebody_else(browser: Browser, client: Client) -> None:
    new = {"name": "Cleos token", "scope": "read"}
    token = client.as_(OTHER).post("/api/v1/tokens", json=new).json()
    assert "Cleos" not in browser.get(TOKENS).text
    assert browser.post(f"{TOKENS}/{token['id']}/delete").status_code == 404
    assert client.as_(token["token"]).get(ME).status_code == 200


def test_no_token_is_made_or_ended_from_elsewhere(browser: Browser, client: Client) -> None:
    headers = {"Origin": "https://evil.example"}
    token = tokens_of(client)[0]
    fields = {"name": "Till", "scope": "write"}
    assert browser.post(TOKENS, fields, headers=headers).status_code == 403
    assert browser.post(f"{TOKENS}/{token['id']}/delete", headers=headers).status_code == 403
    assert [each["id"] for each in tokens_of(client)].count(token["id"]) == 1
    assert "Till" not in [each["name"] for each in tokens_of(client)]
