"""A browser without JavaScript for tests: it stores cookies and submits the forms of pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any, Self

import httpx2

from support.clients import Answer, Client
from support.people import PASSWORD, Person

HERE = "http://testserver"


@dataclass
class Found:
    """A form on a page, with the initial values of its fields."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    """A parser that collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Found] = []
        self._open: Found | None = None
        self._select = self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Found(told.get("action", ""), told.get("method", "get"))
            self.found.append(self._open)
        if self._open is None:
            return
        name, value, fields = told.get("name", ""), told.get("value", ""), self._open.fields
        if told.get("type", "text") not in ("hidden", "file"):
            # An input strips line breaks (HTML, 4.10.5.1.2 and following).
            value = re.sub("[\n\r]", "", value) if tag == "input" else value
        if tag == "input" and name and told.get("type") != "file":
            if told.get("type") not in ("radio", "checkbox") or "checked" in told:
                fields[name] = value
        elif tag == "select":
            self._select = name
        elif (
            tag == "option" and self._select and (self._select not in fields or "selected" in told)
        ):
            fields[self._select] = value
        elif tag == "textarea":
            self._textarea = name
            fields[name] = ""

    def handle_data(self, data: str) -> None:
        if self._open is not None and self._textarea:
            self._open.fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._open is not None:
            # A leading line break belongs to the markup (HTML, 13.1.2.5).
            self._open.fields[self._textarea] = self._open.fields[self._textarea].removeprefix("\n")
            self._textarea = ""
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._open = None


def forms(answer: Answer) -> list[Found]:
    """Return the forms of a page."""
    parser = _Forms()
    # HTML parsers normalize line breaks to line feeds (HTML, 13.2.3.5).
    parser.feed(re.sub("\r\n?", "\n", answer.text))
    return parser.found


def form(answer: Answer, action: str, method: str = "post") -> Found:
    """Return the form of a page with this action and method."""
    found = forms(answer)
    for each in found:
        if (each.action, each.method) == (action, method):
            return each
    raise AssertionError(f"no form for {action}, but for {[each.action for each in found]}")


def error_at(answer: Answer, name: str) -> str | None:
    """Return the error message at a field, `None` without one."""
    match = re.search(
        rf'<span class="error" id="{re.escape(name)}-error">(.*?)</span>', answer.text
    )
    return match and unescape(match[1])


class Browser:
    """A browser of one user. Its `page` is the last response, whose forms it can submit.

    Several browsers can share one client, because each has its own cookies.
    """

    page: Answer

    def __init__(self, client: Client, origin: str = HERE) -> None:
        self.http = client.http
        self.origin = origin
        self.cookies = httpx2.Cookies()

    def sign_in(self, whom: Person | str, password: str = PASSWORD) -> Self:
        """Sign in by the form."""
        self.get("/sign-in")
        username = whom.username if isinstance(whom, Person) else whom
        self.send("/sign-in", username=username, password=password)
        return self

    def get(self, path: str, *, follow: bool = True) -> Answer:
        """Open a page."""
        return self._ask("GET", path, follow)

    def send(
        self,
        action: str,
        typed: Mapping[str, str] | None = None,
        /,
        *,
        files: Any = None,
        follow: bool = True,
        **more: str,
    ) -> Answer:
        """Submit the form of the page with this action, with some fields filled in."""
        fields = {**form(self.page, action).fields, **(typed or {}), **more}
        return self.post(action, fields, files=files, follow=follow)

    def post(
        self,
        path: str,
        fields: Mapping[str, str] | None = None,
        *,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        follow: bool = True,
    ) -> Answer:
        """Send a form, with the service's own origin unless `headers` are given."""
        # Forms submit line breaks as CRLF (HTML, 4.10.22.4).
        data = {name: re.sub("\r\n?|\n", "\r\n", text) for name, text in (fields or {}).items()}
        given = {"Origin": self.origin} if headers is None else headers
        return self._ask("POST", path, follow, data=data, files=files, headers=given)

    def _ask(self, method: str, path: str, follow: bool, **options: Any) -> Answer:
        request = self.http.build_request(method, f"{self.origin}{path}", **options)
        self.cookies.set_cookie_header(request)
        answer = self.http.send(request, follow_redirects=False)
        self.cookies.extract_cookies(answer)
        self.http.cookies.clear()
        self.page = answer
        if follow and answer.status_code == 303:
            return self._ask("GET", answer.headers["location"], follow)
        return answer
