"""What the log says of requests: who asked, from where, and who was turned away."""

import logging
from typing import Any

import pytest

from support.clients import Client
from support.people import ADMIN, MEMBER, PASSWORD

SECRET = "s3cret-typed-in-the-wrong-field"


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.getMessage() == event]


def test_a_request_is_logged_with_the_client_and_the_user(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "atelier.http")
    client.get("/api/v1/tasks")
    client.as_(None).get("/api/v1/tasks")
    known, stranger = logged(caplog, "request")
    assert (known["client"], known["user_id"]) == ("testclient", str(ADMIN.id))
    assert (stranger["client"], stranger["status"], "user_id" in stranger) == (
        "testclient", 401, False
    )  # fmt: skip


@pytest.mark.parametrize(
    ("username", "user_id"), [("bob", str(MEMBER.id)), (SECRET, None)], ids=["known", "unknown"]
)
def test_a_failed_sign_in_is_logged_without_what_was_typed(
    client: Client, caplog: pytest.LogCaptureFixture, username: str, user_id: str | None
) -> None:
    caplog.set_level(logging.INFO)
    form = {"username": username, "password": SECRET}
    assert client.as_(None).post("/api/v1/auth/token", data=form).status_code == 401
    (line,) = logged(caplog, "sign-in failed")
    assert (line["user_id"], bool(line["address"])) == (user_id, True)
    assert not any(SECRET in str(vars(record)) for record in caplog.records)


def test_a_failed_confirmation_of_the_password_is_logged(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    form = {"username": "bob", "password": PASSWORD}
    token = client.as_(None).post("/api/v1/auth/token", data=form).json()["access_token"]
    answer = client.as_(None).put(
        "/api/v1/users/me/password",
        json={"current": SECRET, "new": "long enough"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 422
    (line,) = logged(caplog, "password confirmation failed")
    assert line["user_id"] == str(MEMBER.id)
