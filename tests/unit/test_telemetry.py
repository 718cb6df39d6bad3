"""FastAPI's own telemetry observes the requests of the API, as of any FastAPI application."""

from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

import bootstrap
from support.backends import ROUTE_TABLE, Clock, client_of, memory_app

TASKS = "/api/v1/tasks"


class Span(trace.NonRecordingSpan):
    """A span that keeps its name and attributes."""

    def __init__(self, name: str) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.name = name
        self.attributes: dict[str, Any] = {}

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Any) -> None:
        self.attributes |= attributes

    def update_name(self, name: str) -> None:
        self.name = name


class Tracer(trace.NoOpTracer):
    """A tracer that keeps its spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def start_span(self, name: str, *args: Any, **kwargs: Any) -> Span:
        self.spans.append(Span(name))
        return self.spans[-1]


class TracerProvider(trace.TracerProvider):
    """A provider of one tracer."""

    def __init__(self) -> None:
        self.tracer = Tracer()

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        return self.tracer


@pytest.mark.parametrize("route_table", [ROUTE_TABLE, None])
def test_a_request_of_the_api_is_a_span_with_its_route_and_status(
    route_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with client_of(memory_app(Clock(), route_table=route_table)) as client:
        made = client.post(TASKS, json={"title": "Sharpen the saw"})
        client.get(made.headers["location"])
        client.as_(None).get(TASKS)
        client.get("/nowhere")
    seen = [
        (
            span.name,
            span.attributes.get("http.route"),
            span.attributes["http.response.status_code"],
        )
        for span in provider.tracer.spans
    ]
    assert seen == [
        (f"POST {TASKS}", TASKS, 201),
        (f"GET {TASKS}/{{task_id}}", f"{TASKS}/{{task_id}}", 200),
        (f"GET {TASKS}", TASKS, 401),
        ("GET", None, 404),
    ]


def test_an_application_without_telemetry_asks_for_no_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with client_of(memory_app(Clock(), telemetry=False)) as client:
        assert client.get(TASKS).status_code == 200
    assert provider.tracer.spans == []


@pytest.mark.parametrize(
    ("variable", "is_set_before", "spans"),
    [("OTEL_SERVICE_NAME", False, 1), ("SERVICE_NAME", True, 1), ("SERVICE_NAME", False, 0)],
)
def test_the_service_has_telemetry_if_it_is_configured_at_the_start(
    variable: str,
    is_set_before: bool,
    spans: int,
    sqlite_place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = TracerProvider()
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{sqlite_place}")
    monkeypatch.setenv(variable, "workshop")
    if is_set_before:
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    app = bootstrap.application()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with client_of(app) as client:
        client.get("/health/live")
    assert len(provider.tracer.spans) == spans
