"""Logs through structlog: one line for each event, as text or as JSON, without secrets."""

import logging
import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Let a module not be found, unless it is loaded already."""
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if sys.modules[name] is None:
            del sys.modules[name]


# It loads rich where it finds it, for tracebacks in colour, which are not shown here. That would be
# a twenty-fifth of the memory of what serves.
with _hidden("rich"):
    import structlog

Event = MutableMapping[str, Any]

_SECRET = re.compile(r"password|secret|token|authorization|cookie", re.IGNORECASE)
"""Names whose values are masked whatever they are."""

CHATTY = ("alembic", "asyncio", "python_multipart", "sqlalchemy", "uvicorn.error")
"""Loggers of libraries that tell every step of their work, of which only warnings are written.

SQLAlchemy may show the values of rows; `adapters.sql.statement_log` logs its statements without.
"""

_DEEP = 5
"""How deep lists and mappings are looked into; what lies deeper is masked as one text."""


def _without_address(match: re.Match[str]) -> str:
    return f"{match[1]}:***@" if match[1] else "***"


# What is masked in a text: a sign without which it cannot be there, since a search for that costs
# next to nothing; how it looks; what stands there instead. A run of characters is tried once, from
# where it begins, and nothing is tried over again, so that a text costs no more than its length.
_MASKS: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # PostgreSQL quotes the row. A value in it may have lines of its own, so that this goes on up to
    # where SQLAlchemy or the traceback goes on, or to the end.
    (
        "DETAIL:",
        re.compile(
            r"DETAIL:.*?(?=\n[ |]*(?:\[SQL: |\+-|The above exception was |During handling of )|\Z)",
            re.DOTALL,
        ),
        "DETAIL: ***",
    ),
    # SQLAlchemy and Pydantic tell what they were given, in one line.
    ("[parameters:", re.compile(r"\[parameters:.*"), "[parameters: ***]"),
    ("input_value=", re.compile(r"input_value=.*"), "input_value=***"),
    # The password in a URL, which may hold anything but white space, or an e-mail address with any
    # character that RFC 5322 lets it have outside quotes.
    (
        "@",
        re.compile(
            r"(?<!\S)((?>[^\s@]*?://)[^\s:/@]*+)(?::\S*)?@"
            r'|(?<![^\s@"(),:;<>\[\]\\])[^\s@"(),:;<>\[\]\\]++@[\w.-]*+'
        ),
        _without_address,
    ),
    # Tokens of ours.
    ("atl_", re.compile(r"atl_[\w-]+"), "atl_***"),
)


def _masked(value: Any, deep: int = _DEEP) -> Any:
    """Return a value without what is secret or personal in it."""
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
    # This is how the renderers would show it.
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
        level: the least important level that is written.
        request_id: tells which request is being answered, or nothing.
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
        # A traceback becomes a text before that is masked: it says what the driver said.
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
