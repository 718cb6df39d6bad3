"""Structured logs through structlog: one line per event, as text or JSON, with secrets masked."""

import logging
import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Prevent the import of a module, unless it is loaded already."""
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if sys.modules[name] is None:
            del sys.modules[name]


# structlog imports rich, if installed, for coloured tracebacks, which this service does not use. It
# would take a twenty-fifth of the service's memory.
with _hidden("rich"):
    import structlog

Event = MutableMapping[str, Any]

_SECRET = re.compile(r"password|secret|token|authorization|cookie", re.IGNORECASE)
"""Field names whose values are always masked."""

CHATTY = ("alembic", "asyncio", "python_multipart", "sqlalchemy", "uvicorn.error")
"""Library loggers of which only warnings are written.

SQLAlchemy may show the values of rows; `adapters.sql.statement_log` logs statements without them.
"""

_DEEP = 5
"""Nesting depth up to which lists and mappings are masked item by item; deeper ones as one text."""


def _without_address(match: re.Match[str]) -> str:
    return f"{match[1]}:***@" if match[1] else "***"


# Masks of text: a literal that every match contains, the pattern, and the replacement. The test for
# the literal is cheap. The patterns are linear: a run of characters is tried once, without
# backtracking.
_MASKS: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # PostgreSQL quotes the row. A value may contain newlines, so the match extends to where
    # SQLAlchemy's or the traceback's text continues, or to the end.
    (
        "DETAIL:",
        re.compile(
            r"DETAIL:.*?(?=\n[ |]*(?:\[SQL: |\+-|The above exception was |During handling of )|\Z)",
            re.DOTALL,
        ),
        "DETAIL: ***",
    ),
    # SQLAlchemy and Pydantic show their input in one line.
    ("[parameters:", re.compile(r"\[parameters:.*"), "[parameters: ***]"),
    ("input_value=", re.compile(r"input_value=.*"), "input_value=***"),
    # The password in a URL, which may contain anything but white space; and e-mail addresses with
    # any character that RFC 5322 permits outside quotes.
    (
        "@",
        re.compile(
            r"(?<!\S)((?>[^\s@]*?://)[^\s:/@]*+)(?::\S*)?@"
            r'|(?<![^\s@"(),:;<>\[\]\\])[^\s@"(),:;<>\[\]\\]++@[\w.-]*+'
        ),
        _without_address,
    ),
    # Tokens issued by this service.
    ("atl_", re.compile(r"atl_[\w-]+"), "atl_***"),
)


def _masked(value: Any, deep: int = _DEEP) -> Any:
    """Return a value without secrets and personal data."""
    if isinstance(value, str):
        for sign, pattern, instead in _MASKS:
            if sign in value:
                value = pattern.sub(instead, value)
        return value
    if value is None or isinstance(value, int | float):
        return value
    if deep and isinstance(value, dict):
        return {_masked(str(name)): _member(str(name), value[name], deep - 1) for name in value}
    if deep and isinstance(value, list | tuple):
        return [_masked(item, deep - 1) for item in value]
    # The renderers would show the value by its repr.
    return _masked(repr(value))


def _member(name: str, value: Any, deep: int = _DEEP) -> Any:
    return "***" if _SECRET.search(name) else _masked(value, deep)


def _mask(logger: Any, method: str, event: Event) -> Event:
    for name, value in event.items():
        event[name] = _member(name, value)
    return event


def configure(style: str, level: str, request_id: Callable[[], str]) -> None:
    """Send every log record of the process to standard error.

    Args:
        style: `text` for people or `json` for programs.
        level: the lowest level that is written.
        request_id: returns the current request's id, or an empty string.
    """

    def with_request_id(logger: Any, method: str, event: Event) -> Event:
        if current := request_id():
            event["request_id"] = current
        return event

    renderer: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if style == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    processors: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # Format the traceback before masking, because it contains the driver's message.
        structlog.processors.format_exc_info,
        _mask,
        renderer,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            with_request_id,
        ],
        processors=processors,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
