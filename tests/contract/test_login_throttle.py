"""The login throttle: failures are counted by account and by address."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from domain.errors import TooManyAttempts
from domain.login_throttle import (
    ACCOUNT_LIMIT,
    LOGIN_AT_ADDRESS_LIMIT,
    Counters,
    confirmation_counters,
    known_browser_counters,
)
from service_layer import access, login_throttle
from service_layer import users as user_use_cases
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.people import CTX, MEMBER, PASSWORD_HASH
from support.use_cases import perform
from support.users import counters


def fail(backend: Backend, at: datetime, counted: Counters | None = None) -> int | None:
    """Return None if the failure is answered, else the seconds until one would be."""
    try:
        perform(backend, login_throttle.register_failure, counted or counters(), now=at)
    except TooManyAttempts as error:
        return error.seconds
    return None


def test_concurrent_failures_are_answered_up_to_the_limit(backend: Backend) -> None:
    outcomes = in_threads(20, lambda _: fail(backend, NOON))

    assert outcomes.count(None) == LOGIN_AT_ADDRESS_LIMIT.max_failures == 5
    assert set(outcomes) - {None} == {15 * 60}


def test_a_right_password_that_was_judged_beyond_the_limit_opens_no_session(
    backend: Backend,
) -> None:
    counted = counters(password_hash=PASSWORD_HASH)
    for _ in range(5):
        fail(backend, NOON, counted)
    with pytest.raises(TooManyAttempts):
        perform(backend, access.open_session, MEMBER.id, PASSWORD_HASH, counted, ctx=CTX)
    with pytest.raises(TooManyAttempts):
        perform(
            backend,
            user_use_cases.change_password,
            ctx=MEMBER.ctx,
            confirmation=user_use_cases.Confirmation(PASSWORD_HASH, counted),
            password_hash="new",
        )


def test_concurrent_failures_at_one_account_from_many_addresses_are_answered_up_to_its_limit(
    backend: Backend,
) -> None:
    def guess(number: int) -> list[int | None]:
        counted = counters(address=f"198.51.100.{number}")
        return [fail(backend, NOON, counted) for _ in range(5)]

    outcomes = [one for told in in_threads(20, guess) for one in told]

    assert outcomes.count(None) == ACCOUNT_LIMIT.max_failures == 50
    assert set(outcomes) - {None} == {1}


def test_five_failures_are_answered_in_any_quarter_of_an_hour_and_the_wait_is_exact(
    backend: Backend,
) -> None:
    told: list[int] = []
    # One every 50 seconds, for an hour.
    for second in range(0, 3600, 50):
        wait = fail(backend, NOON + timedelta(seconds=second))
        if wait is None:
            told.append(second)
        else:
            # A moment earlier it is refused still, and then it is not.
            assert wait == told[-5] + 900 - second
    assert all(later - earlier >= 900 for earlier, later in zip(told, told[5:], strict=False))
    assert len(told) == 20


def test_failures_elsewhere_are_counted_apart(backend: Backend) -> None:
    for _ in range(5):
        fail(backend, NOON)
    assert fail(backend, NOON) == 900
    for other in (
        counters(login="cleo"),
        counters(address="elsewhere"),
        counters(password_hash="a new password"),
        known_browser_counters("bob", "a browser", PASSWORD_HASH),
        confirmation_counters(MEMBER.id, PASSWORD_HASH),
    ):
        assert fail(backend, NOON, other) is None


def test_counted_failures_can_be_read(backend: Backend) -> None:
    counted = counters()
    assert not any(backend.ask(backend.access.failures(counted.keys())).values())
    times = (NOON, NOON + timedelta(microseconds=1))
    for time in times:
        fail(backend, time, counted)
    told = backend.ask(backend.access.failures([*counted, UUID(int=7)]))
    assert {id: tuple(each) for id, each in told.items()} == dict.fromkeys(counted, times)


def test_failures_that_no_longer_count_are_cleared_away(backend: Backend) -> None:
    for number in range(4):
        fail(backend, NOON, counters(login=f"guess {number}"))
    fail(backend, NOON + timedelta(days=1), counters(login="another"))

    def kept(uow: UnitOfWork) -> int:
        return len(uow.login_throttles.list_expired(NOON + timedelta(days=3), limit=100))

    assert perform(backend, kept) == 3  # the login's at the address, the address's, the login's
