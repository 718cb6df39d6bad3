"""The API of signing in: credentials, sessions, login throttle."""

import pytest

from domain.login_throttle import ADDRESS_LIMIT
from support.api import (
    NEW_USER,
    SIGN_IN,
    TASKS,
    USERS,
    assert_unauthenticated,
    create_task,
    error_locations,
    problem,
    sign_in,
    signed_in,
    user_path,
)
from support.backends import Clock
from support.clients import Client
from support.people import ADMIN, EXPIRED, MEMBER, OTHER, PASSWORD, READ_ONLY

# Signing in


@pytest.mark.parametrize(
    "username", ["bob", "BOB", " Bob ", "bob@canary.example", "BOB@Canary.Example"]
)
def test_one_signs_in_by_name_or_address_in_any_case(client: Client, username: str) -> None:
    answer = sign_in(client, username, grant_type="password", scope="", client_id="")

    assert answer.status_code == 200
    token = answer.json()
    assert set(token) == {"access_token", "token_type", "expires_in"}
    assert (token["token_type"], token["expires_in"]) == ("bearer", 12 * 60 * 60)
    assert token["access_token"].startswith("atl_")
    assert len(token["access_token"]) >= 4 + 43  # 256 bits
    assert answer.headers["cache-control"] == "no-store"
    assert client.as_(token["access_token"]).get(f"{USERS}/me").json()["username"] == "bob"


@pytest.mark.parametrize("username", ["b\u00f6b", "\uff42ob", "BO\u0299", "bob\u200b", "\u212aim"])
def test_a_name_in_other_letters_is_another_name(client: Client, username: str) -> None:
    client.post(USERS, json={**NEW_USER, "username": "kim", "password": PASSWORD})
    assert sign_in(client, "KIM").status_code == 200
    assert_unauthenticated(sign_in(client, username))


def test_two_tokens_at_once_are_none(client: Client) -> None:
    both = [("Authorization", f"Bearer {person.token}") for person in (MEMBER, ADMIN)]
    assert_unauthenticated(client.get(TASKS, headers=both))


def test_a_wrong_name_a_wrong_password_and_an_inactive_user_are_answered_alike(
    client: Client,
) -> None:
    client.patch(user_path(OTHER), json={"is_active": False})
    told = [
        assert_unauthenticated(answer)
        for answer in (
            sign_in(client, "nobody"),
            sign_in(client, "bob", "wrong password"),
            sign_in(client, "cleo"),
            sign_in(client, "bob@elsewhere.example"),
        )
    ]
    assert len({(one["detail"], one["title"], tuple(one)) for one in told}) == 1


@pytest.mark.parametrize(
    ("form", "where"),
    [
        ({"grant_type": "password"}, {"#/username", "#/password"}),
        ({"username": "bob", "password": ""}, {"#/password"}),
        ({"username": "", "password": "x"}, {"#/username"}),
        ({"username": "bob", "password": "x" * 1001}, {"#/password"}),
        ({"username": "b\0b", "password": "x"}, {"#/username"}),
        ({"username": "bob", "password": "x", "grant_type": "code"}, {"#/grant_type"}),
        ({"username": "bob", "password": "x", "otp": "1"}, {"#/otp"}),
    ],
)
def test_what_the_form_of_signing_in_takes_is_checked(
    client: Client, form: dict[str, str], where: set[str]
) -> None:
    assert error_locations(client.as_(None).post(SIGN_IN, data=form)) == where


def test_signing_in_takes_a_form_and_nothing_else(client: Client) -> None:
    stranger = client.as_(None)
    answer = stranger.post(SIGN_IN, json={"username": "bob", "password": PASSWORD})
    problem(answer, 415, "unsupported-media-type")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"username=%FF&password=x", b"username=a&username=b&password=x", b"username=\xff"):
        assert error_locations(stranger.post(SIGN_IN, content=body, headers=form)) == {"#"}
    answer = stranger.post(f"{SIGN_IN}?username=bob", data={"username": "bob", "password": "x"})
    assert error_locations(answer) == {"username"}


def test_a_token_ends_when_its_bearer_signs_out_and_no_other_does(client: Client) -> None:
    one, two = signed_in(client), signed_in(client)
    assert one.get(TASKS).status_code == 200

    assert one.delete(SIGN_IN).status_code == 204
    assert_unauthenticated(one.get(TASKS))
    assert_unauthenticated(one.delete(SIGN_IN))
    assert two.get(TASKS).status_code == 200


