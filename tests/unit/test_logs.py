"""What is written to the log, and what never is."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.logs import CHATTY, configure

TOKEN = "atl_Zm9vYmFy-_0123456789"
STYLES = pytest.mark.parametrize("style", ["text", "json"])


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the loggers of this process as they were."""
    root = logging.getLogger()
    names = CHATTY
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in names}
    root.handlers.clear()  # so that nobody closes them
    yield
    root.handlers[:], root.level = handlers, level
    for name in names:
        logging.getLogger(name).setLevel(levels[name])


def written(
    style: str,
    message: str,
    *args: Any,
    extra: dict[str, Any] | None = None,
    error: Exception | None = None,
    logger: str = "atelier",
) -> str:
    """Return what is written for a record."""
    configure(style, "info", lambda: "r-1")
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.getLogger(logger).makeRecord(
        logger, logging.ERROR, __file__, 1, message, args, exc_info, extra=extra
    )
    return logging.getLogger().handlers[0].format(record)


def raised(message: str) -> Exception:
    """Return an error with its traceback and a cause, both of which say the message."""
    try:
        try:
            raise ValueError(message)
        except ValueError as cause:
            raise RuntimeError(f"again: {message}") from cause
    except RuntimeError as error:
        return error


@STYLES
def test_what_is_not_secret_is_written_as_it_is(style: str) -> None:
    extra = {"path": "/api/v1/tasks", "status": 200, "ms": 1.5, "tags": ["a", 1, None, True]}
    line = written(style, "served %s of %d", "tasks", 2, extra=extra)
    assert "\n" not in line
    assert "***" not in line
    if style == "json":
        told = json.loads(line)
        assert extra.items() <= told.items()
        assert (told["event"], told["level"]) == ("served tasks of 2", "error")
        assert told["request_id"] == "r-1"
    else:
        for part in ("served tasks of 2", "path=/api/v1/tasks", "status=200", "request_id=r-1"):
            assert part in line


@STYLES
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Bearer {TOKEN}, then", "Bearer atl_***, then"),
        (f"/api/v1/x/{TOKEN}/y", "/api/v1/x/atl_***/y"),
        ("to ada@example.org, again", "to ***, again"),
        ("to <Ada.O'Hara+x@mail.example.org> now", "to <***> now"),
        ("(email)=(ada@example.org)", "(email)=(***)"),
        ("to ada@localhost now", "to *** now"),
        ("at postgresql://ann:s3c@r/e:t@db:5432/x now", "at postgresql://ann:***@db:5432/x now"),
        ("url=redis://:s3cret@db/1", "url=redis://:***@db/1"),
        ("input_value='s3cret', input_type=str]\nnext", "input_value=***\nnext"),
        ("a @ b, https://x.example/y", "a @ b, https://x.example/y"),
    ],
)
def test_a_secret_is_masked_in_messages_arguments_and_extras(
    style: str, text: str, shown: str
) -> None:
    if style == "json":
        for line in (written(style, text), written(style, "%s", text)):
            assert json.loads(line)["event"] == shown
        assert json.loads(written(style, "x", extra={"said": text}))["said"] == shown
    else:
        assert shown in written(style, text)
        assert shown in written(style, "%s", text)
        # Text with line ends or equals signs in it is quoted there.
        line = written(style, "x", extra={"said": text})
        assert shown in line or repr(shown)[1:-1] in line


@given(st.emails())
def test_every_e_mail_address_is_masked_as_a_whole(address: str) -> None:
    line = written("json", "x", extra={"said": f"written to {address}, again"})
    assert json.loads(line)["said"] == "written to ***, again"


@STYLES
@pytest.mark.parametrize("name", ["password", "new_password", "access_token", "Authorization"])
def test_what_calls_itself_secret_is_masked_whatever_it_is(style: str, name: str) -> None:
    for value in ("s3cret", ["s3cret"], {"x": "s3cret"}, b"s3cret"):
        for extra in ({name: value}, {"deep": {name: value}}, {"deep": [({name: value},)]}):
            line = written(style, "x", extra=extra)
            assert "s3cret" not in line
            assert "***" in line


