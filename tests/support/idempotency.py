"""Tasks that were created under an idempotency key."""

from domain.base import PageRequest
from domain.tasks import Task, TaskFilter
from support.backends import NOON, Backend


def location_of(task: Task) -> str:
    return f"tasks/{task.id}"


def titles_by_path(backend: Backend) -> dict[str, str]:
    """Return the titles of the tasks there are, by their places."""
    meant = TaskFilter(today=NOON.date())
    found = backend.ask(
        backend.tasks.list_page(meant, PageRequest(sort="created_at", limit=100))
    ).items
    return {task.path: task.title for task in found}
