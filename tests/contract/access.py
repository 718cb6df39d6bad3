"""What a REST client is promised of signing in, tokens, and setting up."""

from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher

from contract.http import TASKS, add, places, problem
from contract.users import NEW, USERS, path_of
from domain.access import MAX_TOKENS
from domain.base import Context
from domain.login_throttle import ADDRESS_LIMIT
from service_layer import access
from support.backends import Clock
from support.clients import Answer, Client
from support.people import ADMIN, EXPIRED, MEMBER, NOON, OTHER, PASSWORD, READ_ONLY

SIGN_IN = "/api/v1/auth/token"
TOKENS = "/api/v1/tokens"
SETUP = "/api/v1/setup"


def sign_in(client: Client, username: str, password: str = PASSWORD, **more: str) -> Answer:
    form = {"username": username, "password": password, **more}
    return client.as_(None).post(SIGN_IN, data=form)


def signed_in(client: Client, username: str = "bob", password: str = PASSWORD) -> Client:
    answer = sign_in(client, username, password)
    assert answer.status_code == 200, answer.text
    return client.as_(answer.json()["access_token"])


def unauthenticated(answer: Answer) -> dict[str, Any]:
    told = problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="atelier"')
    return told


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
    client.post(USERS, json={**NEW, "username": "kim", "password": PASSWORD})
    assert sign_in(client, "KIM").status_code == 200
    unauthenticated(sign_in(client, username))


def test_two_tokens_at_once_are_none(client: Client) -> None:
    both = [("Authorization", f"Bearer {person.token}") for person in (MEMBER, ADMIN)]
    unauthenticated(client.get(TASKS, headers=both))


def test_a_wrong_name_a_wrong_password_and_an_inactive_user_are_answered_alike(
    client: Client,
) -> None:
    client.patch(path_of(OTHER), json={"is_active": False})
    told = [
        unauthenticated(answer)
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
    assert places(client.as_(None).post(SIGN_IN, data=form)) == where


def test_signing_in_takes_a_form_and_nothing_else(client: Client) -> None:
    stranger = client.as_(None)
    answer = stranger.post(SIGN_IN, json={"username": "bob", "password": PASSWORD})
    problem(answer, 415, "unsupported-media-type")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"username=%FF&password=x", b"username=a&username=b&password=x", b"username=\xff"):
        assert places(stranger.post(SIGN_IN, content=body, headers=form)) == {"#"}
    answer = stranger.post(f"{SIGN_IN}?username=bob", data={"username": "bob", "password": "x"})
    assert places(answer) == {"username"}


def test_a_token_ends_when_its_bearer_signs_out_and_no_other_does(client: Client) -> None:
    one, two = signed_in(client), signed_in(client)
    assert one.get(TASKS).status_code == 200

    assert one.delete(SIGN_IN).status_code == 204
    unauthenticated(one.get(TASKS))
    unauthenticated(one.delete(SIGN_IN))
    assert two.get(TASKS).status_code == 200


def test_a_session_ends_after_twelve_hours(client: Client, clock: Clock) -> None:
    one = signed_in(client)
    clock.advance(hours=11, minutes=59, seconds=59)
    assert one.get(TASKS).status_code == 200
    clock.advance(seconds=1)
    unauthenticated(one.get(TASKS))


@pytest.mark.parametrize(
    "header",
    [
        "Bearer", "Bearer ", "bearer atl_", "Basic Ym9iOnB3", f"Basic {MEMBER.token}",
        MEMBER.token, f"Bearer {MEMBER.token}x", f"Bearer {EXPIRED}", "Bearer \u00e9",
        f"Bearer {MEMBER.token} {MEMBER.token}", "Bearer null", f"Bearer '{MEMBER.token}'",
    ],
)  # fmt: skip
def test_what_is_no_token_of_ours_is_nobody(client: Client, header: str) -> None:
    answer = client.get(TASKS, headers={"Authorization": header.encode("latin-1")})
    unauthenticated(answer)
    assert "invalid_token" in answer.headers["www-authenticate"]
    assert "atl_" not in answer.text
    without = client.as_(None).get(TASKS)
    unauthenticated(without)
    assert "error" not in without.headers["www-authenticate"]


def test_the_scheme_of_a_token_is_written_in_any_case(client: Client) -> None:
    for scheme in ("bearer", "BEARER"):
        answer = client.get(TASKS, headers={"Authorization": f"{scheme} {MEMBER.token}"})
        assert answer.status_code == 200


