"""Assertions about any page in a browser: accessibility, layout and structure."""

from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from support.chromium import DESK, PHONE

_AXE = Axe().axe_script
_VIOLATIONS = "(options) => axe.run(document, options).then((found) => found.violations)"
_OF_COLOURS = {"type": "rule", "values": ["color-contrast"]}
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("body *")]
    .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
    .map((each) => each.outerHTML.slice(0, 100)).concat("the page")"""

_TWICE = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  return ids.filter((id, place) => ids.indexOf(id) !== place);
}"""


def resize(tab: Page, width: int) -> None:
    """Set the width of the window in pixels."""
    tab.set_viewport_size({"width": width, "height": 850})


def unfold(tab: Page) -> None:
    """Open all `<details>` elements."""
    for each in tab.locator("details").all():
        each.evaluate("(details) => { details.open = true }")


def violations(tab: Page, **options: Any) -> list[Any]:
    """Run axe, which must be loaded in the page, and return its violations.

    The rest of axe's result is large and not transferred.
    """
    return list(tab.evaluate(_VIOLATIONS, {"resultTypes": ["violations"], **options}))


def assert_everybody_can_use(tab: Page) -> None:
    """Assert that axe finds no violations, in both colour schemes and at both window widths."""
    unfold(tab)
    tab.evaluate(_AXE)
    for width in (DESK, PHONE):
        resize(tab, width)
        for scheme in _SCHEMES:
            tab.emulate_media(color_scheme=scheme)
            # The colour scheme affects only axe's rule on colour contrast.
            only = {} if scheme == _SCHEMES[0] else {"runOnly": _OF_COLOURS}
            assert violations(tab, **only) == [], f"{tab.url}, {width}, {scheme}"


def assert_in_order(tab: Page) -> None:
    """Assert that a page fits a phone, with unique ids, one `<h1>` and one main landmark."""
    resize(tab, PHONE)
    assert tab.evaluate(WIDE) == []
    unfold(tab)
    assert tab.evaluate(WIDE) == []
    assert tab.evaluate(_TWICE) == []
    expect(tab.get_by_role("heading", level=1)).to_have_count(1)
    expect(tab.get_by_role("main")).to_have_count(1)
