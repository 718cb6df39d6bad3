"""What can be said of any page that a browser shows, by looking at it."""

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
    """Give the window another width."""
    tab.set_viewport_size({"width": width, "height": 850})


def unfold(tab: Page) -> None:
    """Show what is folded up as well."""
    for each in tab.locator("details").all():
        each.evaluate("(details) => { details.open = true }")


def violations(tab: Page, **options: Any) -> list[Any]:
    """Return what axe finds, which has to be in the page already; the rest of it is large."""
    return list(tab.evaluate(_VIOLATIONS, {"resultTypes": ["violations"], **options}))


def assert_everybody_can_use(tab: Page) -> None:
    """Assert that axe finds nothing, by day and by night, at a desk and on a phone."""
    unfold(tab)
    tab.evaluate(_AXE)
    for width in (DESK, PHONE):
        resize(tab, width)
        for scheme in _SCHEMES:
            tab.emulate_media(color_scheme=scheme)
            # A scheme changes colours, and nothing else that axe has rules for.
            only = {} if scheme == _SCHEMES[0] else {"runOnly": _OF_COLOURS}
            assert violations(tab, **only) == [], f"{tab.url}, {width}, {scheme}"


def assert_in_order(tab: Page) -> None:
    """Assert that a page fits a phone, and that it is made as a page should be."""
    resize(tab, PHONE)
    assert tab.evaluate(WIDE) == []
    unfold(tab)
    assert tab.evaluate(WIDE) == []
    assert tab.evaluate(_TWICE) == []
    expect(tab.get_by_role("heading", level=1)).to_have_count(1)
    expect(tab.get_by_role("main")).to_have_count(1)
