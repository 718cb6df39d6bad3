"""A client that nobody wrote: made from the OpenAPI document alone, it can do it all."""

import datetime
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import URL

from support.databases import text
from support.service import Service


@dataclass(frozen=True)
class Generated:
    """What the generator made of a document, and what it said while it did."""

    folder: Path
    package: str
    exit_code: int
    output: str


@pytest.fixture(scope="module")
def generate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Generated]:
    """Make a client from a document, once for each that is different."""

    @cache
    def generate(document: bytes) -> Generated:
        folder = tmp_path_factory.mktemp("generated")
        package = f"client_{sha256(document).hexdigest()}"
        (folder / "openapi.json").write_bytes(document)
        # How the code is laid out is of no interest.
        (folder / "generator.yaml").write_text("post_hooks: []\n")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
                *("--path", "openapi.json", "--config", "generator.yaml"),
                *("--meta", "none", "--output-path", package),
            ],
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return Generated(folder, package, done.returncode, done.stdout)

    return generate


@pytest.fixture
def service(place: Path | URL, tmp_path: Path) -> Iterator[Service]:
    """The service on a database."""
    address = f"sqlite:///{place}" if isinstance(place, Path) else text(place)
    with Service(tmp_path, DATABASE_URL=address) as running:
        yield running


@pytest.fixture
def generated(service: Service, generate: Callable[[bytes], Generated]) -> Generated:
    """A client made from what the service tells of itself."""
    return generate(httpx.get(f"{service.url}/openapi.json").content)


