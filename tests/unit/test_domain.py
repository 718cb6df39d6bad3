"""The rules of the domain, without anything around them."""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.repositories import MemoryTasks
from adapters.memory.store import MemoryStore
from domain.base import Context
from domain.errors import InvalidField, InvalidValue
from domain.tasks import Task, TaskCompleted, TaskCreated, TaskEdited, TaskReopened
from domain.text import DEFAULT_IGNORABLE, VISIBLE, casefold_nfc, search_fold
from domain.values import IntegerRule, PasswordRule, TextRule

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CTX = Context(None, NOON)
ID = UUID("01900000-0000-7000-8000-000000000000")


def task(**members: object) -> Task:
    made = Task.create(ID, CTX, **{"title": "Sharpen the chisels", **members})  # type: ignore[arg-type]
    made.collect_events()
    return made


LINE, LINES = TextRule(1, 10), TextRule(1, 10, lines=True)

BLANKS = st.sampled_from("\t\n\v\f\r \x1c\x85\xa0\u2003\u2028\u2029\u3000")
INVISIBLES = st.sampled_from(
    "\xad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200f\u202e\u2060\u2066\u2800\u3164\ufe0f\ufeff"
    "\uffa0\ufffa\U0001d159\U0001d173\U000e0001\U000e0041\U000e01ef"
)
CONTROLS = st.sampled_from("\0\x01\a\b\x1b\x1f\x7f\x80\x9f")
TEXTS = st.lists(
    st.one_of(st.sampled_from("aBß"), st.characters(), BLANKS, INVISIBLES, CONTROLS), max_size=12
).map("".join)


@given(value=TEXTS, rule=st.sampled_from([LINE, LINES]))
def test_a_text_that_is_kept_is_trimmed_normal_visible_and_within_its_bounds(
    value: str, rule: TextRule
) -> None:
    try:
        kept = rule(value)
    except InvalidValue:
        return
    assert kept == unicodedata.normalize("NFC", kept).strip()
    assert 1 <= len(kept) <= 10
    assert rule(kept) == kept
    assert {c for c in kept if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")} <= (
        {"\t", "\n"} if rule.lines else set()
    )
    assert search_fold(kept)


@given(st.lists(st.one_of(BLANKS, INVISIBLES), min_size=1, max_size=10).map("".join))
def test_a_text_of_which_nothing_can_be_seen_is_refused(value: str) -> None:
    for rule in (LINE, LINES):
        with pytest.raises(InvalidValue):
            rule(value)


@pytest.mark.parametrize(
    "value", ["Drill\npress", "Drill\rpress", "Drill\tpress", "a\x7fb", "a\x85b", "a\u2028b"]
)
def test_a_text_of_one_line_has_no_control_characters(value: str) -> None:
    with pytest.raises(InvalidValue, match="line breaks and other control characters"):
        LINE(value[:10])


def test_the_lines_of_a_text_end_alike_wherever_it_comes_from() -> None:
    for end in ("\n", "\r\n", "\r", "\u2028", "\u2029"):
        assert LINES(f"{end} a{end}{end}\tb{end}") == "a\n\n\tb"
    for control in "\x01\x0b\x0c\x1b\x7f\x85":
        with pytest.raises(InvalidValue, match="other than tabs and line breaks"):
            LINES(f"a{control}b")


@pytest.mark.parametrize(
    "value",
    [
        "👨\u200d👩\u200d👧",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "❤\ufe0f",
        "co\xadop",
    ],
)
def test_what_is_invisible_within_a_text_stays_in_it(value: str) -> None:
    assert LINE(value) == LINES(value) == value


def test_the_invisible_characters_are_those_of_the_unicode_standard() -> None:
    # DerivedCoreProperties.txt of Unicode 16.0 counts them.
    assert sum(last - first + 1 for first, last in DEFAULT_IGNORABLE) == 4_174
    # Those formats that are not among them have a glyph, or place others within one.
    formats = {c for c in map(chr, range(0x110000)) if unicodedata.category(c) == "Cf"}
    seen = {c for c in formats if re.fullmatch(VISIBLE, c)}
    assert {ord(c) >> 8 for c in seen} <= {0x06, 0x07, 0x08, 0x110, 0x134}


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.data())
def test_texts_that_look_alike_but_for_invisible_characters_are_the_same_name(
    text: str, data: st.DataObject
) -> None:
    before = unicodedata.normalize("NFC", text)
    place = data.draw(st.integers(0, len(before)))
    alike = before[:place] + data.draw(INVISIBLES) + before[place:]
    assert casefold_nfc(alike) == casefold_nfc(before)
    assert search_fold(alike) == search_fold(before)
    assert casefold_nfc(before.replace(" ", " \u200b\xa0")) == casefold_nfc(before)