def test_who_may_not_is_told_before_anything_is_said_of_the_request(client: Client) -> None:
    html, json_ = {"Content-Type": "text/html"}, {"Content-Type": "application/json"}
    path = f"{TASKS}/{add(client)['id']}"
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
        unauthenticated(sign_in(client, ["bob", "BOB", " bob "][number % 3], "wrong"))
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
        unauthenticated(sign_in(client, "bob", "wrong"))
    assert sign_in(client, "bob").status_code == 200
    unauthenticated(sign_in(client, "bob", "wrong"))
    problem(sign_in(client, "bob"), 429, "too-many-requests")


def test_failures_are_counted_by_address_as_well(client: Client, clock: Clock) -> None:
    for number in range(ADDRESS_LIMIT.max_failures):
        assert sign_in(client, f"nobody{number}", "wrong").status_code == 401
    problem(sign_in(client, "bob"), 429, "too-many-requests")
    clock.advance(minutes=15)
    assert sign_in(client, "bob").status_code == 200


# Passwords


def test_a_changed_password_ends_every_session_and_token(client: Client) -> None:
    session = signed_in(client)
    change = {"current": PASSWORD, "new": "another password"}
    answer = session.put(f"{USERS}/me/password", json=change)

    assert (answer.status_code, answer.content) == (204, b"")
    unauthenticated(session.get(TASKS))
    unauthenticated(client.as_(MEMBER).get(TASKS))
    unauthenticated(sign_in(client, "bob"))
    assert signed_in(client, "bob", "another password").get(f"{USERS}/me").json()["version"] == 2
    assert client.as_(OTHER).get(TASKS).status_code == 200


def test_a_password_is_changed_by_whoever_knows_it(client: Client) -> None:
    own, path = client.as_(MEMBER), f"{USERS}/me/password"
    wrong = {"current": "wrong password", "new": "another password"}
    for _ in range(5):
        assert places(own.put(path, json=wrong)) == {"#/current"}
    problem(own.put(path, json={**wrong, "current": PASSWORD}), 429, "too-many-requests")
    assert sign_in(client, "bob").status_code == 200
    assert places(client.put(path, json={"current": PASSWORD, "new": "short"})) == {"#/new"}
    assert places(client.put(path, json={})) == {"#/current", "#/new"}
    assert signed_in(client, "ada")


@pytest.mark.parametrize("refused", ["Password123", "bob", "BOB@canary.example"])
def test_a_new_password_is_neither_a_common_one_nor_a_name_of_its_user(
    client: Client, refused: str
) -> None:
    # A username can be as long as a password.
    if refused == "bob":
        refused = "bob.the.joiner"
        client.patch(path_of(MEMBER), json={"username": refused})
    change = {"current": PASSWORD, "new": refused.swapcase()}
    assert places(client.as_(MEMBER).put(f"{USERS}/me/password", json=change)) == {"#/new"}
    assert places(client.patch(path_of(MEMBER), json={"password": refused})) == {"#/password"}
    both = {"username": "another.name", "password": "Another.Name"}
    assert places(client.patch(path_of(MEMBER), json=both)) == {"#/password"}
    assert signed_in(client, MEMBER.email)


def test_who_has_a_common_password_or_a_name_of_dots_still_signs_in(client: Client) -> None:
    app: Any = client.http

    def as_it_was(uow: Any) -> None:
        user = uow.users.get(OTHER.id)
        user.username = ".."
        user.password_hash = PasswordHasher(1, 8, 1).hash("password")

    app.app.state.ports.runner.perform(as_it_was)
    for login in ("..", OTHER.email):
        own = signed_in(client, login, "password")
    assert own.patch(path_of(OTHER), json={"city": "Ghent"}).json()["username"] == ".."


def test_a_password_is_the_same_however_its_letters_are_composed(client: Client) -> None:
    client.post(USERS, json={**NEW, "password": "cafe\u0301 cafe\u0301"})
    assert sign_in(client, "dora.1", "caf\u00e9 caf\u00e9").status_code == 200
    assert sign_in(client, "dora.1", " caf\u00e9 caf\u00e9").status_code == 401


# Personal tokens


