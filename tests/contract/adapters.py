"""What every unit of work and every read port promises."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.base import COUNT_LIMIT, Context, Entity, Event, PageRequest
from domain.errors import InvalidField, NotFound, NotUnique, StillReferenced, VersionMismatch
from domain.tasks import SORTS, Task, TaskCompleted, TaskCreated, TaskEdited, TaskFilter
from domain.values import CENT
from service_layer import access, catalogue
from service_layer import tasks as task_use_cases
from service_layer.errors import ConcurrencyConflict, ConnectionLost, DatabaseUnavailable, QueueFull
from service_layer.group_commit.runner import DEFAULT_POLICY, BatchPolicy, GroupCommitRunner
from service_layer.queries.tasks import TaskView
from service_layer.queries.users import PublicUser
from service_layer.reactions import REACTIONS, Reactions
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.people import ADMIN, CTX, MEMBER, OTHER, PEOPLE

E = TypeVar("E", bound=Entity)

TODAY = NOON.date()
ALL = TaskFilter(today=TODAY)
FIRST = PageRequest(sort="created_at", limit=100)


def add(backend: Backend, title: str = "Sharpen the chisels", **members: Any) -> UUID:
    members.setdefault("ctx", CTX)
    with backend.open() as uow:
        task = task_use_cases.create_task(uow, title=title, **members)
        uow.commit()
    return task.id


def get(backend: Backend, id: UUID) -> TaskView | None:
    return backend.ask(backend.tasks.get(id, NOON))


def items(
    backend: Backend, filter: TaskFilter = ALL, page_request: PageRequest = FIRST
) -> list[TaskView]:
    return backend.ask(backend.tasks.list_page(filter, page_request)).items


def test_what_is_committed_is_read_as_it_was_written(backend: Backend) -> None:
    id = add(backend, "Öl 油 🛠️ 'x\"; --", description="a\nb", priority=9, due_on=date(2026, 2, 28))

    assert get(backend, id) == TaskView(
        id=id,
        version=1,
        created_at=NOON,
        updated_at=NOON,
        title="Öl 油 🛠️ 'x\"; --",
        description="a\nb",
        priority=9,
        due_on=date(2026, 2, 28),
        assignee_id=None,
        assignee=None,
        created_by=None,
        product_id=None,
        completed=False,
        completed_at=None,
        overdue=True,
    )


def test_what_is_not_committed_is_not_there(backend: Backend) -> None:
    with backend.open() as uow:
        id = task_use_cases.create_task(uow, title="Never", ctx=CTX).id

    assert get(backend, id) is None


def test_an_exception_undoes_everything_in_the_unit_of_work(backend: Backend) -> None:
    kept = add(backend, "Kept")
    with pytest.raises(RuntimeError), backend.open() as uow:
        task_use_cases.edit_task(uow, kept, {"title": "Changed"}, ctx=CTX)
        task_use_cases.create_task(uow, title="Added", ctx=CTX)
        raise RuntimeError

    assert [task.title for task in items(backend)] == ["Kept"]


def test_one_unit_of_work_has_one_object_for_one_id(backend: Backend) -> None:
    id = add(backend)
    with backend.open() as uow:
        added = task_use_cases.create_task(uow, title="Another", ctx=CTX)
        assert uow.tasks.get(id) is uow.tasks.get(id)
        assert uow.tasks.get(added.id) is added


def test_a_removed_task_is_gone(backend: Backend) -> None:
    id = add(backend)
    with backend.open() as uow:
        task_use_cases.delete_task(uow, id, ctx=CTX)
        with pytest.raises(NotFound):
            uow.tasks.get(id)
        uow.commit()

    assert get(backend, id) is None
    with backend.open() as uow, pytest.raises(NotFound):
        uow.tasks.get(id)


def test_each_change_counts_the_version_and_no_change_does_not(backend: Backend) -> None:
    id = add(backend)
    later = NOON + timedelta(hours=1)
    versions = []
    for changes in ({"title": "Once"}, {"title": "Once"}, {"title": "Twice", "priority": 3}):
        with backend.open() as uow:
            task = task_use_cases.edit_task(uow, id, changes, ctx=Context(None, later))  # type: ignore[arg-type]
            uow.commit()
        versions.append(task.version)

    assert versions == [2, 2, 3]
    found = get(backend, id)
    assert found is not None
    assert (found.version, found.updated_at) == (3, later)


def test_a_version_that_was_not_expected_is_stale(backend: Backend) -> None:
    id = add(backend)
    with backend.open() as uow:
        with pytest.raises(VersionMismatch):
            uow.tasks.get(id, {2, 3})
        assert uow.tasks.get(id, {1, 5}).version == 1


def test_a_time_in_another_zone_is_kept_as_the_same_moment_in_utc(backend: Backend) -> None:
    noon_in_india = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    id = add(backend, ctx=Context(None, noon_in_india))

    found = get(backend, id)
    assert found is not None
    assert found.created_at == NOON
    assert found.created_at.utcoffset() == timedelta(0)
    assert found.created_at.isoformat() == "2026-03-01T12:00:00+00:00"


def test_a_time_keeps_its_microseconds(backend: Backend) -> None:
    id = add(backend, ctx=Context(None, NOON.replace(microsecond=1)))
    found = get(backend, id)
    assert found is not None
    assert found.created_at.microsecond == 1


def test_ids_are_uuids_of_version_7_in_the_order_of_making(backend: Backend) -> None:
    with backend.open() as uow:
        ids = [uow.new_id() for _ in range(1_000)]
    assert ids == sorted(set(ids))
    assert {id.version for id in ids} == {7}


def test_of_concurrent_changes_to_what_was_seen_only_one_wins(backend: Backend) -> None:
    id = add(backend)
    runner = backend.runner()

    def change(number: int) -> str:
        try:
            runner.perform(
                task_use_cases.edit_task, id, {"title": f"by {number}"}, ctx=CTX, expected={1}
            )
        except VersionMismatch:
            return "stale"
        return f"by {number}"

    outcomes = in_threads(20, change)

    winners = [outcome for outcome in outcomes if outcome != "stale"]
    assert len(winners) == 1
    found = get(backend, id)
    assert found is not None
    assert (found.title, found.version) == (winners[0], 2)


def test_concurrent_changes_of_different_members_are_all_kept(backend: Backend) -> None:
    id = add(backend)
    runner = backend.runner()
    changes: list[Any] = [{"title": "New"}, {"priority": 7}, {"description": "Because"}]

    in_threads(3, lambda n: runner.perform(task_use_cases.edit_task, id, changes[n], ctx=CTX))

    found = get(backend, id)
    assert found is not None
    assert (found.title, found.priority, found.description) == ("New", 7, "Because")
    assert found.version == 4


def test_a_commit_over_somebody_elses_change_is_refused(backend: Backend) -> None:
    id = add(backend)
    seen, changed = threading.Event(), threading.Event()
    outcome: list[str] = []

    def slow() -> None:
        # On SQLite a transaction holds the write lock from its start, so nobody gets between.
        try:
            with backend.open() as uow:
                task = uow.tasks.get(id)
                seen.set()
                changed.wait(0.5)
                task.edit({"title": "Slow"}, CTX)
                uow.commit()
            outcome.append("committed")
        except ConcurrencyConflict:
            outcome.append("refused")

    thread = threading.Thread(target=slow)
    thread.start()
    seen.wait()
    backend.runner().perform(task_use_cases.edit_task, id, {"description": "Quick"}, ctx=CTX)
    changed.set()
    thread.join()

    found = get(backend, id)
    assert found is not None
    assert found.description == "Quick"
    assert (found.title == "Slow") == (outcome == ["committed"])
    assert found.version == (3 if outcome == ["committed"] else 2)


def test_a_reaction_happens_with_the_change_that_it_follows(backend: Backend) -> None:
    def follow_up(uow: UnitOfWork, event: Event) -> None:
        if event.at == NOON:
            task_use_cases.create_task(
                uow, title="Sweep up", ctx=Context(None, NOON + timedelta(seconds=1))
            )

    runner = backend.runner({TaskCreated: (follow_up,)})
    runner.perform(task_use_cases.create_task, title="Plane the board", ctx=CTX)

    assert [task.title for task in items(backend)] == ["Plane the board", "Sweep up"]


def test_a_reaction_that_fails_undoes_the_change(backend: Backend) -> None:
    def fail(uow: UnitOfWork, event: Event) -> None:
        task_use_cases.create_task(uow, title="Half done", ctx=CTX)
        raise RuntimeError

    runner = backend.runner({TaskCreated: (fail,)})
    with pytest.raises(RuntimeError):
        runner.perform(task_use_cases.create_task, title="Never", ctx=CTX)

    assert items(backend) == []


def test_the_steps_of_a_long_use_case_find_what_was_done_and_what_followed(
    backend: Backend,
) -> None:
    def follow_up(uow: UnitOfWork, event: Event) -> None:
        if event.at == NOON:
            task_use_cases.create_task(
                uow, title="Sweep up", ctx=Context(None, NOON + timedelta(seconds=1))
            )

    def long(uow: UnitOfWork, step: Callable[[], None]) -> list[str]:
        id = task_use_cases.create_task(uow, title="Plane the board", ctx=CTX).id
        step()
        task_use_cases.edit_task(uow, id, {"priority": 1}, ctx=CTX)
        task_use_cases.edit_task(uow, id, {"priority": 2}, ctx=CTX)
        step()
        task_use_cases.complete_task(uow, id, ctx=CTX)
        step()
        return [task.title for task in uow.tasks.list_pending(None)]

    runner = backend.runner({TaskCreated: (follow_up,)})
    told: list[type[Event]] = []
    runner.after_commit(lambda events: told.extend(type(event) for event in events))

    assert runner.perform_in_steps(long) == ["Sweep up"]
    assert [(task.title, task.version) for task in items(backend)] == [
        ("Plane the board", 3),
        ("Sweep up", 1),
    ]
    assert told == [TaskCreated, TaskCreated, TaskEdited, TaskEdited, TaskCompleted]


def test_a_long_use_case_that_fails_leaves_none_of_its_steps(backend: Backend) -> None:
    def long(uow: UnitOfWork, step: Callable[[], None]) -> None:
        id = task_use_cases.create_task(uow, title="Never", ctx=CTX).id
        step()
        assert not uow.tasks.is_empty()
        uow.tasks.get(id, expected=(7,))

    with pytest.raises(VersionMismatch):
        backend.runner().perform_in_steps(long)

    assert items(backend) == []


def test_a_connection_lost_after_a_conflict_is_replaced_once(backend: Backend) -> None:
    errors = iter([ConcurrencyConflict(), ConnectionLost("gone")])

    def write(uow: UnitOfWork) -> None:
        for error in errors:
            raise error
        task_use_cases.create_task(uow, title="Kept", ctx=CTX)

    backend.usual.perform(write)
    assert [task.title for task in items(backend)] == ["Kept"]


def test_a_connection_lost_twice_is_an_error(backend: Backend) -> None:
    def write(uow: UnitOfWork) -> None:
        raise ConnectionLost("gone")

    with pytest.raises(ConnectionLost):
        backend.usual.perform(write)


def test_a_repository_tells_whether_it_is_empty(backend: Backend) -> None:
    with backend.open() as uow:
        kept = (uow.tasks, uow.posts, uow.categories, uow.products, uow.devices, uow.movements)
        assert [one.is_empty() for one in kept] == [True] * 6
        assert not uow.users.is_empty()
        assert uow.users.has_member()
        for person in (MEMBER, OTHER):
            access.revoke_tokens(uow, person.id, ctx=CTX)
            uow.users.remove(uow.users.get(person.id))
        uow.flush()
        assert not uow.users.is_empty()
        assert not uow.users.has_member()
    add(backend)
    with backend.open() as uow:
        assert not uow.tasks.is_empty()


class Together:
    """Runs use cases that all wait for the writer at once, and counts the transactions."""

    def __init__(
        self,
        backend: Backend,
        reactions: Reactions = REACTIONS,
        *,
        policy: BatchPolicy = DEFAULT_POLICY,
    ) -> None:
        self.backend = backend
        self.transactions = 0
        assert backend.open_batch is not None
        self.runner = GroupCommitRunner(
            partial(self.counted, backend.open),
            partial(self.counted, backend.open_batch),
            reactions,
            policy=policy,
        )

    def counted(self, begin: Callable[..., Any], **kwargs: Any) -> Any:
        self.transactions += 1
        return begin(**kwargs)

    async def ask(self, use_case: Callable[[UnitOfWork], Any]) -> Any:
        """Run a use case as an endpoint does: the runner is told what it is given."""
        if isinstance(use_case, partial):
            return await self.runner(use_case.func, *use_case.args, **use_case.keywords)
        return await self.runner(use_case)

    def run(
        self,
        *use_cases: Callable[[UnitOfWork], Any],
        then: Sequence[Callable[[UnitOfWork], Any]] = (),
    ) -> list[Any]:
        """Return what became of each use case: its result, or the exception.

        When those are done some more may come, one in each second turn of the event loop.
        """
        held, go = threading.Event(), threading.Event()

        def hold(uow: UnitOfWork) -> None:
            held.set()
            go.wait()

        async def all_at_once() -> list[Any]:
            first = asyncio.ensure_future(self.runner(hold))
            await asyncio.to_thread(held.wait)
            others = [asyncio.ensure_future(self.ask(use_case)) for use_case in use_cases]
            await asyncio.sleep(0)
            go.set()
            await first
            done = await asyncio.gather(*others, return_exceptions=True)
            for use_case in then:
                others.append(asyncio.ensure_future(self.ask(use_case)))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            return done + await asyncio.gather(*others[len(done) :], return_exceptions=True)

        try:
            return self.backend.ask(all_at_once())
        finally:
            self.runner.close()


def test_use_cases_that_wait_together_share_a_transaction(backend: Backend) -> None:
    together = Together(backend)
    made = together.run(
        *(partial(task_use_cases.create_task, title=f"t{n}", ctx=CTX) for n in range(20))
    )

    assert together.transactions == 2
    assert [task.title for task in items(backend)] == [f"t{n}" for n in range(20)]
    assert [task.version for task in made] == [1] * 20


def test_a_use_case_that_breaks_a_rule_fails_alone_among_those_it_shares_with(
    backend: Backend,
) -> None:
    id = add(backend, "Kept")

    def half_done(uow: UnitOfWork) -> None:
        task_use_cases.create_task(uow, title="Never", ctx=CTX)
        uow.tasks.get(id).edit({"title": "Never"}, CTX)
        raise NotFound("task", id)

    together = Together(backend)
    one, two, three, four = together.run(
        partial(task_use_cases.create_task, title="One", ctx=CTX),
        half_done,
        partial(task_use_cases.edit_task, task_id=id, changes={"title": ""}, ctx=CTX),
        partial(task_use_cases.edit_task, task_id=id, changes={"priority": 1}, ctx=CTX),
    )

    assert together.transactions == 2
    assert (one.title, type(two), type(three)) == ("One", NotFound, InvalidField)
    assert (four.title, four.priority, four.version) == ("Kept", 1, 2)
    assert [task.title for task in items(backend)] == ["Kept", "One"]


def test_a_defect_in_one_use_case_harms_none_of_those_it_shares_with(backend: Backend) -> None:
    def defect(uow: UnitOfWork) -> None:
        task_use_cases.create_task(uow, title="Never", ctx=CTX)
        raise RuntimeError

    one, two, three = Together(backend).run(
        partial(task_use_cases.create_task, title="One", ctx=CTX),
        defect,
        partial(task_use_cases.create_task, title="Three", ctx=CTX),
    )

    assert (one.title, type(two), three.title) == ("One", RuntimeError, "Three")
    assert [task.title for task in items(backend)] == ["One", "Three"]


def test_changes_of_one_task_in_a_shared_transaction_are_changes_of_their_own(
    backend: Backend,
) -> None:
    id = add(backend)
    together = Together(backend)
    first, second, stale, removed, gone = together.run(
        partial(
            task_use_cases.edit_task, task_id=id, changes={"title": "a"}, ctx=CTX, expected={1}
        ),
        partial(
            task_use_cases.edit_task, task_id=id, changes={"priority": 5}, ctx=CTX, expected={2}
        ),
        partial(
            task_use_cases.edit_task, task_id=id, changes={"title": "b"}, ctx=CTX, expected={1}
        ),
        partial(task_use_cases.delete_task, task_id=id, ctx=CTX, expected={3}),
        partial(task_use_cases.complete_task, task_id=id, ctx=CTX),
    )

    assert together.transactions == 2
    assert (first.title, first.priority, first.version) == ("a", 0, 2)
    assert isinstance(stale, VersionMismatch)
    assert (second.title, second.priority, second.version) == ("a", 5, 3)
    assert removed is None
    assert isinstance(gone, NotFound)
    assert get(backend, id) is None


def test_many_tasks_are_changed_in_a_shared_transaction_each_by_its_own_use_case(
    backend: Backend,
) -> None:
    ids = [add(backend, f"t{n}") for n in range(5)]

    def edit(id: UUID, title: str, expected: int) -> Callable[[UnitOfWork], Any]:
        use_case: Any = task_use_cases.edit_task
        return partial(use_case, id, {"title": title}, ctx=CTX, expected={expected})

    together = Together(backend)
    *edited, again, stale, missing = together.run(
        *(edit(id, f"new {n}", 1) for n, id in enumerate(ids)),
        edit(ids[2], "newer", 2),
        edit(ids[3], "late", 1),
        edit(ADMIN.id, "nothing", 1),
    )

    assert together.transactions == 2
    assert [(one.title, one.version) for one in edited] == [(f"new {n}", 2) for n in range(5)]
    assert (again.title, again.version) == ("newer", 3)
    assert (type(stale), type(missing)) == (VersionMismatch, NotFound)
    titles = [task.title for task in items(backend)]
    assert titles == ["new 0", "new 1", "newer", "new 3", "new 4"]


def test_use_cases_in_a_shared_transaction_look_at_what_those_before_have_done(
    backend: Backend,
) -> None:
    def add_category(name: str) -> Callable[[UnitOfWork], Any]:
        return partial(catalogue.create_category, name=name, ctx=CTX)

    one, taken, other = Together(backend).run(
        add_category("Screws"), add_category("SCREWS"), add_category("Nails")
    )
    assert (one.name, type(taken), other.name) == ("Screws", NotUnique, "Nails")

    removed, refused = Together(backend).run(
        partial(catalogue.delete_category, one.id, ctx=CTX),
        partial(catalogue.create_product, name="Nut", price=CENT, category_id=one.id, ctx=CTX),
    )
    assert removed is None
    assert isinstance(refused, InvalidField)

    product, in_use = Together(backend).run(
        partial(catalogue.create_product, name="Nut", price=CENT, category_id=other.id, ctx=CTX),
        partial(catalogue.delete_category, other.id, ctx=CTX),
    )
    assert (product.category_id, type(in_use)) == (other.id, StillReferenced)


def test_a_shared_transaction_that_loses_to_another_process_is_done_again_one_by_one(
    backend: Backend,
) -> None:
    id = add(backend)
    meddled = threading.Event()

    def meddle(uow: UnitOfWork) -> Task:
        task = uow.tasks.get(id)
        if not meddled.is_set():
            meddled.set()
            raise ConcurrencyConflict
        task.edit({"priority": 9}, CTX)
        return task

    one, two = Together(backend).run(
        partial(task_use_cases.edit_task, task_id=id, changes={"title": "a"}, ctx=CTX), meddle
    )

    assert (one.version, two.version, two.priority, two.title) == (2, 3, 9, "a")


def test_beyond_so_many_waiting_use_cases_further_ones_are_turned_away(backend: Backend) -> None:
    together = Together(backend)
    together.runner.MAX_QUEUE = 3
    outcomes = together.run(
        *(partial(task_use_cases.create_task, title=f"t{n}", ctx=CTX) for n in range(5))
    )

    assert [isinstance(outcome, QueueFull) for outcome in outcomes] == [False] * 3 + [True] * 2
    assert [task.title for task in items(backend)] == ["t0", "t1", "t2"]


def test_a_use_case_whose_caller_was_told_that_it_waited_too_long_is_not_run(
    backend: Backend,
) -> None:
    runner = backend.runner()
    runner.TIMEOUT = 0.2
    held, go = threading.Event(), threading.Event()

    def hold(uow: UnitOfWork) -> None:
        task_use_cases.create_task(uow, title="Held", ctx=CTX)
        held.set()
        go.wait()

    async def wait_too_long() -> tuple[Any, Any]:
        first = asyncio.ensure_future(runner(hold))
        await asyncio.to_thread(held.wait)
        second = runner(task_use_cases.create_task, title="Never", ctx=CTX)
        return await asyncio.gather(first, second, return_exceptions=True)

    begun, waiting = backend.ask(wait_too_long())
    go.set()
    runner.close()

    # What had been begun may still be done, and its caller was told just that.
    assert (type(begun), type(waiting)) == (DatabaseUnavailable, QueueFull)
    assert "not known" in str(begun)
    assert "was not made" in str(waiting)
    assert [task.title for task in items(backend)] == ["Held"]


def test_the_writer_goes_on_when_one_who_is_told_of_changes_fails(backend: Backend) -> None:
    def fail(events: Sequence[Event]) -> None:
        if events:
            raise RuntimeError

    together = Together(backend)
    together.runner.after_commit(fail)
    together.runner.TIMEOUT = 5.0
    add_task = partial(task_use_cases.create_task, ctx=CTX)
    told = together.run(
        *(partial(add_task, title=title) for title in "ab"), then=[partial(add_task, title="c")]
    )

    assert [type(error) for error in told] == [RuntimeError] * 3
    assert [task.title for task in items(backend)] == ["a", "b", "c"]


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
        add(backend, word)
        add(backend, "x", description=f"about {word}")

    hits = [hit.title for hit in items(backend, replace(ALL, q=q))]
    assert [title for title in hits if title != "x"] == [word for word in WORDS if word in found]
    assert hits.count("x") == len(found)


def test_titles_sort_without_case_and_accents_and_by_id_among_equals(backend: Backend) -> None:
    for title in ["zebra", "Äpfel", "apfel", "Banana", "10", "Zebra", "_", "éclair", "Ecru"]:
        add(backend, title)

    up = items(backend, page_request=PageRequest(sort="title", limit=100))
    assert [task.title for task in up] == [
        "10", "_", "Äpfel", "apfel", "Banana", "éclair", "Ecru", "zebra", "Zebra",
    ]  # fmt: skip
    down = items(backend, page_request=PageRequest(sort="title", descending=True, limit=100))
    assert down == up[::-1]


@pytest.mark.parametrize("descending", [False, True])
def test_tasks_without_a_date_come_last_whichever_way_dates_run(
    backend: Backend, descending: bool
) -> None:
    for day in [None, 3, 1, None, 2, 3]:
        add(backend, str(day), due_on=day and date(2026, 1, day))

    titles = [
        task.title
        for task in items(backend, page_request=PageRequest(sort="due_on", descending=descending))
    ]
    dates = ["3", "3", "2", "1"] if descending else ["1", "2", "3", "3"]
    assert titles == [*dates, "None", "None"]


def walk(backend: Backend, filter: TaskFilter, page_request: PageRequest) -> list[TaskView]:
    """Follow the cursors to the end."""
    seen: list[TaskView] = []
    for _ in range(1_000):
        page = backend.ask(backend.tasks.list_page(filter, page_request))
        seen += page.items
        if page.next_key is None:
            return seen
        assert len(page.items) == page_request.limit
        page_request = replace(page_request, after=page.next_key)
    raise AssertionError("the walk does not end")


some_tasks = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "á", "b c", "%"]),
        st.none() | st.sampled_from(["x", "Y\nz"]),
        st.integers(0, 2),
        st.none() | st.sampled_from([TODAY - timedelta(1), TODAY, TODAY + timedelta(1)]),
        st.none() | st.sampled_from([MEMBER.id, OTHER.id]),
        st.none() | st.integers(0, 1),
        st.booleans(),
    ),
    max_size=12,
)


def make_tasks(uow: UnitOfWork, some: list[Any]) -> tuple[list[Task], list[UUID]]:
    """Make tasks, and return them and the products that they may refer to."""
    products = [
        catalogue.create_product(uow, name=name, price=CENT, ctx=CTX).id
        for name in ("Glue", "Nails")
    ]
    entities: list[Task] = []
    for number, (title, description, priority, due_on, assignee, product, completed) in enumerate(
        some
    ):
        ctx = Context(None, NOON + timedelta(seconds=number // 2))
        task = task_use_cases.create_task(
            uow, title=title, description=description, priority=priority, due_on=due_on,
            assignee_id=assignee, ctx=ctx,
        )  # fmt: skip
        if completed:
            task.complete(ctx)
            # Of one product only one task is open, so these are not.
            task.product_id = None if product is None else products[product]
        entities.append(task)
    return entities, products


def some_filter(products: list[UUID]) -> st.SearchStrategy[TaskFilter]:
    return st.builds(
        TaskFilter,
        today=st.just(TODAY),
        completed=st.none() | st.booleans(),
        priority=st.none() | st.integers(0, 2),
        min_priority=st.none() | st.integers(0, 2),
        assignee_id=st.none() | st.sampled_from([MEMBER.id, OTHER.id]),
        due_before=st.none() | st.just(TODAY + timedelta(1)),
        overdue=st.none() | st.booleans(),
        product_id=st.none() | st.sampled_from(products),
        q=st.none() | st.sampled_from(["a", "B", "%", "z", "b c"]),
    )


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
        filter = data.draw(some_filter(products))
        descending = data.draw(st.booleans())
        meant = [task for task in entities if filter.matches(task)]
        order = PageRequest(sort=sort, descending=descending, limit=data.draw(st.integers(1, 5)))
        expected = in_order(meant, SORTS[sort], descending)
        walked = walk(backend, filter, order)
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


def in_order(things: list[E], value: Callable[[E], Any], descending: bool) -> list[E]:
    """Sort as the contract says: by value, then id; without a value last."""
    having = [thing for thing in things if value(thing) is not None]
    lacking = [thing for thing in things if value(thing) is None]
    having.sort(key=lambda thing: (value(thing), thing.id), reverse=descending)
    lacking.sort(key=lambda thing: thing.id, reverse=descending)
    return having + lacking


@pytest.mark.parametrize("descending", [False, True])
def test_completed_tasks_are_listed_by_when_they_were_completed(
    backend: Backend, descending: bool
) -> None:
    ids = [add(backend, f"t {n}") for n in range(9)]
    with backend.open() as uow:
        # The first three at the same moment, and one of them not at all in the end.
        for n, id in enumerate(reversed(ids)):
            task_use_cases.complete_task(
                uow, id, ctx=Context(None, NOON + timedelta(minutes=max(n, 3)))
            )
        task_use_cases.reopen_task(uow, ids[7], ctx=Context(None, NOON + timedelta(hours=1)))
        uow.commit()
    done = replace(ALL, completed=True)
    order = PageRequest(sort="completed_at", descending=descending, limit=2)

    walked = walk(backend, done, order)

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

    ids = [add(backend, f"t {n % 7}", priority=n % 4, due_on=due(n)) for n in range(60)]
    gone = set(ids[::5])
    page_request = PageRequest(sort=sort, limit=7)
    seen: list[UUID] = []
    for step in range(100):
        page = backend.ask(backend.tasks.list_page(ALL, page_request))
        seen += [task.id for task in page.items]
        if page.next_key is None:
            break
        page_request = replace(page_request, after=page.next_key)
        add(backend, f"t {step % 7}", priority=step % 4, due_on=due(step))
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
        page = backend.ask(backend.tasks.list_page(replace(ALL, q=q), order))
        assert page.total == COUNT_LIMIT + 1
    assert backend.ask(backend.tasks.count(ALL)).total == COUNT_LIMIT + 5


MONDAY = datetime(2026, 2, 23, tzinfo=UTC)  # NOON is on the Sunday of its week
MICROSECOND = timedelta(microseconds=1)


def test_what_was_done_is_counted_by_weeks_that_begin_on_mondays_in_utc(backend: Backend) -> None:
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
        id = add(backend, f"t{number}", ctx=Context(None, MONDAY - 50 * week))
        with backend.open() as uow:
            task_use_cases.complete_task(uow, id, ctx=Context(None, moment))
            uow.commit()
    add(backend, "still to be done", ctx=CTX)

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


def test_weeks_in_which_nothing_was_done_are_told_as_well(backend: Backend) -> None:
    add(backend)
    told = backend.ask(backend.tasks.completed_per_week(NOON, 60))

    assert [one.completed for one in told] == [0] * 60
    assert [one.monday for one in told] == [
        (MONDAY - timedelta(weeks=ago)).date() for ago in range(59, -1, -1)
    ]
    id = add(backend)
    with backend.open() as uow:
        task_use_cases.complete_task(uow, id, ctx=CTX)
        uow.commit()
    with backend.open() as uow:
        task_use_cases.reopen_task(uow, id, ctx=CTX)
        uow.commit()
    assert backend.ask(backend.tasks.completed_per_week(NOON, 60)) == told


def in_threads(number: int, work: Callable[[int], Any]) -> list[Any]:
    """Do the work in real threads, all at once, and return what each returned."""
    results: list[Any] = [None] * number
    barrier = threading.Barrier(number)

    def job(place: int) -> None:
        barrier.wait()
        results[place] = work(place)

    threads = [threading.Thread(target=job, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_what_is_added_and_removed_at_once_was_never_there(backend: Backend) -> None:
    with backend.open() as uow:
        task = task_use_cases.create_task(uow, title="Changed my mind", ctx=CTX)
        task_use_cases.delete_task(uow, task.id, ctx=CTX)
        uow.commit()

    assert items(backend) == []


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = [name for name in globals() if name.startswith("test_")]
