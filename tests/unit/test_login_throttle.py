"""Login throttle: who is kept from signing in by wrong passwords, and who is not."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from dependency_injector import providers
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from adapters import passwords
from adapters.memory.store import MemoryStore
from adapters.memory.unit_of_work import MemoryUnitOfWork
from adapters.passwords import Argon2PasswordHasher
from domain.errors import TooManyAttempts
from domain.known_browser import MAX_ACCOUNTS, KnownBrowser
from domain.login_throttle import ACCOUNT_LIMIT, ADDRESS_LIMIT, LOGIN_AT_ADDRESS_LIMIT
from service_layer import access
from service_layer.errors import DatabaseUnavailable
from support.backends import NOON, Clock, client_of, memory_app
from support.clients import Answer, AppClient, Client
from support.pages import Browser
from support.people import ADMIN, CTX, MEMBER, OTHER, PASSWORD
from support.throttle import fail_from_address

SIGN_IN, USERS, SETUP = "/api/v1/auth/token", "/api/v1/users", "/api/v1/setup"
OWN_PASSWORD = f"{USERS}/me/password"
NEW = {"username": "dora", "email": "dora@example.org", "name": "Dora", "password": "long enough"}


@pytest.fixture
def app(clock: Clock) -> FastAPI:
    return memory_app(clock, registration_open=True)


def sign_in(client: Client, username: str = "bob", password: str = PASSWORD) -> Answer:
    return client.as_(None).post(SIGN_IN, data={"username": username, "password": password})


@contextmanager
def coming_from(client: Client, address: str) -> Iterator[None]:
    """Let the client's requests come from another address."""
    assert isinstance(client.http, AppClient)
    process = client.http.process
    before, process.client = process.client, (address, 50_000)
    yield
    process.client = before


def guess(client: Client, username: str, times: int) -> list[tuple[int, str | None]]:
    """Guess at an account from as many addresses as it takes; return what was answered."""
    told = []
    for number in range(times):
        with coming_from(client, f"198.51.100.{number // LOGIN_AT_ADDRESS_LIMIT.max_failures}"):
            answer = sign_in(client, username, f"wrong {number}")
        told.append((answer.status_code, answer.headers.get("retry-after")))
    return told


def lock(client: Client, username: str = "bob") -> None:
    """Have strangers guess at an account until nobody unknown is judged for it any more."""
    assert (
        guess(client, username, ACCOUNT_LIMIT.max_failures)
        == [(401, None)] * ACCOUNT_LIMIT.max_failures
    )
    assert sign_in(client, username).status_code == 429


# The limits


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60))
def test_a_failure_is_told_only_while_the_window_has_fewer_than_the_limit(gaps: list[int]) -> None:
    now, told = NOON, list[datetime]()
    for gap in gaps:
        now += timedelta(seconds=gap)
        kept = LOGIN_AT_ADDRESS_LIMIT.recent(told, now)
        if (wait := LOGIN_AT_ADDRESS_LIMIT.wait(kept, now)) > timedelta():
            assert wait == told[-5] + timedelta(minutes=15) - now
        else:
            told.append(now)
    for earlier, later in zip(told, told[5:], strict=False):
        assert later - earlier >= timedelta(minutes=15)


def test_after_fifty_failures_an_account_waits_one_second_and_twice_as_long_each_time(
    client: Client, clock: Clock
) -> None:
    lock(client)
    for number in range(14):
        pause = min(2**number, 15 * 60)
        with coming_from(client, f"203.0.113.{number}"):
            refused = sign_in(client)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, str(pause))
            clock.advance(seconds=pause)
            assert sign_in(client, "bob", "wrong").status_code == 401
    clock.advance(minutes=15)
    assert sign_in(client).status_code == 200


def test_a_name_that_does_not_exist_waits_as_one_that_does(client: Client) -> None:
    names = ("bob", "nobody", "bob@canary.example", "nobody@canary.example")
    told = [guess(client, name, ACCOUNT_LIMIT.max_failures + 10) for name in names]
    assert told == [told[0]] * 4
    assert told[0][-1] == (429, "1")