class Made:
    """The generated client: its models by name, and its operations, asked of the service."""

    def __init__(self, package: str, url: str) -> None:
        self._package = package
        self._models = importlib.import_module(f"{package}.models")
        # An answer that the document does not tell of is an error.
        client = importlib.import_module(f"{package}.client").Client
        self._client = client(base_url=url, raise_on_unexpected_status=True)

    def call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Return the answer to an operation, with its status and headers."""
        module = importlib.import_module(f"{self._package}.api.tasks.{operation}")
        return module.sync_detailed(*arguments, client=self._client, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._models, name)


@pytest.fixture
def made(generated: Generated, service: Service, monkeypatch: pytest.MonkeyPatch) -> Made:
    """The generated client, imported."""
    assert generated.exit_code == 0, generated.output
    monkeypatch.syspath_prepend(str(generated.folder))
    return Made(generated.package, service.url)


def add(made: Made, **members: Any) -> Any:
    answer = made.call("create_task", body=made.NewTask(**members))
    assert answer.status_code == 201
    assert isinstance(answer.parsed, made.TaskView)
    return answer.parsed


def test_the_generator_understands_the_whole_document(generated: Generated) -> None:
    assert generated.exit_code == 0, generated.output
    assert "warning" not in generated.output.lower()
    made = {path.stem for path in (generated.folder / generated.package / "api").rglob("*.py")}
    assert made - {"__init__"} == {
        *("create_task", "list_tasks", "count_tasks", "read_task", "edit_task", "delete_task"),
        *("complete_task", "reopen_task", "live", "ready"),
    }


def test_a_task_that_is_created_can_be_read(made: Made) -> None:
    due = datetime.date(2030, 5, 17)
    written = made.call(
        "create_task",
        body=made.NewTask(title=" Oil the lathe ", description=None, priority=3, due_on=due),
    )
    assert written.status_code == 201
    task = written.parsed
    assert isinstance(task, made.TaskView)
    assert isinstance(task.id, UUID)
    assert isinstance(task.created_at, datetime.datetime)
    assert (task.title, task.description, task.priority, task.due_on) == (
        *("Oil the lathe", None, 3, due),
    )
    assert written.headers["Location"] == f"/api/v1/tasks/{task.id}"
    read = made.call("read_task", task.id)
    assert read.status_code == 200
    assert read.parsed == task
    unchanged = made.call("read_task", task.id, if_none_match=read.headers["ETag"])
    assert unchanged.status_code == 304


def test_a_list_is_read_with_skip_and_limit_and_by_its_cursor(made: Made) -> None:
    for number in range(5):
        add(made, title=f"Task {number}")
    listed = made.call("list_tasks", skip=1, limit=2, count=True)
    assert listed.status_code == 200
    page = listed.parsed
    assert isinstance(page, made.ListingTaskView)
    assert [task.title for task in page.items] == ["Task 1", "Task 2"]
    assert (page.total, page.total_exact) == (5, True)
    rest = made.call("list_tasks", cursor=page.next_).parsed
    assert [task.title for task in rest.items] == ["Task 3", "Task 4"]
    assert rest.next_ is None


def test_a_list_is_sorted_by_a_value_with_a_name(made: Made) -> None:
    for title in ("b", "c", "a"):
        add(made, title=title)
    listed = made.call("list_tasks", sort=made.ListTasksSort.TITLE_DESCENDING)
    assert [task.title for task in listed.parsed.items] == ["c", "b", "a"]


def test_an_edit_changes_one_member_and_keeps_the_others(made: Made) -> None:
    due = datetime.date(2030, 5, 17)
    task = add(made, title="Sharpen", description="The chisels.", priority=2, due_on=due)
    edited = made.call("edit_task", task.id, body=made.TaskPatch(priority=7))
    assert edited.status_code == 200
    now = edited.parsed
    assert (now.title, now.description, now.priority, now.due_on, now.version) == (
        *("Sharpen", "The chisels.", 7, due, 2),
    )


def test_an_edit_clears_a_member_with_none_and_keeps_the_others(made: Made) -> None:
    due = datetime.date(2030, 5, 17)
    task = add(made, title="Sharpen", description="The chisels.", due_on=due)
    edited = made.call("edit_task", task.id, body=made.TaskPatch(description=None))
    assert edited.status_code == 200
    assert (edited.parsed.title, edited.parsed.description) == ("Sharpen", None)
    assert edited.parsed.due_on == due


def test_an_edit_with_an_old_tag_is_refused(made: Made) -> None:
    task = add(made, title="Sharpen")
    tag = made.call("read_task", task.id).headers["ETag"]
    patch = made.TaskPatch(priority=1)
    assert made.call("edit_task", task.id, body=patch, if_match=tag).status_code == 200
    refused = made.call("edit_task", task.id, body=patch, if_match=tag)
    assert refused.status_code == 412
    assert refused.parsed.code == made.ProblemCode.PRECONDITION_FAILED


def test_a_task_is_completed_reopened_and_counted(made: Made) -> None:
    task = add(made, title="Sweep")
    add(made, title="Mop", due_on=datetime.date(2001, 1, 1))
    done = made.call("complete_task", task.id)
    assert done.status_code == 200
    assert done.parsed.completed
    assert isinstance(done.parsed.completed_at, datetime.datetime)
    counted = made.call("count_tasks").parsed
    assert isinstance(counted, made.TaskCounts)
    assert counted.to_dict() == {"total": 2, "completed": 1, "pending": 1, "overdue": 1}
    again = made.call("reopen_task", task.id)
    assert again.status_code == 200
    assert (again.parsed.completed, again.parsed.completed_at) == (False, None)
    assert made.call("count_tasks", completed=True).parsed.total == 0


def test_a_task_that_is_deleted_is_gone(made: Made) -> None:
    task = add(made, title="Sweep")
    assert made.call("delete_task", task.id).status_code == 204
    gone = made.call("read_task", task.id)
    assert gone.status_code == 404
    assert isinstance(gone.parsed, made.Problem)
    assert gone.parsed.code == made.ProblemCode.NOT_FOUND


@pytest.mark.parametrize("operation", ["read_task", "delete_task", "complete_task", "reopen_task"])
def test_an_unknown_id_is_a_problem(made: Made, operation: str) -> None:
    answer = made.call(operation, uuid4())
    assert answer.status_code == 404
    assert isinstance(answer.parsed, made.Problem)
    assert (answer.parsed.status, answer.parsed.code) == (404, made.ProblemCode.NOT_FOUND)
    assert answer.parsed.instance == answer.headers["X-Request-ID"]


def test_a_title_that_is_too_long_is_a_problem_that_points_at_it(made: Made) -> None:
    add(made, title="x" * 100)
    answer = made.call("create_task", body=made.NewTask(title="x" * 101))
    assert answer.status_code == 422
    problem = answer.parsed
    assert isinstance(problem, made.Problem)
    assert (problem.status, problem.code) == (422, made.ProblemCode.INVALID)
    assert [error.pointer for error in problem.errors] == ["#/title"]