@given(TEXTS)
def test_comparing_texts_as_they_are_compared_makes_no_difference(value: str) -> None:
    assert search_fold(search_fold(value)) == search_fold(value)
    assert casefold_nfc(casefold_nfc(value)) == casefold_nfc(value)


@pytest.mark.parametrize("character", ["\ud800", "\udbff", "\udc00", "\udfff", "\0"])
def test_what_no_database_can_keep_is_no_text(character: str) -> None:
    with pytest.raises(InvalidValue):
        TextRule(1, 10)(f"a{character}b")
    for kept in ("\ud7ff", "\ue000", "\U0001f528"):
        assert TextRule(1, 10)(kept) == kept


@pytest.mark.parametrize("character", ["\0", "\t", "\n", "\r", "\x7f", "\x85", "\ud800"])
def test_a_password_that_no_form_can_hold_is_refused(character: str) -> None:
    with pytest.raises(InvalidValue):
        PasswordRule(8, 128)(f"long {character} enough")


@given(st.integers())
def test_a_number_is_kept_within_its_bounds(value: int) -> None:
    if 0 <= value <= 9:
        assert IntegerRule(0, 9)(value) == value
    else:
        with pytest.raises(InvalidValue):
            IntegerRule(0, 9)(value)


@given(st.text())
def test_folding_does_not_depend_on_how_a_text_is_composed(value: str) -> None:
    assert search_fold(value) == search_fold(unicodedata.normalize("NFD", value))


@pytest.mark.parametrize(
    ("text", "folded"), [("Äpfel", "apfel"), ("STRASSE", "strasse"), ("Straße", "strasse"),
                         ("ÉCLAIR", "eclair"), ("ﬁne", "fine"), ("日本", "日本"),
                         ("circular\xadsaw", "circularsaw"), ("a \t\n\xa0b", "a b"),
                         ("don\u2019t \u201cx\u201d", "don't \"x\""), ("A\u2011B\u2212C", "a-b-c"),
                         ("❤\ufe0f", "❤"),
                         ("\u0301", "\u0301")]
)  # fmt: skip
def test_folding_drops_case_accents_and_what_keyboards_cannot_tell_apart(
    text: str, folded: str
) -> None:
    assert search_fold(text) == folded


@pytest.mark.parametrize(
    "members",
    [{"title": ""}, {"title": "x" * 101}, {"description": "x" * 501}, {"priority": 10}],
)
def test_a_task_keeps_its_rules_whoever_makes_or_edits_it(members: dict[str, object]) -> None:
    (field,) = members
    with pytest.raises(InvalidField) as made:
        task(**members)
    existing = task()
    with pytest.raises(InvalidField) as edited:
        existing.edit({**members, "due_on": date(2030, 1, 1)}, CTX)  # type: ignore[typeddict-item]
    assert made.value.field == edited.value.field == field
    assert existing.due_on is None


def test_a_task_tells_what_happened_to_it() -> None:
    made = Task.create(ID, CTX, title="x")
    later = NOON + timedelta(hours=1)
    ctx = Context(None, later)
    made.edit({"title": "y", "priority": 0}, ctx)
    made.edit({"title": "y"}, ctx)
    made.complete(ctx)
    made.complete(ctx)
    made.reopen(ctx, tasks=MemoryTasks(MemoryStore()))

    assert made.collect_events() == [
        TaskCreated(aggregate_id=ID, at=NOON),
        TaskEdited(aggregate_id=ID, at=later, changed_fields=("title",)),
        TaskCompleted(aggregate_id=ID, at=later),
        TaskReopened(aggregate_id=ID, at=later),
    ]
    assert made.collect_events() == []


def test_a_change_of_nothing_is_no_change() -> None:
    made = task(priority=3)
    later = Context(None, NOON + timedelta(days=1))
    made.edit({"priority": 3, "title": "  Sharpen the chisels "}, later)
    assert made.updated_at == NOON
    assert made.collect_events() == []


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
        made.complete(CTX)
    assert made.is_overdue(NOON.date()) is overdue
