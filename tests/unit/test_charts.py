"""Plots, as who sees them and who does not may rely on them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from entrypoints.pages.axis_ticks import MOST, ticks
from entrypoints.pages.charts import (
    Segment,
    Tone,
    bar_chart,
    compact_number,
    stacked_bar,
    step_chart,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

# What XML can hold, hostile or not.
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20).filter(
    lambda word: not re.search("[\ufffe\uffff]", word)
)
counts = st.integers(0, 10**18)
times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
tones: st.SearchStrategy[Tone] = st.sampled_from(("good", "warn", "bad", "calm"))


def drawn(plot: Markup) -> Element:
    """Return what was drawn, which is well formed."""
    return ElementTree.fromstring(f"<div>{plot}</div>")


def all_of(root: Element, name: str) -> Iterator[Element]:
    return root.iter(name)


def texts(plot: Markup) -> list[str]:
    return ["".join(each.itertext()) for each in all_of(drawn(plot), "text")]


def about(plot: Markup) -> str:
    """Return what is said of a plot to whoever does not see it."""
    svg = next(all_of(drawn(plot), "svg"))
    told = {each.get("id"): each.text or "" for each in svg if each.tag in ("title", "desc")}
    assert svg.get("role") == "img"
    return f"{told[svg.get('aria-labelledby')]}: {told[svg.get('aria-describedby')]}"


def box(rect: Element) -> tuple[float, float, float, float]:
    x, width = (float((rect.get(name) or "").removesuffix("%")) for name in ("x", "width"))
    return x, float(rect.get("y") or ""), width, float(rect.get("height") or "")


def path_of(plot: Markup) -> list[tuple[float, float]]:
    """Return the corners of the line, each by how far right and how far down it is."""
    (line,) = (each for each in all_of(drawn(plot), "path") if each.get("class") == "line")
    corners, x, y = [], 0.0, 0.0
    for command, number in re.findall("([MHV ])([0-9.]+)", line.get("d") or ""):
        if command in "MH":
            x = float(number)
        else:
            y = float(number)
        corners.append((x, y))
    return corners[1:]


def assert_inside(plot: Markup) -> None:
    """Assert that nothing is drawn outside of what there is room for, and no style is needed."""
    for each in drawn(plot).iter():
        assert "style" not in each.attrib
        assert not any("nan" in value or "inf" in value for value in each.attrib.values())
    for rect in all_of(drawn(plot), "rect"):
        x, y, width, height = box(rect)
        assert x >= 0
        assert y >= 0
        assert width > 0
        assert height >= 0
        assert x + width <= 100.1
        assert y + height <= 160.1


def test_a_bar_is_as_high_as_its_number_and_says_it() -> None:
    plot = bar_chart("Tasks done", [("Feb 16", 2), ("Feb 23", 0), ("This week", 4)], current=2)

    heights = [box(rect)[3] for rect in all_of(drawn(plot), "rect")]
    assert heights[0] * 2 == heights[2] > 0 == heights[1]
    assert {"2", "0", "4"} <= set(texts(plot))
    assert about(plot) == "Tasks done: Feb 16: 2, Feb 23: 0, This week: 4"


def test_the_current_bar_is_marked_and_named() -> None:
    plot = bar_chart("Tasks done", [(f"week {n}", n) for n in range(12)], current=11)

    *others, current = (rect.get("class") for rect in all_of(drawn(plot), "rect"))
    assert current == "mark"
    assert set(others) == {"mark faint"}
    named = [text for text in texts(plot) if text.startswith("week")]
    assert named[-1] == "week 11"
    assert len(named) < MOST, "more would not have room on a phone"


@given(st.lists(st.tuples(words, counts), max_size=60), words, st.integers(-1, 60))
def test_bars_stay_inside_whatever_they_show(
    values: list[tuple[str, int]], title: str, current: int
) -> None:
    assert_inside(bar_chart(title, values, current))


def test_a_line_stays_what_it_is_until_the_next_point() -> None:
    points = [(NOW - timedelta(days=4), 10), (NOW - timedelta(days=1), 5)]

    plot = step_chart("Stock", points, until=NOW)

    assert path_of(plot) == [(0, 0), (750, 0), (750, 70), (1000, 70)]
    assert about(plot) == (
        "Stock: From 10 on February 25, 2026 to 5 on March 1, 2026; lowest 5, highest 10."
    )


def test_the_reorder_level_is_drawn_where_the_line_would_reach_it() -> None:
    plot = step_chart("Stock", [(NOW - timedelta(days=4), 8)], until=NOW, reorder_level=4)

    (level,) = (each for each in all_of(drawn(plot), "line") if each.get("class") == "level")
    assert level.get("y1") == level.get("y2") == "90.0"
    assert "Reorder at 4" in texts(plot)
    assert about(plot).endswith("The reorder level is 4.")


def test_what_has_no_points_yet_says_so() -> None:
    for plot in (step_chart("Stock", [], until=NOW), bar_chart("Tasks done", [])):
        assert "nothing to show" in about(plot)
        assert any("nothing to show" in text for text in texts(plot))


@given(
    st.lists(st.tuples(times, counts), min_size=1, max_size=60), times, st.none() | counts, words
)
def test_a_line_goes_from_left_to_right_and_stays_inside(
    points: list[tuple[datetime, int]], until: datetime, level: int | None, title: str
) -> None:
    plot = step_chart(title, points, until=until, reorder_level=level)

    assert_inside(plot)
    corners = path_of(plot)
    assert all(0 <= x <= 1000 and 0 <= y <= 140 for x, y in corners)
    assert all(one[0] <= other[0] for one, other in pairwise(corners))
    assert corners[0][0] == 0
    assert corners[-1][0] == 1000


@given(times, st.timedeltas(timedelta(0), timedelta(days=40_000)))
def test_a_time_axis_names_a_few_times_that_lie_on_it(since: datetime, span: timedelta) -> None:
    named = ticks(since, since + span)

    assert 1 <= len(named) <= MOST
    assert all(since <= time <= since + span for time, _ in named)
    assert len({name for _, name in named}) == len(named)


@pytest.mark.parametrize(
    ("span", "names"),
    [
        (timedelta(0), ["12:00"]),
        (timedelta(minutes=3), ["12:00", "12:01", "12:02", "12:03"]),
        (timedelta(hours=20), ["12:00", "18:00", "00:00", "06:00"]),
        (timedelta(days=5), ["Mar 2", "Mar 4", "Mar 6"]),
        (timedelta(days=30), ["Mar 2", "Mar 16", "Mar 30"]),
        (timedelta(days=90), ["Apr 2026", "May 2026"]),
        (timedelta(days=1000), ["2027", "2028"]),
    ],
)
def test_a_time_axis_is_named_where_a_clock_or_a_calendar_turns(
    span: timedelta, names: list[str]
) -> None:
    assert [name for _, name in ticks(NOW, NOW + span)] == names


def test_a_time_axis_on_which_nothing_turns_names_where_it_begins() -> None:
    begin = NOW + timedelta(seconds=1)

    assert ticks(begin, begin + timedelta(seconds=9)) == [(begin, "Mar 1, 12:00")]


def test_parts_are_told_by_name_and_number_and_not_by_colour_alone() -> None:
    plot = stacked_bar("Machines", [Segment("Online", 3, "good"), Segment("Offline", 1, "bad")])

    assert about(plot) == "Machines: Online: 3 (75%), Offline: 1 (25%)"
    keys = list(all_of(drawn(plot), "li"))
    assert ["".join(key.itertext()) for key in keys] == ["Online: 3 (75%)", "Offline: 1 (25%)"]
    shapes = [next(all_of(key, "path")).get("d") for key in keys]
    assert len(set(shapes)) == 2
    assert [box(rect)[2] for rect in all_of(drawn(plot), "rect")] == [75, 25]


def test_the_smallest_part_can_still_be_seen_and_none_is_not_drawn() -> None:
    plot = stacked_bar(
        "Machines", [Segment("a", 10**9, "good"), Segment("b", 1, "bad"), Segment("c", 0, "calm")]
    )

    widths = [box(rect)[2] for rect in all_of(drawn(plot), "rect")]
    assert len(widths) == 2
    assert widths[1] > 1


@given(st.lists(st.builds(Segment, words, counts, tones), max_size=12), words)
def test_parts_fill_the_strip_whatever_they_are(whole: list[Segment], title: str) -> None:
    plot = stacked_bar(title, whole)

    assert_inside(plot)
    assert sum(box(rect)[2] for rect in all_of(drawn(plot), "rect")) == pytest.approx(100, abs=0.1)
    assert len(list(all_of(drawn(plot), "li"))) == len(whole)


def test_what_somebody_typed_is_text_in_a_plot() -> None:
    hostile = '<script>alert(1)</script>"'

    for plot in (
        bar_chart(hostile, [(hostile, 1)]),
        step_chart(hostile, [(NOW, 1)], until=NOW),
        stacked_bar(hostile, [Segment(hostile, 1, "good")]),
    ):
        assert "<script" not in plot
        assert hostile in about(plot)


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0"), (999, "999"), (1234, "1.2k"), (12_999, "12k"), (10**9, "1.0G"), (10**18, "1.0E")],
)
def test_a_large_number_is_brief_above_a_bar(value: int, told: str) -> None:
    assert compact_number(value) == told
