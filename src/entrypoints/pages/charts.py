"""Charts as SVG, rendered on the server, each with a text alternative.

A chart takes the full width of its container. Shapes stretch with it. Text does not, so it
has the same size on a phone and on a desktop. Horizontal positions are therefore fractions of the
width, and vertical positions are pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Literal

from markupsafe import Markup, escape

from entrypoints.pages.axis_ticks import MOST, ticks
from entrypoints.pages.rendering import day, digest, number
from entrypoints.pages.translation import translate

_ABOVE, _HIGH, _BELOW = 20, 140, 22
"""The heights in pixels of the space for values, of the plot area, and of the axis labels."""
_BASE = _ABOVE + _HIGH
_WIDE = 1000
"""The width of a line's view box: the horizontal resolution."""

_PLOT = (
    '<svg class="plot" role="img" aria-labelledby="{id}-title" aria-describedby="{id}-about"'
    ' width="100%" height="{height}"><title id="{id}-title">{title}</title>'
    '<desc id="{id}-about">{about}</desc>{drawn}</svg>'
)
_TEXT = '<text class="{kind}" x="{x}%" y="{y}" text-anchor="{anchor}">{text}</text>'
_ACROSS = '<line class="{kind}" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
_BOX = '<rect class="{kind}" x="{x}%" y="{y}" width="{width}%" height="{height}"/>'
_LINE = (
    '<svg y="{above}" width="100%" height="{high}" viewBox="0 0 {wide} {high}"'
    ' preserveAspectRatio="none"><path class="area" d="{line}V{high}H0Z"/>'
    '<path class="line" vector-effect="non-scaling-stroke" d="{line}"/></svg>'
)
_LEGEND = '<ul class="legend">{keys}</ul>'
_KEY = (
    '<li><svg class="plot" width="12" height="12" aria-hidden="true"><path class="{kind}"'
    ' d="{shape}"/></svg>{described}</li>'
)

Tone = Literal["good", "warn", "bad", "calm"]
_SHAPES: dict[Tone, str] = {
    # Different shapes keep the legend readable without colour (WCAG 1.4.1).
    "good": "M6 0a6 6 0 1 1-.01 0z",
    "warn": "M6 0 12 12H0z",
    "bad": "M1 1h10v10H1z",
    "calm": "M0 4h12v4H0z",
}


@dataclass(frozen=True)
class Segment:
    """A segment of a stacked bar."""

    name: str
    count: int
    tone: Tone


