"""A real browser: somebody who sits at it, and a watch over everything that it does."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
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
"""The widths of window at which pages are looked at."""

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
    """Return where there is a Chromium, if there is one; `TEST_BROWSER` can name it."""
    return os.environ.get("TEST_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def running_chromium(path: str) -> Iterator[Browser]:
    """Start a Chromium.

    As long as it runs, an event loop runs in this thread, so nothing else can be awaited in it.
    """
    # As root Chromium starts without its sandbox only.
    sandbox = () if os.getuid() else ("--no-sandbox",)
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *sandbox])
        yield browser
        browser.close()


class Watch:
    """What a browser is asked for and complains about, in all its tabs."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
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
        """Tell that the test has pages answered with these statuses, each of them once."""
        self.provoked.update(statuses)

    def look(self) -> None:
        """Assert that nothing was asked of another host, and that there was nothing to complain."""
        strangers = [url for url in self.requests if not self._is_ours(url)]
        assert strangers == []
        assert self.complaints == []
        assert self.refusals == self.provoked

    def forget(self) -> None:
        """Begin to watch, whatever was seen so far."""
        for seen in (self.requests, self.complaints, self.refusals, self.provoked):
            seen.clear()

    def _is_ours(self, url: str) -> bool:
        split = urlsplit(url)
        # What stands in the address itself is asked of nobody.
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
    """Somebody at a browser of their own, with one tab open."""

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
            # What moves would be looked at on its way.
            reduced_motion="reduce",
            storage_state=state,
        )
        self.watch = Watch(self.context, origin)
        self.page = self.context.new_page()

    def open(self, path: str) -> Response:
        """Open a page in the tab."""
        answer = self.page.goto(path)
        assert answer is not None
        return answer

    def new_tab(self) -> Page:
        """Open one more tab."""
        return self.context.new_page()

    def click(self, button: str) -> None:
        """Click the button with this name; it has to be the only one."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def type(self, **fields: str) -> None:
        """Type into the fields that have these labels, with `_` for a space."""
        for label, text in fields.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).fill(text)

    def sign_in(self, username: str = "ada", password: str = PASSWORD) -> None:
        """Sign in by the form, and get to the office."""
        self.open("/sign-in")
        self.fill_sign_in(username, password)
        self.click("Sign in")
        self.sees_greeting()

    def fill_sign_in(self, username: str = "ada", password: str = PASSWORD) -> None:
        """Type into the form that signs in, without sending it."""
        self.page.get_by_label("Username or e-mail address").fill(username)
        self.page.get_by_label("Password", exact=True).fill(password)

    def sees(self, text: str) -> None:
        """Assert that a text is on the page, now or in a moment."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def sees_greeting(self, name: str = "") -> None:
        """Assert that the start page of the office greets the user, by a name that begins so."""
        greeting = re.compile(f"^Hi {re.escape(name)}")
        expect(self.page.get_by_role("heading", name=greeting, level=1)).to_be_visible()

    def sees_no(self, text: str) -> None:
        """Assert that a text is not on the page."""
        expect(self.page.get_by_text(text)).to_have_count(0)

    def come_back(self) -> None:
        """Sit down once more, at an empty page in a window of the first width."""
        self.page.goto("about:blank")
        self.page.set_viewport_size(self.window)
        self.page.emulate_media(color_scheme=self.scheme)
        self.watch.forget()

    def leave(self) -> None:
        """Close the browser; nothing may have happened in it that a visitor should fear."""
        self.context.close()
        self.watch.look()