@STYLES
def test_lists_mappings_and_objects_are_looked_into(style: str) -> None:
    class Thing:
        def __repr__(self) -> str:
            return f"<Thing {TOKEN}>"

    endless: list[Any] = [TOKEN]
    endless.append(endless)
    nested: dict[str, Any] = {"who": "ada@example.org"}
    for _ in range(20):
        nested = {"in": [nested, (TOKEN,), {TOKEN: 1, 2: {TOKEN}}]}
    for value in (nested, endless, Thing(), {Thing(): Thing()}, TOKEN.encode(), ValueError(TOKEN)):
        line = written(style, "x", extra={"value": value})
        assert TOKEN not in line
        assert "ada@" not in line
        assert "***" in line


@STYLES
def test_a_traceback_is_written_without_what_the_driver_said_of_the_row(style: str) -> None:
    error = raised(
        'duplicate key value violates unique constraint "uq_users_email"\n'
        "DETAIL:  Failing row contains (1, Ada Lovelace, London\nsecond line of it, null).\n"
        "[SQL: INSERT INTO users (email) VALUES (%(email)s)]\n"
        "[parameters: {'email': 'Ada Lovelace', 'city': 'London'}]\n"
        "(Background on this error at: https://sqlalche.me/e/20/gkpj)"
    )
    line = written(style, "a defect", error=error)
    text = json.loads(line)["exception"] if style == "json" else line

    assert text.count("Traceback (most recent call last)") == 2
    assert text.count("uq_users_email") == text.count("DETAIL: ***") == 2
    assert text.count("[SQL: INSERT INTO users") == text.count("[parameters: ***]") == 2
    assert text.count("(Background on this error") == 2
    for word in ("Ada", "Lovelace", "London", "second line"):
        assert word not in text


@STYLES
def test_a_traceback_goes_on_after_what_postgresql_said(style: str) -> None:
    line = written(style, "a defect", error=raised("no\nDETAIL:  Key (name)=(Ada) exists."))
    text = json.loads(line)["exception"] if style == "json" else line
    assert "Ada" not in text
    assert "The above exception was the direct cause" in text
    assert "RuntimeError: again: no" in text


@STYLES
def test_the_errors_of_a_group_are_masked_each(style: str) -> None:
    said = "no\nDETAIL:  (Ada)\n[SQL: INSERT]\n[parameters: ('Ada',)]"
    group = ExceptionGroup("several", [raised(said), raised(f"Bearer {TOKEN}")])
    line = written(style, "a defect", error=group)
    assert "Ada" not in line
    assert TOKEN not in line
    assert line.count("Bearer atl_***") == 2
    assert line.count("[SQL: INSERT]") == 2


@STYLES
def test_records_of_the_server_and_of_asyncio_are_masked_as_well(style: str) -> None:
    for logger in ("uvicorn.error", "asyncio", "somebody.else"):
        line = written(
            style, "said %r", f"Bearer {TOKEN}", error=raised(f"by {TOKEN}"), logger=logger
        )
        assert TOKEN not in line
        assert line.count("atl_***") >= 3


@STYLES
def test_what_is_logged_is_written_to_standard_error(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(style, "info", str)
    logging.getLogger("atelier").info("to %s", "ada@example.org")
    logging.getLogger("atelier").debug("not this")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "to ***" in told.err


# Anything that is tried over again from each place would take hours on these.
@pytest.mark.parametrize(
    "part",
    [
        "a", "@", "a@", "@ ", "a'", "://", "://a:", "a://b:c ", "atl_", "atl_@", "DETAIL:",
        "DETAIL:\n", "DETAIL:\n | ", "\n", "[parameters:", "[parameters:\n", "input_value=",
        ".", "a.", "*", ":", " ",
    ],
)  # fmt: skip
def test_a_long_text_costs_no_more_than_its_length(part: str) -> None:
    for before in ("", "@", "@ ", "DETAIL:\n", "x://"):
        text = before + part * (1_000_000 // len(part))
        said = json.loads(written("json", "x", extra={"said": f"{text} ada@example.org"}))["said"]
        assert "ada" not in said
