"""What holds for every page: for whoever cannot see, on a phone, on a slow line, in the dark."""

import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page as Tab
from playwright.sync_api import Response, StorageState, expect

from browser.conftest import Visit
from entrypoints.pages.routes import Page
from support.backends import NOON, memory_app
from support.chromium import DESK, PHONE, Visitor
from support.clients import Client
from support.service import Service

API = "/api/v1"
MOST_BYTES = 60 * 1024
PICTURES = ("image/png", "image/jpeg", "image/webp")

# Each page, by a part of its address and by what is looked up in the workshop to complete it.
PUBLIC = ("/sign-in", "/nowhere")
OFFICE = (
    "/office",
    "/office/tasks",
    "/office/tasks?show=all",
    "/office/tasks?q=xyzzy",
    "/office/tasks/{task}",
)
PAGES = (*PUBLIC, *OFFICE)


@pytest.fixture(scope="package")
def address(api: Client) -> Callable[[str], str]:
    """Completes the address of a page by ids of things that are there."""

    def first(path: str, **wanted: str) -> Any:
        return api.get(f"{API}/{path}", params={"limit": "1", **wanted}).json()["items"][0]

    known = {
        "task": first("tasks", sort="-created_at")["id"],
    }
    return lambda page: page.format_map(known)


@pytest.fixture
def ada(visit: Visit, workshop: Service, signed_in: StorageState) -> Visitor:
    """The admin at a fresh browser, signed in."""
    return visit(workshop, state=signed_in)


@pytest.fixture
def visitor(request: pytest.FixtureRequest, page: str) -> Visitor:
    """Whoever looks at a page: the admin, or somebody from the public."""
    if page in PUBLIC:
        found: Visitor = request.getfixturevalue("visit")(request.getfixturevalue("workshop"))
    else:
        found = request.getfixturevalue("ada")
    if page == "/nowhere":
        found.watch.provoke(404)
    return found


def wide(tab: Tab) -> list[str]:
    """Return what sticks out of a page on its right, if the page can be moved sideways."""
    found: list[str] = tab.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
             [...document.querySelectorAll("body *")]
               .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
               .map((each) => each.outerHTML.slice(0, 100)).concat("the page")"""
    )
    return found


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_in_both_schemes_and_at_both_widths(
    visitor: Visitor, address: Callable[[str], str], page: str
) -> None:
    visitor.open(address(page))
    for width in (DESK, PHONE):
        visitor.page.set_viewport_size({"width": width, "height": 850})
        for scheme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=scheme)
            found = Axe().run(visitor.page)
            assert found.violations_count == 0, f"{width}, {scheme}: {found.generate_report()}"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_a_phone_and_has_one_heading_and_one_main_part(
    visitor: Visitor, address: Callable[[str], str], page: str
) -> None:
    visitor.page.set_viewport_size({"width": PHONE, "height": 850})
    visitor.open(address(page))
    assert wide(visitor.page) == []
    # What unfolds has to fit as well.
    for each in visitor.page.locator("details").all():
        each.evaluate("(details) => { details.open = true }")
    assert wide(visitor.page) == []
    expect(visitor.page.get_by_role("heading", level=1)).to_have_count(1)
    expect(visitor.page.get_by_role("main")).to_have_count(1)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_weighs_little_with_all_that_it_is_made_of(
    visitor: Visitor, address: Callable[[str], str], page: str
) -> None:
    answers: list[Response] = []
    visitor.page.on("response", lambda answer: answers.append(answer))
    visitor.open(address(page))
    visitor.page.wait_for_load_state("networkidle")
    weights = {
        answer.url: len(answer.body())
        for answer in answers
        if answer.headers.get("content-type") not in PICTURES
    }
    assert len(weights) >= 3, weights
    assert sum(weights.values()) <= MOST_BYTES, weights


def test_every_page_that_there_is_is_looked_at() -> None:
    app = memory_app(lambda: NOON)
    shown = [r.path for r in app.routes if isinstance(r, Page) and "GET" in (r.methods or ())]
    looked_at = [re.sub(r"\?.*", "", page) for page in PAGES]
    for path in shown:
        pattern = re.sub(r"\\{.*?\\}", r"[^/]+", re.escape(path))
        assert any(re.fullmatch(pattern, each) for each in looked_at), path


def test_the_documentation_for_programs_needs_nothing_from_elsewhere(
    workshop: Service, visit: Visit
) -> None:
    somebody = visit(workshop)
    somebody.open("/docs")
    operation = somebody.page.locator("#operations-tasks-create_task")
    operation.click()
    expect(operation.get_by_text("Request body").first).to_be_visible()
    assert any(url.endswith("/openapi.json") for url in somebody.watch.requests)


def test_a_page_of_the_site_that_has_not_changed_is_not_sent_again(workshop: Service) -> None:
    with httpx2.Client(base_url=workshop.url) as http:
        first = http.get("/")
        assert first.status_code == 200
        tag = first.headers["ETag"]
        again = http.get("/", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