def test_no_limit_tells_which_address_belongs_to_which_username(client: Client) -> None:
    lock(client, "bob")
    with coming_from(client, "203.0.113.1"):
        for name in (MEMBER.email, OTHER.email, "nobody@canary.example"):
            assert sign_in(client, name, "wrong").status_code == 401


def test_addresses_of_one_ipv6_network_are_one(client: Client) -> None:
    for number in range(LOGIN_AT_ADDRESS_LIMIT.max_failures):
        with coming_from(client, f"2001:db8:0:1::{number}"):
            assert sign_in(client, "bob", "wrong").status_code == 401
    with coming_from(client, "2001:db8:0:1:ffff::1"):
        assert sign_in(client).status_code == 429
    with coming_from(client, "2001:db8:0:2::1"):
        assert sign_in(client).status_code == 200


# Whom strangers do not lock out


def test_a_browser_that_has_signed_in_before_gets_in_while_strangers_hammer_the_account(
    client: Client,
) -> None:
    browser = Browser(client).sign_in(MEMBER)
    browser.send("/sign-out")
    lock(client)
    # Strangers may even share the address.
    fail_from_address(client, ADDRESS_LIMIT.max_failures)
    assert sign_in(client, "cleo").status_code == 429
    assert Browser(client).sign_in(MEMBER).page.status_code == 429
    assert "Bob" in browser.sign_in(MEMBER).page.text


def test_a_known_browser_has_few_attempts_of_its_own_and_for_its_accounts_alone(
    client: Client,
) -> None:
    browser = Browser(client).sign_in(MEMBER)
    browser.send("/sign-out")
    for _ in range(5):
        assert browser.sign_in(MEMBER, "wrong").page.status_code == 401
    assert browser.sign_in(MEMBER).page.status_code == 429
    # They are nobody else's failures.
    assert sign_in(client).status_code == 200
    lock(client, "cleo")
    assert browser.sign_in(OTHER).page.status_code == 429


def test_a_browser_that_several_use_is_known_for_each_of_them(client: Client) -> None:
    browser = Browser(client)
    for person in (MEMBER, OTHER):
        browser.sign_in(person).send("/sign-out")
    for person in (MEMBER, OTHER):
        lock(client, person.username)
    for person in (MEMBER, OTHER):
        assert browser.sign_in(person).page.status_code == 200
        browser.send("/sign-out")


@pytest.mark.parametrize(
    "cookie", ["", "x", "." * 23, "a" * 22, f"{'a' * 22}.{'b' * 22}", "x" * 4000]
)
def test_no_made_up_cookie_makes_a_browser_known(client: Client, cookie: str) -> None:
    browser = Browser(client)
    browser.cookies.set("atelier-known", cookie)
    lock(client)
    assert browser.sign_in(MEMBER).page.status_code == 429


def test_the_cookie_of_a_known_browser_is_as_safe_as_the_sessions(client: Client) -> None:
    for origin, name in (
        ("http://testserver", "atelier-known"),
        ("https://atelier.example", "__Host-atelier-known"),
    ):
        browser = Browser(client, origin)
        browser.get("/sign-in")
        answer = browser.send("/sign-in", username="bob", password=PASSWORD, follow=False)
        (line,) = (
            line for line in answer.headers.get_list("set-cookie") if line.partition("=")[0] == name
        )
        attributes = set(line.split("; ")[1:])
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=34560000"} <= attributes
        assert ("Secure" in attributes) == origin.startswith("https")
        assert "bob" not in line


