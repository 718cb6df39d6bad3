"""Queries of tasks: filters, sorts, keyset pagination, counts."""

from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.base import COUNT_LIMIT, Context, PageRequest
from domain.tasks import SORTS
from service_layer import tasks as task_use_cases
from service_layer.queries.tasks import TaskView
from service_layer.queries.users import PublicUser
from support.backends import NOON, Backend
from support.filters import make_tasks, some_tasks, task_filters
from support.pagination import in_order
from support.people import CTX, PEOPLE
from support.tasks import ALL_TASKS, TODAY, add_task, list_tasks, walk_tasks

WORDS = [
    "Öl",
    "oil",
    "50% off",
    "5_0",
    "a\\b",
    "Straße",
    "STRASSE",
    "naïve",
    "Ünïcode",
    "日本",
    "Ørsted",
    "Łódź",
]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("ol", ["Öl"]),
        ("OIL", ["oil"]),
        ("%", ["50% off"]),
        ("_", ["5_0"]),
        ("\\", ["a\\b"]),
        ("strasse", ["Straße", "STRASSE"]),
        ("NAIVE", ["naïve"]),
        ("unicöde", ["Ünïcode"]),
        ("日", ["日本"]),
        ("0% o", ["50% off"]),
        ("orsted", ["Ørsted"]),
        ("ŁÓDŹ", ["Łódź"]),
        ("nothing", []),
    ],
)
def test_search_ignores_case_and_accents_and_takes_wildcards_literally(
    backend: Backend, q: str, found: list[str]
) -> None:
    for word in WORDS:
        add_task(backend, word)
        add_task(backend, "x", description=f"about {word}")

    hits = [hit.title for hit in list_tasks(backend, replace(ALL_TASKS, q=q))]
    assert [title for title in hits if title != "x"] == [word for word in WORDS if word in found]
    assert hits.count("x") == len(found)


def test_titles_sort_without_case_and_accents_and_by_id_among_equals(backend: Backend) -> None:
    for title in ["zebra", "Äpfel", "apfel", "Banana", "10", "Zebra", "_", "éclair", "Ecru"]:
        add_task(backend, title)

    up = list_tasks(backend, page_request=PageRequest(sort="title", limit=100))
    assert [task.title for task in up] == [
        "10", "_", "Äpfel", "apfel", "Banana", "éclair", "Ecru", "zebra", "Zebra",
    ]  # fmt: skip
    down = list_tasks(backend, page_request=PageRequest(sort="title", descending=True, limit=100))
    assert down == up[::-1]


@pytest.mark.parametrize("descending", [False, True])
def test_tasks_without_a_date_come_last_whichever_way_dates_run(
    backend: Backend, descending: bool
) -> None:
    for day in [None, 3, 1, None, 2, 3]:
        add_task(backend, str(day), due_on=day and date(2026, 1, day))

    titles = [
        task.title
        for task in list_tasks(
            backend, page_request=PageRequest(sort="due_on", descending=descending)
        )
    ]
    dates = ["3", "3", "2", "1"] if descending else ["1", "2", "3", "3"]
    assert titles == [*dates, "None", "None"]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tasks=some_tasks, sort=st.sampled_from(list(SORTS)), data=st.data())
def test_filters_orders_and_pages_agree_with_the_domain(
    backend: Backend, tasks: list[Any], sort: str, data: st.DataObject
) -> None:
    # Each example works in tasks of its own and leaves none behind.
    with backend.open() as uow:
        entities, products = make_tasks(uow, tasks)
        uow.commit()
    people = {person.id: PublicUser(**{**person.public, "id": person.id}) for person in PEOPLE}  # type: ignore[arg-type]
    try:
        # Drawing may end the example, which leaves nothing behind then, either.
        filter = data.draw(task_filters(products))
        descending = data.draw(st.booleans())
        meant = [task for task in entities if filter.matches(task)]
        order = PageRequest(sort=sort, descending=descending, limit=data.draw(st.integers(1, 5)))
        expected = in_order(meant, SORTS[sort], descending)
        walked = walk_tasks(backend, filter, order)
        assert [view.id for view in walked] == [task.id for task in expected]
        assert walked == [TaskView.of(task, TODAY, people) for task in expected]

        skip = data.draw(st.integers(0, 6))
        page = backend.ask(backend.tasks.list_page(filter, replace(order, skip=skip, count=True)))
        assert [view.id for view in page.items] == [
            task.id for task in expected[skip : skip + order.limit]
        ]
        assert page.total == len(expected)
        counts = backend.ask(backend.tasks.count(filter))
        assert asdict(counts) == {
            "total": len(meant),
            "completed": sum(task.completed for task in meant),
            "pending": sum(not task.completed for task in meant),
            "overdue": sum(task.is_overdue(TODAY) for task in meant),
        }
    finally:
        with backend.open() as uow:
            for task in entities:
                uow.tasks.remove(uow.tasks.get(task.id))
            for id in products:
                uow.products.remove(uow.products.get(id))
            uow.commit()


