"""Substring search: the same matches on every adapter."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.base import PageRequest
from domain.tasks import Task, TaskFilter
from domain.text import search_fold
from service_layer import tasks as task_use_cases
from service_layer.queries.tasks import TaskView
from support.backends import Backend
from support.clients import Client
from support.pagination import FIRST_PAGE
from support.people import CTX
from support.tasks import ALL_TASKS, add_task, list_tasks, walk_tasks

# What means something to one of the databases, beside letters of one to four bytes.
_SIGNS = (
    "abcÄßİfiœ油🛠e\u0301\u03c3\u03a3\U0001d538\u200d\ufffe\U0010fffd"
    "\u00ad\u200b\u200c\u202e\u2028\u2800\u3164\ufe0f\u00a0\u2019\u201c\u2011\u2212❤\u0301\xb4\xa8"
    " %_\\\"'*-+^:(){}[]|&~.,;#$?!/<>=@\t\n01"
)
_texts = st.one_of(
    st.lists(
        st.sampled_from([*_SIGNS, "AND", "OR", "NOT", "NEAR(", "abc", "text:", "--", "/*", "''"]),
        max_size=12,
    ).map("".join),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(_texts, min_size=1, max_size=6), other=_texts, data=st.data())
@example(texts=['a "quoted" AND *starred*', 'a"b'], other='"b', data=None)
def test_a_search_finds_what_contains_the_text_whatever_is_in_it(
    backend: Backend, texts: list[str], other: str, data: Any
) -> None:
    tasks: list[Task] = []
    with backend.open() as uow:
        for text in texts:
            tasks.append(
                task_use_cases.create_task(uow, title="x", description=f"x{text}", ctx=CTX)
            )
        uow.commit()
    try:
        parts = [other, texts[0], search_fold(texts[0])[1:5]]
        if data is not None:
            text = data.draw(st.sampled_from(tasks)).search_text
            start = data.draw(st.integers(0, len(text)))
            parts.append(text[start : start + data.draw(st.integers(1, 6))])
        for q in parts:
            filter = replace(ALL_TASKS, q=q)
            expected = [task.id for task in tasks if filter.matches(task)]
            assert [view.id for view in list_tasks(backend, filter)] == expected
            page = backend.ask(backend.tasks.list_page(filter, replace(FIRST_PAGE, count=True)))
            assert page.total == len(expected)
            assert backend.ask(backend.tasks.count(filter)).total == len(expected)
    finally:
        with backend.open() as uow:
            for task in tasks:
                task_use_cases.delete_task(uow, task.id, ctx=CTX)
            uow.commit()


def test_a_search_finds_what_a_text_has_become_and_not_what_it_was(backend: Backend) -> None:
    id = add_task(backend, "Sharpen the chisels", description="both")
    kept = add_task(backend, "Sharpen the plane")

    def found(q: str) -> list[Any]:
        return [task.id for task in list_tasks(backend, replace(ALL_TASKS, q=q))]

    with backend.open() as uow:
        task_use_cases.edit_task(uow, id, {"title": "Oil the lathe"}, ctx=CTX)
        uow.commit()
    assert (found("sharpen"), found("lathe"), found("BOTH")) == ([kept], [id], [id])
    with backend.open() as uow:
        task_use_cases.edit_task(uow, id, {"priority": 3}, ctx=CTX)
        uow.commit()
    assert (found("lathe"), found("chisels")) == ([id], [])
    with backend.open() as uow:
        task_use_cases.delete_task(uow, id, ctx=CTX)
        uow.commit()
    assert (found("lathe"), found("sharpen"), found("he")) == ([], [kept], [kept])
    again = add_task(backend, "Oil the lathe")
    assert found("lathe") == [again]


def test_what_is_undone_is_not_found(backend: Backend) -> None:
    with backend.open() as uow:
        task_use_cases.create_task(uow, title="Never", ctx=CTX)
        uow.flush()
    assert list_tasks(backend, replace(ALL_TASKS, q="never")) == []


def test_a_word_in_many_rows_is_found_as_one_in_few_is(backend: Backend) -> None:
    with backend.open() as uow:
        for number in range(1_500):
            words = ["every"] + ["many"] * (number % 5 > 0) + ["few"] * (number % 300 == 1)
            title = f"{number * 7 % 10} {' '.join(words)}"
            task_use_cases.create_task(uow, title=title, priority=number % 3, ctx=CTX)
        uow.commit()

    for q, number in (("every", 1_500), ("many", 1_200), ("few", 5), ("ma", 1_200), ("fe", 5)):
        filter = replace(ALL_TASKS, q=q, priority=1)
        everything = [
            task for task in walked(backend, replace(ALL_TASKS, priority=1)) if q in task.title
        ]
        assert walked(backend, filter) == everything
        page = backend.ask(
            backend.tasks.list_page(replace(ALL_TASKS, q=q), replace(FIRST_PAGE, count=True))
        )
        assert (page.total, len(page.items)) == (number, min(number, 100))


def walked(backend: Backend, filter: TaskFilter) -> list[TaskView]:
    return walk_tasks(backend, filter, PageRequest(sort="title", descending=True, limit=100))


NEW: dict[str, dict[str, Any]] = {
    "tasks": {"title": "Zirconia"},
    "posts": {"title": "Zirconia", "content": "x"},
    "products": {"name": "Zirconia", "price": 1},
    "devices": {"name": "Zirconia"},
    "categories": {"name": "Zirconia"},
    "users": {
        "name": "Zirconia",
        "username": "zed",
        "email": "zed@example.org",
        "password": "long enough",
    },
}


@pytest.mark.parametrize("resource", list(NEW))
def test_whatever_is_listed_is_found_by_a_part_of_its_name(client: Client, resource: str) -> None:
    path = f"/api/v1/{resource}"
    made = client.post(path, json=NEW[resource])
    assert made.status_code == 201, made.text
    name = "title" if "title" in NEW[resource] else "name"

    def found(q: str, **asked: Any) -> list[str]:
        items = client.get(path, params={"q": q, **asked}).json()["items"]
        return [item["id"] for item in items]

    one = [made.json()["id"]]
    assert found("IRC") == found("Zircönia", count=True) == found("ZI") == one
    changed = client.patch(f"{path}/{one[0]}", json={name: "Corundum"})
    assert changed.status_code == 200
    assert (found("zirconia"), found("rundu")) == ([], one)
    assert client.delete(f"{path}/{one[0]}").status_code == 204
    assert found("rundu") == found("co") == []