def test_a_browser_forgets_the_earliest_of_too_many_accounts() -> None:
    accounts = [(UUID(int=number), f"hash {number}") for number in range(MAX_ACCOUNTS + 1)]
    browser = KnownBrowser.new()
    for account in accounts:
        browser = browser.remember(*account)
    read = KnownBrowser.parse(str(browser))
    assert read == browser == browser.remember(*accounts[-1])
    assert [browser.knows(*account) for account in accounts] == [False] + [True] * MAX_ACCOUNTS
    # A mark is worth nothing for another account, after a new password, or in another browser.
    assert not browser.knows(accounts[-1][0], "another hash")
    assert not browser.knows(UUID(int=99), accounts[-1][1])
    assert not KnownBrowser(KnownBrowser.new().id, browser.marks).knows(*accounts[-1])


def test_strangers_do_not_keep_somebody_signed_in_from_changing_the_password(
    client: Client,
) -> None:
    lock(client)
    change = {"current": PASSWORD, "new": "another password"}
    assert client.as_(MEMBER).put(OWN_PASSWORD, json=change).status_code == 204
    assert sign_in(client, "bob", "another password").status_code == 200


def test_a_new_password_set_by_an_admin_lifts_the_lock(client: Client) -> None:
    for name in (MEMBER.username, MEMBER.email):
        lock(client, name)
    with coming_from(client, "203.0.113.1"):
        new = {"password": "another password"}
        assert client.patch(f"{USERS}/{MEMBER.id}", json=new).status_code == 200
        for name in (MEMBER.username, MEMBER.email):
            assert sign_in(client, name, "another password").status_code == 200


# What is not judged does not count


def test_a_right_password_that_the_queue_had_no_room_for_does_not_count(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "STRANGERS_WAITING", 0)
    monkeypatch.setattr(passwords, "WAITING", 0)
    for _ in range(10):
        assert sign_in(client).headers["retry-after"] == "1"
        change = {"current": PASSWORD, "new": "another password"}
        assert client.as_(MEMBER).put(OWN_PASSWORD, json=change).status_code == 429
    monkeypatch.undo()
    assert sign_in(client).status_code == 200
    assert client.as_(MEMBER).put(OWN_PASSWORD, json=change).status_code == 204


class _Away(MemoryUnitOfWork):
    """Transactions of a database that is lost before any of them can be committed."""

    now = False

    def commit(self) -> None:
        if _Away.now:
            raise DatabaseUnavailable("The database is away.")
        super().commit()


def test_a_right_password_that_was_judged_while_the_database_was_lost_does_not_count(
    clock: Clock,
) -> None:
    store = MemoryStore()
    app = memory_app(clock, store)
    app.state.container.unit_of_work.override(providers.Factory(_Away, store))
    with client_of(app) as client:
        _Away.now = True
        for _ in range(10):
            assert sign_in(client).status_code == 503
        _Away.now = False
        assert sign_in(client).status_code == 200


# What costs a hash


