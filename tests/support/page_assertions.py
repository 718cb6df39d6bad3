"""Assertions about any page in a browser: accessibility, layout and structure."""

from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from support.chromium import DESK, PHONE

_AXE = Axe().axe_script
_RUN = "axe.run(context, options).then((found) => found.violations)"
_VIOLATIONS = f"(options) => {{ const context = document; return {_RUN} }}"

# The rule on colour contrast takes most of axe's time. So it checks three of the elements that look
# the same, such as rows of a list: an element's look are its styles and those of all elements
# around it. At another width of the same page it checks the elements whose looks are new.
_CONTRAST = f"""({{ scheme, ...options }}) => {{
  const styles = ["color", "backgroundColor", "backgroundImage", "opacity", "visibility",
    "display", "position", "float", "fontSize", "fontWeight", "textShadow", "filter",
    "mixBlendMode", "clipPath", "overflow", "transform", "zIndex"];
  window.numbers ??= new Map();
  window.checked ??= new Map();
  const looks = new Map();
  const look = (element) => {{
    if (!element) return "";
    if (!looks.has(element)) {{
      const style = getComputedStyle(element);
      const key = JSON.stringify([look(element.parentElement), element.tagName,
        element.getAttribute("class"), element.matches(":disabled, [aria-disabled]"),
        ...styles.map((name) => style[name])]);
      if (!numbers.has(key)) numbers.set(key, numbers.size);
      looks.set(element, numbers.get(key));
    }}
    return looks.get(element);
  }};
  const written = (element) => [...element.childNodes]
    .map((node) => node.nodeType === 3 ? node.data.trim() : "").join("").length;
  const before = new Set(checked.keys());
  const include = [...document.body.querySelectorAll("*")].filter((element) => {{
    const length = written(element);
    if (!length && !element.matches("button, input, select, textarea")) return false;
    // A single character may be an icon, which axe does not judge.
    const key = `${{scheme}} ${{look(element)}} ${{Math.min(length, 2)}}`;
    if (before.has(key)) return false;
    checked.set(key, (checked.get(key) ?? 0) + 1);
    return checked.get(key) <= 3;
  }});
  if (!include.length) return [];
  const context = {{ include }};
  return {_RUN};
}}"""
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
    tab.locator("details").evaluate_all("(all) => all.forEach((each) => { each.open = true })")


def violations(tab: Page, *, contrast: str = "") -> list[Any]:
    """Run all rules of axe but the one on colour contrast; that one in a scheme, if given.

    axe must be loaded in the page. Only the violations are transferred, because the rest of axe's
    result is large.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if not contrast:
        options["rules"] = {"color-contrast": {"enabled": False}}
        return list(tab.evaluate(_VIOLATIONS, options))
    options["runOnly"] = {"type": "rule", "values": ["color-contrast"]}
    return list(tab.evaluate(_CONTRAST, {"scheme": contrast, **options}))


def assert_everybody_can_use(tab: Page) -> None:
    """Assert that axe finds no violations, in both colour schemes and at both window widths."""
    unfold(tab)
    tab.evaluate(_AXE)
    for width in (DESK, PHONE):
        resize(tab, width)
        assert violations(tab) == [], f"{tab.url}, {width}"
        # The colour scheme affects only axe's rule on colour contrast.
        for scheme in _SCHEMES:
            tab.emulate_media(color_scheme=scheme)
            assert violations(tab, contrast=scheme) == [], f"{tab.url}, {width}, {scheme}"


def assert_in_order(tab: Page) -> None:
    """Assert that a page fits a phone, with unique ids, one `<h1>` and one main landmark."""
    resize(tab, PHONE)
    assert tab.evaluate(WIDE) == []
    unfold(tab)
    assert tab.evaluate(WIDE) == []
    assert tab.evaluate(_TWICE) == []
    expect(tab.get_by_role("heading", level=1)).to_have_count(1)
    expect(tab.get_by_role("main")).to_have_count(1)