def test_a_personal_token_shows_its_secret_once(client: Client) -> None:
    own = client.as_(OTHER)
    answer = own.post(TOKENS, json={"name": " CI ", "scope": "read"})

    assert answer.status_code == 201
    made = answer.json()
    secret = made.pop("token")
    assert secret.startswith("atl_")
    assert made == {
        "id": made["id"],
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "name": "CI",
        "scope": "read",
        "expires_at": None,
        "last_used_at": None,
    }
    assert answer.headers["cache-control"] == "no-store"
    path = answer.headers["location"]
    assert path == f"{TOKENS}/{made['id']}"
    listed = own.get(TOKENS)
    assert made in listed.json()["items"]
    assert own.get(path).json() == made
    assert secret not in listed.text
    assert client.as_(secret).get(f"{USERS}/me").json()["username"] == "cleo"


def test_a_token_for_reading_reads_and_no_more(client: Client) -> None:
    reader = client.as_(READ_ONLY)
    path = f"{TASKS}/{add(client)['id']}"
    assert reader.get(path).status_code == reader.head(TASKS).status_code == 200
    for answer in (
        reader.post(TASKS, json={"title": "x"}),
        reader.patch(path, json={}),
        reader.delete(path),
        reader.post(f"{path}/complete"),
        reader.post(TOKENS, json={"name": "x", "scope": "write"}),
        reader.put(f"{USERS}/me/password", json={}),
        reader.delete(SIGN_IN),
    ):
        problem(answer, 403, "forbidden")


def test_a_personal_token_expires_when_it_was_to(client: Client, clock: Clock) -> None:
    new = {"name": "x", "scope": "write", "expires_at": "2026-03-01T14:00:00.5+01:30"}
    answer = client.post(TOKENS, json=new)
    assert answer.json()["expires_at"] == "2026-03-01T12:30:00.500000Z"
    bearer = client.as_(answer.json()["token"])
    clock.advance(minutes=30)
    assert bearer.get(TASKS).status_code == 200
    clock.advance(seconds=0.5)
    unauthenticated(bearer.get(TASKS))


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("new", "where"),
    [
        ({}, {"#/name", "#/scope"}),
        ({"name": "", "scope": "read"}, {"#/name"}),
        ({"name": "x" * 101, "scope": "read"}, {"#/name"}),
        ({"name": "x", "scope": "admin"}, {"#/scope"}),
        ({"name": "x", "scope": "read", "expires_at": "2026-03-01T12:00:00Z"}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": "2030-01-01"}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": "2030-01-01T00:00:00"}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": "2030-02-30T00:00:00Z"}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": "9999-12-31T23:59:59-23:00"},
         {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": 1900000000}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "token": "atl_mine"}, {"#/token"}),
    ],
)  # fmt: skip
def test_an_unacceptable_member_of_a_token_is_pointed_at(
    client: Client, new: dict[str, Any], where: set[str]
) -> None:
    assert places(client.post(TOKENS, json=new)) == where


def test_tokens_are_ones_own(client: Client) -> None:
    made = client.as_(MEMBER).post(TOKENS, json={"name": "x", "scope": "read"}).json()
    path = f"{TOKENS}/{made['id']}"
    for other in (OTHER, ADMIN):
        problem(client.as_(other).get(path), 404, "not-found")
        problem(client.as_(other).delete(path), 404, "not-found")
        stale = {"If-Match": '"9-0"'}
        problem(client.as_(other).delete(path, headers=stale), 404, "not-found")
        ids = [token["id"] for token in client.as_(other).get(TOKENS).json()["items"]]
        assert made["id"] not in ids
    assert client.as_(made["token"]).get(TASKS).status_code == 200


def test_a_deleted_token_is_worth_nothing_with_the_next_request(client: Client) -> None:
    own = client.as_(MEMBER)
    answer = own.post(TOKENS, json={"name": "x", "scope": "write"})
    bearer, path = client.as_(answer.json()["token"]), answer.headers["location"]
    assert bearer.get(TASKS).status_code == 200
    stale = {"If-Match": '"9-0"'}
    problem(own.delete(path, headers=stale), 412, "precondition-failed")
    assert own.delete(path, headers={"If-Match": answer.headers["etag"]}).status_code == 204
    unauthenticated(bearer.get(TASKS))
    problem(own.delete(path), 404, "not-found")