def bar_chart(title: str, values: Sequence[tuple[str, int]], current: int | None = None) -> Markup:
    """Return a bar chart of non-negative values.

    `current` is the index of a highlighted bar. Labels are thinned out evenly from the last one
    back; the highlighted bar keeps its label.
    """
    if not values:
        return _nothing(title)
    top = max(value for _, value in values) or 1
    room = 100 / len(values)
    every = -(-len(values) // (MOST - 1))
    drawn = [_made(_ACROSS, kind="axis", y=_BASE)]
    for at, (label, value) in enumerate(values):
        high, middle = _HIGH * value / top, room * (at + 0.5)
        mark, text = ("mark", "strong") if at == current else ("mark faint", "")
        drawn.append(_box(mark, room * (at + 0.15), room * 0.7, _BASE - high, high))
        drawn.append(_text(middle, _BASE - high - 6, compact_number(value), text))
        if at == current or (len(values) - 1 - at) % every == 0:
            drawn.append(_text(middle, _BASE + 16, label, text, inside=True))
    described = [
        translate("plots.bar", label=label, value=number(value)) for label, value in values
    ]
    return _plot(title, ", ".join(described), drawn)


def step_chart(
    title: str,
    points: Sequence[tuple[datetime, int]],
    *,
    until: datetime,
    reorder_level: int | None = None,
) -> Markup:
    """Return a step chart of a non-negative value over time.

    Args:
        title: the accessible name of the chart.
        points: the times of changes and the values from then on, in order of occurrence.
        until: the end of the time axis.
        reorder_level: the value of a dashed reference line.
    """
    if not points:
        return _nothing(title)
    # Points are in order of occurrence. The clock may have been set back, so times are clamped.
    times = list(accumulate((time for time, _ in points), max))
    values = [value for _, value in points]
    field = _Field(
        times[0], max(until, times[-1]), _rounded_up(max(*values, reorder_level or 0, 2))
    )
    lines = (0, field.top // 2, field.top)
    drawn = [_made(_ACROSS, kind="axis", y=_ABOVE + field.down(value)) for value in lines]
    path = field.path(times, values)
    drawn.append(_made(_LINE, above=_ABOVE, high=_HIGH, wide=_WIDE, line=path))
    for value in lines[1:]:
        drawn.append(_text(0, _ABOVE + field.down(value) - 4, number(value), at="start"))
    if reorder_level is not None:
        y = _ABOVE + field.down(reorder_level)
        drawn.append(_made(_ACROSS, kind="level", y=y))
        text = translate("plots.level", level=number(reorder_level))
        drawn.append(_text(100, y - 4, text, at="end"))
    for time, name in ticks(field.since, field.until):
        drawn.append(_text(100 * field.across(time), _BASE + 16, name, inside=True))
    return _plot(title, field.described(values, reorder_level), drawn)


@dataclass(frozen=True)
class _Field:
    """The scales of a step chart: `since` to `until` horizontally, 0 to `top` vertically."""

    since: datetime
    until: datetime
    top: int

    def across(self, time: datetime) -> float:
        """Return the horizontal position of a time as a fraction of the width."""
        span = self.until - self.since
        return (time - self.since) / span if span else 0.0

    def down(self, value: int) -> float:
        """Return the vertical position of a value in pixels below the top of the plot area."""
        return _pixels(_HIGH - _HIGH * value / self.top)

    def path(self, times: Sequence[datetime], values: Sequence[int]) -> str:
        """Return the path data of the stepped line."""
        line = [f"M0 {self.down(values[0])}"]
        for time, value in zip(times[1:], values[1:], strict=True):
            line.append(f"H{_pixels(_WIDE * self.across(time))}V{self.down(value)}")
        return "".join([*line, f"H{_WIDE}"])

    def described(self, values: Sequence[int], level: int | None) -> str:
        """Return the text alternative."""
        described = translate(
            "plots.steps",
            since=day(self.since),
            until=day(self.until),
            first=number(values[0]),
            last=number(values[-1]),
            least=number(min(values)),
            most=number(max(values)),
        )
        if level is None:
            return described
        return f"{described} {translate('plots.steps_level', level=number(level))}"


def stacked_bar(title: str, whole: Sequence[Segment]) -> Markup:
    """Return a bar of segments side by side, and its legend; counts are non-negative."""
    total = sum(part.count for part in whole) or 1
    described = [
        translate(
            "plots.part", name=p.name, count=number(p.count), share=round(100 * p.count / total)
        )
        for p in whole
    ]
    # A minimum width keeps the smallest segment visible.
    shares = [max(p.count / total, 0.015) if p.count else 0 for p in whole]
    scale, left = 100 / (sum(shares) or 1), 0.0
    drawn = [] if any(shares) else [_box("none", 0, 100, 0, 28)]
    for part, share in zip(whole, shares, strict=True):
        if share:
            drawn.append(_box(f"part {part.tone}", left, share * scale, 0, 28))
        if share > 0.08:
            drawn.append(_text(left + share * scale / 2, 19, compact_number(part.count), "on"))
        left += share * scale
    keys = Markup().join(
        _made(_KEY, kind=part.tone, shape=_SHAPES[part.tone], described=text)
        for part, text in zip(whole, described, strict=True)
    )
    return _plot(title, ", ".join(described), drawn, height=28) + _made(_LEGEND, keys=keys)


def compact_number(value: int) -> str:
    """Return a non-negative number in at most four characters, with an SI prefix if needed."""
    size = min((len(str(value)) - 1) // 3, 6)
    whole, rest = divmod(value, 1000**size)
    tenth = f".{10 * rest // 1000**size}" if size and whole < 10 else ""
    return f"{whole}{tenth}{' kMGTPE'[size].strip()}"


def _rounded_up(value: int) -> int:
    """Return the next round number that is even, so that half of it is a whole number."""
    tens: int = 10 ** (len(str(value)) - 1)
    tops = (n * tens // 10 for n in (10, 12, 16, 20, 30, 40, 60, 80, 100) if n * tens % 20 == 0)
    return next(top for top in tops if top >= value)


def _made(template: str, **parts: str | float) -> Markup:
    """Fill in a template and escape the strings.

    `Markup.format` does the same, but took most of the time to render a page with charts.
    """
    safe = {name: escape(part) if isinstance(part, str) else part for name, part in parts.items()}
    return Markup(template.format_map(safe))  # noqa: S704  # this is where it becomes safe


def _pixels(value: float) -> float:
    return round(value, 1)


def _box(kind: str, x: float, width: float, y: float, height: float) -> Markup:
    x, width, y, height = (round(each, 2) for each in (x, width, y, height))
    return _made(_BOX, kind=kind, x=x, y=y, width=width, height=height)


def _text(
    x: float, y: float, text: str, kind: str = "", *, at: str = "middle", inside: bool = False
) -> Markup:
    """Return a text element; `inside` aligns it with the edge if it is close to one."""
    if inside and x < 8:
        x, at = 0, "start"
    elif inside and x > 92:
        x, at = 100, "end"
    return _made(_TEXT, kind=kind, x=round(x, 2), y=_pixels(y), anchor=at, text=text)


def _nothing(title: str) -> Markup:
    described = translate("plots.nothing")
    axis = _made(_ACROSS, kind="axis", y=_BASE)
    return _plot(title, described, [axis, _text(50, _ABOVE + _HIGH / 2, described)])


def _plot(
    title: str, about: str, drawn: Iterable[Markup], height: int = _ABOVE + _HIGH + _BELOW
) -> Markup:
    return _made(
        _PLOT,
        id=f"plot-{digest(title)}",
        title=title,
        about=about,
        height=height,
        drawn=Markup().join(drawn),
    )
