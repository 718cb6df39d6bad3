"""Fixtures for the tests in a browser."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Seat:
    """A visitor between two tests, and the options of the browser's context."""

    visitor: Visitor
    options: dict[str, Any]


@pytest.fixture(scope="package")
def free(chromium: Browser) -> list[Seat]:
    """Visitors that wait for the next test.

    A new context costs a renderer process with empty caches, five times as much as a page.
    """
    return []


@pytest.fixture
def visit(chromium: Browser, free: list[Seat]) -> Iterator[Visit]:
    """Return a visitor with the cookies of `state`, none by default.

    After the test nothing may have gone wrong in it.
    """
    taken: list[Seat] = []

    def sit_down(service: Service, state: StorageState | None = None, **options: Any) -> Visitor:
        for seat in [seat for seat in free if seat.visitor.origin != service.url]:
            free.remove(seat)
            seat.visitor.context.close()
        found = next((seat for seat in free if seat.options == options), None)
        if found is None:
            found = Seat(Visitor(chromium, service.url, **options), options)
        else:
            free.remove(found)
            found.visitor.come_back()
        found.visitor.exchange_cookies(state)
        taken.append(found)
        return found.visitor

    yield sit_down
    for seat in taken:
        seat.visitor.settle()
        seat.visitor.watch.look()
        free.append(seat)


@pytest.fixture(scope="module")
def come(chromium: Browser) -> Iterator[Visit]:
    """Return a named visitor, who stays for all tests of a module.

    A visitor who stays takes less time than one with a new context. The later tests find what the
    earlier ones have left, such as cookies.
    """
    regulars: dict[str, Visitor] = {}

    def come(service: Service, name: str, **options: Any) -> Visitor:
        if name in regulars:
            regulars[name].come_back()
        else:
            regulars[name] = Visitor(chromium, service.url, **options)
        return regulars[name]

    yield come
    for regular in regulars.values():
        regular.context.close()


@pytest.fixture
def regular(come: Visit) -> Iterator[Visit]:
    """Return a visitor as `come` does; after the test nothing may have gone wrong in it."""
    here: list[Visitor] = []

    def sit_down(service: Service, name: str, **options: Any) -> Visitor:
        here.append(come(service, name, **options))
        return here[-1]

    yield sit_down
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
