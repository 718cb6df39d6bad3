"""Fixtures for the tests in a browser."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, StorageState

from support.chromium import Visitor, browser_here, running_chromium
from support.clients import Client
from support.service import Service
from support.workshop import demo_in, token_of

Visit = Callable[..., Visitor]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A browser, for the tests of this folder alone: as long as it runs, a loop does."""
    path = browser_here()
    if path is None:
        pytest.skip("there is no Chromium here; TEST_BROWSER can name one")
    with running_chromium(path) as browser:
        yield browser


@pytest.fixture(scope="package")
def signed_in(chromium: Browser, workshop: Service) -> StorageState:
    """What the browser of `ada` keeps once she has signed in to the workshop."""
    ada = Visitor(chromium, workshop.url)
    ada.sign_in()
    state = ada.context.storage_state()
    ada.leave()
    return state


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Has somebody sit down at a fresh browser; in the end nothing may have gone wrong in it."""
    visitors: list[Visitor] = []

    def sit_down(service: Service, **options: Any) -> Visitor:
        visitors.append(Visitor(chromium, service.url, **options))
        return visitors[-1]

    yield sit_down
    for visitor in visitors:
        visitor.leave()


@pytest.fixture(scope="module")
def regulars(chromium: Browser) -> Iterator[dict[str, Visitor]]:
    """Those who have visited for a test of this module, by what they are called."""
    regulars: dict[str, Visitor] = {}
    yield regulars
    for regular in regulars.values():
        regular.context.close()


@pytest.fixture
def regular(chromium: Browser, regulars: dict[str, Visitor]) -> Iterator[Visit]:
    """Has a visitor come who stays for further tests, which is quicker than a fresh browser.

    What one test leaves in it, a cookie or an open tab, the next one finds.
    """
    here: list[Visitor] = []

    def come(service: Service, name: str, **options: Any) -> Visitor:
        if name in regulars:
            regulars[name].come_back()
        else:
            regulars[name] = Visitor(chromium, service.url, **options)
        here.append(regulars[name])
        return regulars[name]

    yield come
    for visitor in here:
        visitor.watch.look()


@pytest.fixture(scope="package")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The demo's workshop, with `ada` for an admin; what is in it stays, or is a test's own."""
    if browser_here() is None:
        pytest.skip("there is no Chromium here; TEST_BROWSER can name one")
    folder = tmp_path_factory.mktemp("workshop")
    with demo_in(folder, ATELIER_REGISTRATION="open") as service:
        yield service


@pytest.fixture(scope="package")
def api(workshop: Service) -> Iterator[Client]:
    """The workshop as a program sees it."""
    with workshop.client().as_(token_of(workshop)) as client:
        yield client