def test_a_session_ends_after_twelve_hours(client: Client, clock: Clock) -> None:
    one = signed_in(client)
    clock.advance(hours=11, minutes=59, seconds=59)
    assert one.get(TASKS).status_code == 200
    clock.advance(seconds=1)
    assert_unauthenticated(one.get(TASKS))


@pytest.mark.parametrize(
    "header",
    [
        "Bearer", "Bearer ", "bearer atl_", "Basic Ym9iOnB3", f"Basic {MEMBER.token}",
        MEMBER.token, f"Bearer {MEMBER.token}x", f"Bearer {EXPIRED}", "Bearer \u00e9",
        f"Bearer {MEMBER.token} {MEMBER.token}", "Bearer null", f"Bearer '{MEMBER.token}'",
    ],
)  # fmt: skip
def test_malformed_or_unknown_token_is_unauthenticated(client: Client, header: str) -> None:
    answer = client.get(TASKS, headers={"Authorization": header.encode("latin-1")})
    assert_unauthenticated(answer)
    assert "invalid_token" in answer.headers["www-authenticate"]
    assert "atl_" not in answer.text
    without = client.as_(None).get(TASKS)
    assert_unauthenticated(without)
    assert "error" not in without.headers["www-authenticate"]


def test_the_scheme_of_a_token_is_written_in_any_case(client: Client) -> None:
    for scheme in ("bearer", "BEARER"):
        answer = client.get(TASKS, headers={"Authorization": f"{scheme} {MEMBER.token}"})
        assert answer.status_code == 200


def test_missing_permission_is_reported_before_errors_of_the_request(client: Client) -> None:
    html, json_ = {"Content-Type": "text/html"}, {"Content-Type": "application/json"}
    path = f"{TASKS}/{create_task(client)['id']}"
    missing = f"{TASKS}/01900000-0000-7000-8000-00000000ffff"
    for token, status in ((None, 401), (READ_ONLY, 403)):
        asker = client.as_(token)
        for address in (path, missing):
            for headers, body in ((html, b"{"), (json_, b"{"), (json_, b'{"x": 1}'),
                                  (json_, b"x" * (1024 * 1024 + 1)),
                                  ({**json_, "If-Match": '"9-0"'}, b"{}")):  # fmt: skip
                answer = asker.patch(address, content=body, headers=headers)
                assert answer.status_code == status
            assert asker.post(f"{address}/complete?x=1").status_code == status
        assert asker.put(path).status_code == 405
        assert asker.patch("/api/v1/nowhere").status_code == 404
    assert client.as_(None).get(f"{TASKS}?limit=0").status_code == 401


# Repeated failures


def test_after_five_failures_an_account_waits_and_the_wait_is_true(
    client: Client, clock: Clock
) -> None:
    for number in range(5):
        assert_unauthenticated(sign_in(client, ["bob", "BOB", " bob "][number % 3], "wrong"))
        clock.advance(minutes=1)
    refused = [sign_in(client, "bob"), sign_in(client, "Bob", "wrong")]

    for answer in refused:
        problem(answer, 429, "too-many-requests")
        assert int(answer.headers["retry-after"]) == 10 * 60
    assert sign_in(client, "cleo").status_code == 200
    clock.advance(minutes=9, seconds=59)
    assert sign_in(client, "bob").headers["retry-after"] == "1"
    clock.advance(seconds=1)
    assert sign_in(client, "bob").status_code == 200
    # Whoever is in already is not disturbed.
    assert client.as_(MEMBER).get(TASKS).status_code == 200


def test_an_account_that_there_is_not_waits_alike(client: Client) -> None:
    answers = [sign_in(client, "nobody", "wrong") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]


def test_successes_are_no_failures(client: Client) -> None:
    for _ in range(8):
        assert sign_in(client, "bob").status_code == 200
    for _ in range(4):
        assert_unauthenticated(sign_in(client, "bob", "wrong"))
    assert sign_in(client, "bob").status_code == 200
    assert_unauthenticated(sign_in(client, "bob", "wrong"))
    problem(sign_in(client, "bob"), 429, "too-many-requests")


def test_failures_are_counted_by_address_as_well(client: Client, clock: Clock) -> None:
    for number in range(ADDRESS_LIMIT.max_failures):
        assert sign_in(client, f"nobody{number}", "wrong").status_code == 401
    problem(sign_in(client, "bob"), 429, "too-many-requests")
    clock.advance(minutes=15)
    assert sign_in(client, "bob").status_code == 200
