"""Browser tests with Chromium: a visitor with one tab, and a monitor of requests and errors."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Response,
    StorageState,
    ViewportSize,
    expect,
    sync_playwright,
)

from support.people import PASSWORD

DESK, PHONE = 1280, 390
"""The window widths of a desktop and a phone, in pixels."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_FAILED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


def browser_here() -> str | None:
    """Return the path of Chromium, `None` without one; `TEST_BROWSER` overrides the search."""
    return os.environ.get("TEST_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def running_chromium(path: str) -> Iterator[Browser]:
    """Start Chromium.

    While it runs, Playwright's event loop occupies this thread, so no other loop can run in it.
    """
    # Chromium refuses to start as root with its sandbox.
    sandbox = () if os.getuid() else ("--no-sandbox",)
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *sandbox])
        yield browser
        browser.close()


class Watch:
    """A monitor of a browser context: requests, console messages, errors and dialogs."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = origin
        self.hosts = {urlsplit(origin).netloc}
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.refusals: Counter[int] = Counter()
        self.provoked: Counter[int] = Counter()
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("dialog", self._dismiss)

    def provoke(self, *statuses: int) -> None:
        """Expect one response with each of these error statuses."""
        self.provoked.update(statuses)

    def look(self) -> None:
        """Assert that there were no requests to other hosts, errors or unexpected statuses."""
        strangers = [url for url in self.requests if not self._is_ours(url)]
        assert strangers == []
        assert self.complaints == []
        assert self.refusals == self.provoked

    def forget(self) -> None:
        """Discard everything recorded so far, and expect requests to the own origin only."""
        self.hosts = {urlsplit(self.origin).netloc}
        for seen in (self.requests, self.complaints, self.refusals, self.provoked):
            seen.clear()

    def _is_ours(self, url: str) -> bool:
        split = urlsplit(url)
        # These URLs cause no network request.
        return split.scheme in ("data", "blob") or split.netloc in self.hosts

    def _hear(self, message: ConsoleMessage) -> None:
        if failed := _FAILED.match(message.text):
            self.refusals[int(failed[1])] += 1
        elif message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location})")

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()


class Visitor:
    """A user of the browser, with an own context and one tab."""

    def __init__(
        self,
        browser: Browser,
        origin: str,
        *,
        width: int = DESK,
        scripts: bool = True,
        scheme: Literal["light", "dark"] = "light",
        state: StorageState | None = None,
    ) -> None:
        self.origin = origin
        self.window: ViewportSize = {"width": width, "height": 850}
        self.scheme = scheme
        self.context = browser.new_context(
            base_url=origin,
            viewport=self.window,
            java_script_enabled=scripts,
            color_scheme=scheme,
            # Animations would be tested in intermediate states.
            reduced_motion="reduce",
            storage_state=state,
        )
        self.watch = Watch(self.context, origin)
        self.page = self.context.new_page()

    def open(self, path: str) -> Response:
        """Open a page in the tab, and return its response."""
        answer = self.page.goto(path)
        assert answer is not None
        return answer

    def new_tab(self) -> Page:
        """Open one more tab."""
        return self.context.new_page()

    def click(self, button: str) -> None:
        """Click the only button with this name."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def type(self, **fields: str) -> None:
        """Fill the fields with these labels; `_` stands for a space."""
        for label, text in fields.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).fill(text)

    def sign_in(self, username: str = "ada", password: str = PASSWORD) -> None:
        """Sign in by the form, and wait for the dashboard."""
        self.open("/sign-in")
        self.fill_sign_in(username, password)
        self.click("Sign in")
        self.sees_greeting()

    def fill_sign_in(self, username: str = "ada", password: str = PASSWORD) -> None:
        """Fill in the sign-in form without submitting it."""
        self.page.get_by_label("Username or e-mail address").fill(username)
        self.page.get_by_label("Password", exact=True).fill(password)

    def sees(self, text: str) -> None:
        """Wait until a text is visible on the page."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def sees_greeting(self, name: str = "") -> None:
        """Assert that the start page of the office greets the user, by a name that begins so."""
        greeting = re.compile(f"^Hi {re.escape(name)}")
        expect(self.page.get_by_role("heading", name=greeting, level=1)).to_be_visible()

    def sees_no(self, text: str) -> None:
        """Wait until a text is not on the page."""
        expect(self.page.get_by_text(text)).to_have_count(0)

    def come_back(self) -> None:
        """Reset the tab: the initial window size and colour scheme, no records.

        The page stays, because an empty page in between costs a new renderer process.
        """
        self.page.set_viewport_size(self.window)
        self.page.emulate_media(color_scheme=self.scheme)
        self.watch.forget()

    def exchange_cookies(self, state: StorageState | None) -> None:
        """Replace all cookies by those of `state`."""
        self.context.clear_cookies()
        if state is not None:
            cookies: Any = state["cookies"]  # Playwright's types of the same do not agree.
            self.context.add_cookies(cookies)

    def settle(self) -> None:
        """Close all tabs but the first, and wait until nothing is under way in it."""
        for page in self.context.pages:
            if page != self.page:
                page.close()
        self.page.wait_for_load_state("networkidle")

    def leave(self) -> None:
        """Close the context, and assert that the monitor has recorded nothing unexpected."""
        self.context.close()
        self.watch.look()