def test_what_can_be_refused_without_a_hash_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no room for a single hash, whatever is not answered by 429 took none."""
    monkeypatch.setattr(passwords, "STRANGERS_NEW_WAITING", 0)
    monkeypatch.setattr(passwords, "WAITING", 0)
    stranger, own = client.as_(None), client.as_(MEMBER)
    path = f"{USERS}/{MEMBER.id}"
    assert stranger.post(SETUP, json={**NEW, "secret": "atl_x"}).status_code == 404
    browser = Browser(client)
    answer = browser.post("/setup", {**NEW, "secret": "atl_x"}, follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    for taken in ({"username": "BOB"}, {"email": MEMBER.email}):
        assert stranger.post(USERS, json={**NEW, **taken}).status_code == 409
    assert own.patch(path, json={"password": "another password"}).status_code == 403
    assert client.patch(f"{USERS}/{ADMIN.id}", json={"password": "long enough"}).status_code == 403
    nobody = f"{USERS}/01900000-0000-7000-8000-00000000ffff"
    assert client.patch(nobody, json={"password": "another password"}).status_code == 404
    stale = {"If-Match": '"9-0"'}
    answer = client.patch(path, json={"password": "another password"}, headers=stale)
    assert answer.status_code == 412
    # And these would take one.
    assert stranger.post(USERS, json=NEW).status_code == 429
    assert client.patch(path, json={"password": "another password"}).status_code == 429


def test_without_the_secret_no_password_is_hashed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = client.http.app.state.ports.runner  # type: ignore[attr-defined]

    def without_admin(uow: Any) -> None:
        uow.users.get(ADMIN.id).is_active = False

    runner.perform(without_admin)
    secret = runner.perform(access.prepare_setup, ctx=CTX)
    monkeypatch.setattr(passwords, "WAITING", 0)
    stranger = client.as_(None)
    assert stranger.post(SETUP, json={**NEW, "secret": "atl_x"}).status_code == 401
    page = Browser(client).post("/setup", {**NEW, "secret": "atl_x"})
    assert page.status_code == 401
    taken = {**NEW, "secret": secret, "username": "bob"}
    assert stranger.post(SETUP, json=taken).status_code == 409
    assert stranger.post(SETUP, json={**NEW, "secret": secret}).status_code == 429


def test_registrations_count_against_their_address(client: Client, clock: Clock) -> None:
    def register(number: int) -> int:
        names = {"username": f"dora{number}", "email": f"dora{number}@example.org"}
        return client.as_(None).post(USERS, json={**NEW, **names}).status_code

    fail_from_address(client, ADDRESS_LIMIT.max_failures - 2)
    assert sign_in(client, "nobody", "wrong").status_code == 401
    assert [register(number) for number in range(2)] == [201, 429]
    assert client.as_(MEMBER).post(USERS, json=NEW).status_code == 429
    assert client.post(USERS, json=NEW).status_code == 201
    clock.advance(minutes=15)
    assert register(2) == 201


def test_many_who_register_leave_room_for_those_who_sign_in() -> None:
    async def ask() -> tuple[list[Any], bool]:
        hasher = Argon2PasswordHasher(memory_kib=8, passes=1)
        kept = await hasher.hash_password(PASSWORD)
        flood = [hasher.hash_password("long enough", stranger=True) for _ in range(110)]
        flood += [hasher.verify(kept, "wrong", stranger=True) for _ in range(110)]  # type: ignore[misc]
        *answers, right = await asyncio.gather(
            *flood, hasher.verify(kept, PASSWORD), return_exceptions=True
        )
        return answers, bool(right)

    answers, right = asyncio.run(ask())
    refused = [isinstance(answer, TooManyAttempts) for answer in answers]
    assert refused == [False] * 25 + [True] * 85 + [False] * 50 + [True] * 60
    assert right is True


def test_with_110_connections_from_one_address_people_from_others_sign_in(clock: Clock) -> None:
    app = memory_app(clock, registration_open=True)

    async def ask() -> tuple[list[int], list[int]]:
        async def post(address: str, path: str, **options: Any) -> int:
            transport = httpx2.ASGITransport(app, client=(address, 50_000))
            async with httpx2.AsyncClient(
                transport=transport, base_url="http://testserver"
            ) as http:
                return (await http.post(path, **options)).status_code

        def wrong(number: int) -> Any:
            form = {"username": f"nobody{number}", "password": "wrong"}
            return post("198.51.100.1", SIGN_IN, data=form)

        form = {"username": "bob", "password": PASSWORD}
        async with app.router.lifespan_context(app):
            flood = asyncio.gather(*(wrong(number) for number in range(110)))
            await asyncio.sleep(0)
            ours = await asyncio.gather(
                *(post(f"203.0.113.{number}", SIGN_IN, data=form) for number in range(5))
            )
            return await flood, ours

    flood, ours = asyncio.run(ask())
    assert ours == [200] * 5
    assert set(flood) == {401, 429}


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (896, "15 minutes"),
    ],
)
def test_the_wait_after_too_many_attempts_is_told_in_seconds_or_whole_minutes(
    seconds: int, wait: str
) -> None:
    assert str(TooManyAttempts(seconds)) == f"Too many attempts. Try again in {wait}."
