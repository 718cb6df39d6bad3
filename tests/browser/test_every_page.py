"""What holds for every page: for whoever cannot see, on a phone, on a slow line, in the dark."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response, StorageState, expect

from browser.conftest import Visit
from entrypoints.pages.routes import PageRoute
from support.backends import NOON, memory_app
from support.clients import Client
from support.page_assertions import assert_everybody_can_use, assert_in_order
from support.service import Service
from support.workshop import known_in

MOST_BYTES = 60 * 1024
PICTURES = ("image/png", "image/jpeg", "image/webp")

# What is in braces is looked up in the workshop.
PUBLIC = (
    "/",
    "/posts/{slug}",
    "/people/{username}",
    "/problems/insufficient-stock",
    "/sign-in",
    "/register",
    "/nowhere",
)
OFFICE = (
    "/office",
    "/office/tasks",
    "/office/tasks?show=all",
    "/office/tasks?q=xyzzy",
    "/office/tasks/{task}",
    "/office/stock",
    "/office/stock?low_stock=true",
    "/office/stock/new",
    "/office/stock/categories",
    "/office/stock/categories/{category}",
    "/office/stock/{product}",
    "/office/stock/{product}/edit",
    "/office/machines",
    "/office/machines/{device}",
    "/office/news",
    "/office/news/new",
    "/office/news/{post}",
    "/office/people",
    "/office/people/{user}",
    "/office/profile",
    "/office/profile/password",
    "/office/profile/tokens",
)
PAGES = (*PUBLIC, *OFFICE)

# Tests of their own look at set-up, a new key and a new token. The others are no pages.
ELSEWHERE = (
    "/setup",
    "/office/machines/{device}/key",
    "/office/profile/tokens/{token}",
    "/office/choices/people",
    "/office/choices/categories",
    "/feed.atom",
    "/robots.txt",
)


@dataclass(frozen=True)
class Shown:
    """A page in a browser, and the size of each response that it was made of, without pictures."""

    page: Page
    weights: dict[str, int]


@pytest.fixture(scope="package")
def known(api: Client) -> dict[str, str]:
    """Something of each kind that is in the workshop."""
    return known_in(api)


@pytest.fixture(scope="module", params=PAGES)
def shown(
    request: pytest.FixtureRequest,
    come: Visit,
    workshop: Service,
    signed_in: StorageState,
    known: dict[str, str],
) -> Iterator[Shown]:
    """A page, loaded once for the tests that look at it.

    The admin loads it, or a visitor of the public site if it is public.
    """
    path: str = request.param
    whom = ("public", None) if path in PUBLIC else ("ada", signed_in)
    visitor = come(workshop, whom[0], state=whom[1])
    if path == "/nowhere":
        visitor.watch.provoke(404)
    answers: list[Response] = []
    # The browser's cache is empty, so that all resources are responses.
    visitor.context.new_cdp_session(visitor.page).send("Network.clearBrowserCache")

    def keep(answer: Response) -> None:
        answers.append(answer)

    visitor.page.on("response", keep)
    visitor.open(path.format_map(known))
    visitor.page.wait_for_load_state("networkidle")
    visitor.page.remove_listener("response", keep)
    weights = {
        answer.url: len(answer.body())
        for answer in answers
        if answer.headers.get("content-type") not in PICTURES and not 300 <= answer.status < 400
    }
    yield Shown(visitor.page, weights)
    visitor.watch.look()


# The order of these tests matters: the later ones change the page.


def test_a_page_weighs_little_with_all_that_it_is_made_of(shown: Shown) -> None:
    assert len(shown.weights) >= 3, shown.weights
    assert sum(shown.weights.values()) <= MOST_BYTES, shown.weights


def test_a_page_fits_a_phone_and_is_made_as_a_page_should_be(shown: Shown) -> None:
    assert_in_order(shown.page)


def test_axe_finds_nothing_in_both_schemes_and_at_both_widths(shown: Shown) -> None:
    assert_everybody_can_use(shown.page)


def test_every_page_that_there_is_is_looked_at() -> None:
    app = memory_app(lambda: NOON)
    routes = [route for route in app.routes if isinstance(route, PageRoute)]
    shown = {route.path for route in routes if "GET" in (route.methods or ())}
    looked_at = [re.sub(r"\?.*", "", page) for page in (*PAGES, *ELSEWHERE)]
    for path in shown:
        pattern = re.sub(r"\\{.*?\\}", "{[^/]+}", re.escape(path))
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
    # What is around it is ours; how Swagger UI shows an operation is not.
    found = Axe().run(somebody.page, context={"exclude": ["#swagger-ui"]})
    assert found.violations_count == 0, found.generate_report()


def test_a_site_that_has_not_changed_is_not_sent_again(workshop: Service) -> None:
    with httpx2.Client(base_url=workshop.url) as http:
        first = http.get("/")
        assert first.status_code == 200
        again = http.get("/", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
