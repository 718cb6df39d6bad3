"""The rules of the domain, without anything around them."""

import unicodedata
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.store import MemoryStore, MemoryTasks
from domain.errors import Invalid, Unacceptable
from domain.tasks import Task, TaskAdded, TaskCompleted, TaskEdited, TaskReopened
from domain.values import Password, Text, Whole, fold

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ID = UUID("01900000-0000-7000-8000-000000000000")


def task(**members: object) -> Task:
    made = Task.add(ID, NOON, **{"title": "Sharpen the chisels", **members})  # type: ignore[arg-type]
    made.take_events()
    return made


@given(st.text())
def test_a_text_that_is_kept_is_trimmed_normal_and_within_its_bounds(value: str) -> None:
    try:
        kept = Text(1, 10)(value)
    except Unacceptable:
        trimmed = unicodedata.normalize("NFC", value.strip())
        assert not 1 <= len(trimmed) <= 10 or "\0" in trimmed
    else:
        assert kept == unicodedata.normalize("NFC", kept).strip()
        assert 1 <= len(kept) <= 10
        assert Text(1, 10)(kept) == kept


@pytest.mark.parametrize("character", ["\ud800", "\udbff", "\udc00", "\udfff", "\0"])
def test_what_no_database_can_keep_is_no_text(character: str) -> None:
    with pytest.raises(Unacceptable):
        Text(1, 10)(f"a{character}b")
    for kept in ("\ud7ff", "\ue000", "\U0001f528"):
        assert Text(1, 10)(kept) == kept


@pytest.mark.parametrize("character", ["\0", "\t", "\n", "\r", "\x7f", "\x85", "\ud800"])
def test_a_password_that_no_form_can_hold_is_refused(character: str) -> None:
    with pytest.raises(Unacceptable):
        Password(8, 128)(f"long {character} enough")


@given(st.integers())
def test_a_number_is_kept_within_its_bounds(value: int) -> None:
    if 0 <= value <= 9:
        assert Whole(0, 9)(value) == value
    else:
        with pytest.raises(Unacceptable):
            Whole(0, 9)(value)


@given(st.text())
def test_folding_does_not_depend_on_how_a_text_is_composed(value: str) -> None:
    assert fold(value) == fold(unicodedata.normalize("NFD", value))


@pytest.mark.parametrize(
    ("text", "folded"), [("Äpfel", "apfel"), ("STRASSE", "strasse"), ("Straße", "strasse"),
                         ("ÉCLAIR", "eclair"), ("ﬁne", "fine"), ("日本", "日本")]
)  # fmt: skip
def test_folding_drops_case_and_accents(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    "members",
    [{"title": ""}, {"title": "x" * 101}, {"description": "x" * 501}, {"priority": 10}],
)
def test_a_task_keeps_its_rules_whoever_makes_or_edits_it(members: dict[str, object]) -> None:
    (field,) = members
    with pytest.raises(Invalid) as made:
        task(**members)
    existing = task()
    with pytest.raises(Invalid) as edited:
        existing.edit({**members, "due_on": date(2030, 1, 1)}, NOON)  # type: ignore[typeddict-item]
    assert made.value.field == edited.value.field == field
    assert existing.due_on is None


def test_a_task_tells_what_happened_to_it() -> None:
    made = Task.add(ID, NOON, title="x")
    later = NOON + timedelta(hours=1)
    made.edit({"title": "y", "priority": 0}, later)
    made.edit({"title": "y"}, later)
    made.complete(later)
    made.complete(later)
    made.reopen(later, among=MemoryTasks(MemoryStore()))

    assert made.take_events() == [
        TaskAdded(subject=ID, at=NOON),
        TaskEdited(subject=ID, at=later, members=("title",)),
        TaskCompleted(subject=ID, at=later),
        TaskReopened(subject=ID, at=later),
    ]
    assert made.take_events() == []


def test_a_change_of_nothing_is_no_change() -> None:
    made = task(priority=3)
    made.edit({"priority": 3, "title": "  Sharpen the chisels "}, NOON + timedelta(days=1))
    assert made.updated_at == NOON
    assert made.take_events() == []


def test_two_tasks_are_equal_only_if_they_are_one() -> None:
    made = task()
    assert made == made
    assert made != task()


@pytest.mark.parametrize(
    ("due_on", "done", "overdue"),
    [
        (NOON.date() - timedelta(1), False, True),
        (NOON.date() - timedelta(1), True, False),
        (NOON.date(), False, False),
        (None, False, False),
    ],
)
def test_a_task_is_overdue_from_the_day_after_until_it_is_done(
    due_on: date | None, done: bool, overdue: bool
) -> None:
    made = task(due_on=due_on)
    if done:
        made.complete(NOON)
    assert made.is_overdue(NOON.date()) is overdue
