"""What the endpoints are given: the ports, by name, through small dependencies."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import Depends, Request

from domain.base import Expected
from entrypoints.http.conditional import expected_versions
from service_layer.ports import Clock, Database
from service_layer.queries import TaskQueries
from service_layer.runner import Runner


class Ports(Protocol):
    """What the composition root provides; each is called to get the thing itself."""

    @property
    def clock(self) -> Callable[[], Clock]: ...
    @property
    def database(self) -> Callable[[], Database]: ...
    @property
    def runner(self) -> Callable[[], Runner]: ...
    @property
    def task_queries(self) -> Callable[[], TaskQueries]: ...


def ports(request: Request) -> Ports:
    """Return the application's ports."""
    made: Ports = request.app.state.ports
    return made


async def _runner(request: Request) -> Runner:
    return ports(request).runner()


async def _now(request: Request) -> datetime:
    return ports(request).clock()()


async def _database(request: Request) -> Database:
    return ports(request).database()


async def _tasks(request: Request) -> TaskQueries:
    return ports(request).task_queries()


async def if_match(request: Request) -> Expected:
    """Return the versions that the client would change."""
    lines = request.headers.getlist("if-match")
    return expected_versions(", ".join(lines) if lines else None)


Run = Annotated[Runner, Depends(_runner)]
Now = Annotated[datetime, Depends(_now)]
DatabasePort = Annotated[Database, Depends(_database)]
Tasks = Annotated[TaskQueries, Depends(_tasks)]
IfMatch = Annotated[Expected, Depends(if_match)]
