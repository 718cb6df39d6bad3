"""Logs through structlog: one line for each event, as text or as JSON, without secrets."""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

Event = MutableMapping[str, Any]

# A password in an address, and values that call themselves secret.
# Each part is bounded, so that a long value costs no more than its length.
_ADDRESS = re.compile(r"(://[^\s:/@]{0,100}):\S{0,200}@")
_SECRET = re.compile(r"password|secret|token|authorization|cookie", re.IGNORECASE)


def _masked(logger: Any, method: str, event: Event) -> Event:
    for key, value in event.items():
        if _SECRET.search(key):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = _ADDRESS.sub(r"\1:***@", value)
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

    renderer: Any = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    if style == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    processors: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *([structlog.processors.format_exc_info] if style == "json" else []),
        _masked,
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
    # These tell every step of their own work; what matters of it reaches the log anyway.
    for chatty in ("alembic", "asyncio", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