def test_tokens_are_listed_by_pages(client: Client) -> None:
    own = client.as_(OTHER)
    names = [str(number) for number in range(5)]
    for name in names:
        own.post(TOKENS, json={"name": name, "scope": "read"})
    page = own.get(TOKENS, params={"limit": 4, "sort": "-created_at", "count": "true"}).json()
    rest = own.get(TOKENS, params={"cursor": page["next"], "sort": "-created_at"}).json()
    listed = [token["name"] for token in [*page["items"], *rest["items"]]]
    assert listed == [*names[::-1], "for tests"]
    assert (page["total"], rest["next"]) == (6, None)
    for query in ("user_id=x", "q=x", "sort=name"):
        assert places(own.get(f"{TOKENS}?{query}"))


def test_when_a_token_was_used_last_is_kept_to_the_minute(client: Client, clock: Clock) -> None:
    made = client.post(TOKENS, json={"name": "x", "scope": "read"}).json()
    bearer, path = client.as_(made["token"]), f"{TOKENS}/{made['id']}"

    def used_at() -> Any:
        bearer.get(TASKS)
        # It is written in the writer's turn, before what comes after it.
        add(client)
        return client.get(path).json()["last_used_at"]

    assert used_at() == "2026-03-01T12:00:00Z"
    read = client.get(path)
    assert (read.json()["version"], read.json()["updated_at"]) == (1, "2026-03-01T12:00:00Z")


def test_one_has_a_hundred_personal_tokens_at_most(client: Client) -> None:
    own = client.as_(OTHER)
    for number in range(MAX_TOKENS - 1):
        assert own.post(TOKENS, json={"name": str(number), "scope": "read"}).status_code == 201
    answer = own.post(TOKENS, json={"name": "x", "scope": "read"})
    problem(answer, 409, "too-many-tokens")
    assert client.post(TOKENS, json={"name": "x", "scope": "read"}).status_code == 201


# Setting up


def unset(client: Client) -> str:
    """Take the workshop back to before its first admin, and return the secret."""
    app: Any = client.http
    runner = app.app.state.ports.runner

    def without_admin(uow: Any) -> None:
        uow.users.get(ADMIN.id).is_active = False

    runner.perform(without_admin)
    return str(runner.perform(access.prepare_setup, ctx=Context(None, NOON - timedelta(hours=1))))


@pytest.mark.parametrize("way", ["body", "address"])
def test_the_first_admin_is_made_with_the_secret_and_then_it_is_dead(
    client: Client, way: str
) -> None:
    secret, stranger = unset(client), client.as_(None)
    body = {**NEW, "secret": secret} if way == "body" else NEW
    address = SETUP if way == "body" else f"{SETUP}?secret={secret}"
    unauthenticated(stranger.get(TASKS, headers={"Authorization": f"Bearer {secret}"}))
    answer = stranger.post(address, json=body)

    assert answer.status_code == 201, answer.text
    admin = answer.json()
    assert (admin["role"], admin["email"]) == ("admin", "dora@example.org")
    assert answer.headers["location"] == f"{USERS}/{admin['id']}"
    assert secret not in answer.text
    own = signed_in(client, "dora.1", NEW["password"])
    assert own.get(USERS).json()["items"][0]["email"]
    again = {**body, "username": "eve", "email": "eve@example.org"}
    for sent in (again, {**again, "secret": "atl_x"}, {}, {"x": 1}):
        problem(stranger.post(address, json=sent), 404, "not-found")


def test_without_the_secret_nobody_sets_up(client: Client) -> None:
    secret, stranger = unset(client), client.as_(None)
    for sent in (NEW, {**NEW, "secret": "atl_x"}, {**NEW, "secret": secret[:-1]}):
        unauthenticated(stranger.post(SETUP, json=sent))
    unauthenticated(client.post(SETUP, json=NEW))
    assert places(stranger.post(SETUP, json={"secret": secret, "role": "member"})) >= {"#/role"}
    taken = {**NEW, "secret": secret, "username": "bob"}
    problem(stranger.post(SETUP, json=taken), 409, "already-taken")
    # What failed has not used the secret up.
    assert stranger.post(SETUP, json={**NEW, "secret": secret}).status_code == 201


def test_a_workshop_with_an_admin_is_not_set_up_again(client: Client) -> None:
    for sent in ({**NEW, "secret": "atl_x"}, {}, {"secret": MEMBER.token}):
        problem(client.as_(None).post(SETUP, json=sent), 404, "not-found")


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = [name for name in globals() if name.startswith("test_")]
