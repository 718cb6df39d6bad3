"""Tasks in a backend: created and read through its ports."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.base import PageRequest
from domain.tasks import TaskFilter
from service_layer import tasks as task_use_cases
from service_layer.queries.tasks import TaskView
from support.backends import NOON, Backend
from support.pagination import FIRST_PAGE
from support.people import CTX

TODAY = NOON.date()
ALL_TASKS = TaskFilter(today=TODAY)


def add_task(backend: Backend, title: str = "Sharpen the chisels", **members: Any) -> UUID:
    members.setdefault("ctx", CTX)
    with backend.open() as uow:
        task = task_use_cases.create_task(uow, title=title, **members)
        uow.commit()
    return task.id


def get_task(backend: Backend, id: UUID) -> TaskView | None:
    return backend.ask(backend.tasks.get(id, NOON))


def list_tasks(
    backend: Backend, filter: TaskFilter = ALL_TASKS, page_request: PageRequest = FIRST_PAGE
) -> list[TaskView]:
    return backend.ask(backend.tasks.list_page(filter, page_request)).items


def walk_tasks(backend: Backend, filter: TaskFilter, page_request: PageRequest) -> list[TaskView]:
    """Return the tasks of all pages."""
    seen: list[TaskView] = []
    for _ in range(1_000):
        page = backend.ask(backend.tasks.list_page(filter, page_request))
        seen += page.items
        if page.next_key is None:
            return seen
        assert len(page.items) == page_request.limit
        page_request = replace(page_request, after=page.next_key)
    raise AssertionError("the walk does not end")


def task_titles(backend: Backend) -> list[str]:
    return [task.title for task in list_tasks(backend)]