@pytest.mark.parametrize("descending", [False, True])
def test_completed_tasks_are_listed_by_when_they_were_completed(
    backend: Backend, descending: bool
) -> None:
    ids = [add_task(backend, f"t {n}") for n in range(9)]
    with backend.open() as uow:
        # The first three at the same moment, and one of them not at all in the end.
        for n, id in enumerate(reversed(ids)):
            task_use_cases.complete_task(
                uow, id, ctx=Context(None, NOON + timedelta(minutes=max(n, 3)))
            )
        task_use_cases.reopen_task(uow, ids[7], ctx=Context(None, NOON + timedelta(hours=1)))
        uow.commit()
    done = replace(ALL_TASKS, completed=True)
    order = PageRequest(sort="completed_at", descending=descending, limit=2)

    walked = walk_tasks(backend, done, order)

    assert len(walked) == 8
    expected = sorted(walked, key=lambda task: (task.completed_at, task.id), reverse=descending)
    assert walked == expected
    for q, found in (("t 3", 1), ("t", 8)):
        page = backend.ask(
            backend.tasks.list_page(replace(done, q=q), replace(order, limit=20, count=True))
        )
        assert (len(page.items), page.total) == (found, found)


@pytest.mark.parametrize("sort", list(SORTS))
def test_a_walk_sees_each_row_that_was_there_throughout_exactly_once(
    backend: Backend, sort: str
) -> None:
    def due(number: int) -> date | None:
        return None if number % 3 == 0 else TODAY + timedelta(number % 5)

    ids = [add_task(backend, f"t {n % 7}", priority=n % 4, due_on=due(n)) for n in range(60)]
    gone = set(ids[::5])
    page_request = PageRequest(sort=sort, limit=7)
    seen: list[UUID] = []
    for step in range(100):
        page = backend.ask(backend.tasks.list_page(ALL_TASKS, page_request))
        seen += [task.id for task in page.items]
        if page.next_key is None:
            break
        page_request = replace(page_request, after=page.next_key)
        add_task(backend, f"t {step % 7}", priority=step % 4, due_on=due(step))
        if gone:
            with backend.open() as uow:
                task_use_cases.delete_task(uow, gone.pop(), ctx=CTX)
                uow.commit()

    assert len(seen) == len(set(seen))
    assert set(ids) - set(ids[::5]) <= set(seen)


def test_counting_the_rows_of_a_list_stops_beyond_its_bound(backend: Backend) -> None:
    with backend.open() as uow:
        for number in range(COUNT_LIMIT + 5):
            task_use_cases.create_task(uow, title=f"task {number}", ctx=CTX)
        uow.commit()

    for q in (None, "task", "a"):
        order = PageRequest(sort="created_at", limit=1, count=True)
        page = backend.ask(backend.tasks.list_page(replace(ALL_TASKS, q=q), order))
        assert page.total == COUNT_LIMIT + 1
    assert backend.ask(backend.tasks.count(ALL_TASKS)).total == COUNT_LIMIT + 5


MONDAY = datetime(2026, 2, 23, tzinfo=UTC)  # NOON is on the Sunday of its week
MICROSECOND = timedelta(microseconds=1)


def test_completed_tasks_are_counted_by_weeks_that_begin_on_mondays_in_utc(
    backend: Backend,
) -> None:
    week = timedelta(weeks=1)
    done_at = [
        MONDAY - 3 * week - MICROSECOND,  # too long ago
        MONDAY - 3 * week,
        MONDAY - week - MICROSECOND,
        MONDAY - week,
        MONDAY - MICROSECOND,
        (MONDAY - MICROSECOND).astimezone(timezone(timedelta(hours=14))),  # a Monday there
        MONDAY,
        NOON,
        MONDAY + week - MICROSECOND,
        MONDAY + week,  # the clock was set back since
    ]
    for number, moment in enumerate(done_at):
        id = add_task(backend, f"t{number}", ctx=Context(None, MONDAY - 50 * week))
        with backend.open() as uow:
            task_use_cases.complete_task(uow, id, ctx=Context(None, moment))
            uow.commit()
    add_task(backend, "still to be done", ctx=CTX)

    for now in (MONDAY, NOON, MONDAY + week - MICROSECOND):
        told = backend.ask(backend.tasks.completed_per_week(now, 4))
        assert [(one.monday, one.completed) for one in told] == [
            (date(2026, 2, 2), 1),
            (date(2026, 2, 9), 1),
            (date(2026, 2, 16), 3),
            (date(2026, 2, 23), 3),
        ]
        assert backend.ask(backend.tasks.completed_per_week(now, 1)) == told[-1:]
    abroad = (MONDAY - MICROSECOND).astimezone(timezone(timedelta(hours=14)))
    assert backend.ask(backend.tasks.completed_per_week(abroad, 2))[-1].monday == date(2026, 2, 16)


def test_weeks_without_completed_tasks_are_counted_as_zero(backend: Backend) -> None:
    add_task(backend)
    told = backend.ask(backend.tasks.completed_per_week(NOON, 60))

    assert [one.completed for one in told] == [0] * 60
    assert [one.monday for one in told] == [
        (MONDAY - timedelta(weeks=ago)).date() for ago in range(59, -1, -1)
    ]
    id = add_task(backend)
    with backend.open() as uow:
        task_use_cases.complete_task(uow, id, ctx=CTX)
        uow.commit()
    with backend.open() as uow:
        task_use_cases.reopen_task(uow, id, ctx=CTX)
        uow.commit()
    assert backend.ask(backend.tasks.completed_per_week(NOON, 60)) == told
