"""Line charts with a logarithmic scale, as a standalone SVG."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDE, HIGH = 440, 300
LEFT, RIGHT, ABOVE, BELOW = 56, 134, 44, 30
BETWEEN = 14
"""Minimum distance between the labels of two lines."""

# An embedded image does not inherit the page's colours, so it repeats them, with the background.
STYLE = """
svg{--ground:#f7f5f1;--ink:#221d17;--faint:#e2dbd0;--read:#46566a;--write:#97390b}
@media(prefers-color-scheme:dark){
svg{--ground:#141312;--ink:#ece8e1;--faint:#37322c;--read:#a9b8cb;--write:#f2a57f}}
text{font:12px system-ui,sans-serif;fill:var(--ink)}
.title{font-weight:600}
.ground{fill:var(--ground)}
.axis{stroke:var(--faint)}
.line{fill:none;stroke:var(--read);stroke-width:2}
.dot{fill:var(--read)}
.name{fill:var(--read)}
.strong.line{stroke:var(--write);stroke-dasharray:6 3}
.strong.dot,.strong.name{fill:var(--write)}
"""


@dataclass(frozen=True)
class Line:
    """One positive value per place."""

    name: str
    values: Sequence[float]
    strong: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines over the same places."""

    title: str
    places: Sequence[str]
    lines: Sequence[Line]


def plot(title: str, panels: Sequence[Panel]) -> str:
    """Return panels side by side on a common scale."""
    values = [value for panel in panels for line in panel.lines for value in line.values]
    # From a power of ten to above the maximum.
    scale = _Scale(10 ** math.floor(math.log10(min(values))), max(values) * 1.2)
    told = "; ".join(_told(panel) for panel in panels)
    drawn = [
        f'<g transform="translate({place * WIDE})">{_drawn(panel, scale)}</g>'
        for place, panel in enumerate(panels)
    ]
    wide = WIDE * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {HIGH}" width="{wide}"'
        f' height="{HIGH}" role="img" aria-labelledby="title about">'
        f'<title id="title">{escape(title)}</title><desc id="about">{escape(told)}</desc>'
        f'<style>{STYLE}</style><rect class="ground" width="{wide}" height="{HIGH}"/>'
        f'<text class="title" x="10" y="18">{escape(title)}</text>{"".join(drawn)}</svg>\n'
    )


@dataclass(frozen=True)
class _Scale:
    """The bottom and top value of the chart."""

    least: float
    most: float

    def y(self, value: float) -> float:
        part = math.log(value / self.least) / math.log(self.most / self.least)
        return round(HIGH - BELOW - part * (HIGH - ABOVE - BELOW), 1)

    def ticks(self) -> Iterable[int]:
        """Yield the round numbers in between."""
        for exponent in range(int(math.log10(self.least)), 10):
            for digit in (1, 2, 5):
                value: int = digit * 10**exponent
                if self.least <= value <= self.most:
                    yield value


def _drawn(panel: Panel, scale: _Scale) -> str:
    right = WIDE - RIGHT
    xs = [LEFT + (right - LEFT) * at / (len(panel.places) - 1) for at in range(len(panel.places))]
    drawn = [_text("title", (LEFT + right) / 2, ABOVE - 8, "middle", panel.title)]
    for tick in scale.ticks():
        y = scale.y(tick)
        drawn.append(f'<path class="axis" d="M{LEFT} {y}H{right}"/>')
        drawn.append(_text("", LEFT - 6, y + 4, "end", f"{tick:,}"))
    for x, place in zip(xs, panel.places, strict=True):
        drawn.append(_text("", x, HIGH - BELOW + 18, "middle", place))
    free = float(HIGH)
    for line in sorted(panel.lines, key=lambda line: line.values[-1]):
        kind = "strong " if line.strong else ""
        points = [(x, scale.y(value)) for x, value in zip(xs, line.values, strict=True)]
        path = "L".join(f"{x} {y}" for x, y in points)
        drawn.append(f'<path class="{kind}line" d="M{path}"/>')
        drawn += [f'<circle class="{kind}dot" cx="{x}" cy="{y}" r="3"/>' for x, y in points]
        # Labels are beside the ends of their lines, or above the label of the line below.
        free = min(points[-1][1] + 4, free - BETWEEN)
        drawn.append(_text(f"{kind}name", right + 8, free, "start", line.name))
    return "".join(drawn)


def _text(kind: str, x: float, y: float, anchor: str, text: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _told(panel: Panel) -> str:
    """Return a panel's content as text."""
    lines = (
        f"{line.name} {', '.join(f'{value:,.0f}' for value in line.values)}" for line in panel.lines
    )
    return f"{panel.title} ({', '.join(panel.places)}): {', '.join(lines)}"
