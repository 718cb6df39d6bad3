"""Whatever people write is text: no page gets elements, handlers or addresses from it."""

import asyncio
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.pages import markdown
from entrypoints.pages.markdown import excerpt, rendered, to_html
from support.backends import Clock, client_of, memory_app
from support.clients import Client
from support.hostile import LONG, SHORT
from support.pages import Browser
from support.people import ADMIN, MEMBER

POSTS = "/api/v1/posts"

ELEMENTS = {
    *("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "em", "strong"),
    *("s", "ul", "ol", "li", "a", "img", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    "a": {"href", "title", "rel"},
    "img": {"src", "alt", "title", "loading"},
    "ol": {"start"},
    "th": {"class"},
    "td": {"class"},
}
SCHEMES = {"", "http", "https", "mailto"}
EMPTY = {"br", "hr", "img", "input", "link", "meta", "use"}


class Page(HTMLParser):
    """Reads a page; what stands in elements of the class `prose` is kept apart."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""
        self.all: list[tuple[str, dict[str, str]]] = []
        self.within: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self._prose = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.all.append((tag, told))
        if self._prose:
            self.within.append((tag, told))
        if tag not in EMPTY:
            self._open.append(tag)
            if not self._prose and "prose" in told.get("class", "").split():
                self._prose = len(self._open)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            if len(self._open) == self._prose:
                self._prose = 0
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self.said += data


def read(html: str) -> Page:
    page = Page()
    page.feed(str(html))
    page.close()
    return page


def assert_harmless(elements: list[tuple[str, dict[str, str]]]) -> None:
    """Assert that elements are such as a text may have, and load nothing from elsewhere."""
    for tag, attributes in elements:
        assert tag in ELEMENTS, tag
        assert set(attributes) <= ATTRIBUTES.get(tag, set()), (tag, attributes)
        assert attributes.get("class", "right") in ("center", "right")
        address = attributes.get("href", "")
        assert urlsplit(address.strip()).scheme in SCHEMES, address
        assert not any(character <= " " for character in address)
        if "src" in attributes:
            assert attributes["src"].startswith("/media/")
            assert "//" not in attributes["src"]
            assert ".." not in attributes["src"]
        if tag == "a" and address:
            assert set(attributes["rel"].split()) == {"nofollow", "noopener", "noreferrer"}


def shape(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    """Return which elements a page has, each with the names of its attributes."""
    return [(tag, tuple(attributes)) for tag, attributes in page.all]


@pytest.fixture
def client(clock: Clock) -> Iterator[Client]:
    with client_of(memory_app(clock)) as made:
        yield made


def publish(client: Client, title: str, content: str) -> Any:
    # Not by the client's own encoder, which refuses lone surrogates but not what is sent here.
    body = json.dumps({"title": title, "content": content})
    post = client.as_(MEMBER).post(
        POSTS, content=body, headers={"Content-Type": "application/json"}
    )
    assert post.status_code == 201, post.text
    return client.as_(MEMBER).post(f"{POSTS}/{post.json()['id']}/publish").json()


# Texts in Markdown


@pytest.mark.parametrize("text", LONG)
def test_no_text_becomes_more_than_a_text_may_be(text: str) -> None:
    for around in ("{}", "> {}", "- {}", "**{}**", "[{}](https://x.example)", "|a|\n|-|\n|{}|"):
        page = read(f'<div class="prose">{to_html(around.replace("{}", text))}</div>')
        assert_harmless(page.within)


PIECES = (
    *"<>[]()!*_~`|#-\n\t \"'&;:/\\=x",
    *("javascript:", "data:", "&#106;", "https://x.example", "/media/x.png", "![", "](", "|-|\n"),
    *("<script>", "<img src=x onerror=alert(1)>"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_neither_does_any_that_is_made_of_what_markdown_is_made_of(text: str) -> None:
    html = to_html(text)
    assert_harmless(read(f'<div class="prose">{html}</div>').within)
    assert to_html(text) == html
    assert len(excerpt(text)) <= markdown.EXCERPT + 2


def test_markup_in_a_text_is_shown_as_it_was_typed() -> None:
    typed = "Use <b>bold</b> & <script>alert('x')</script> <!-- no -->"
    assert read(to_html(typed)).said.strip() == typed


def test_a_picture_from_elsewhere_is_a_link_and_ours_is_shown() -> None:
    rel = 'rel="nofollow noopener noreferrer"'
    assert to_html("![A saw](https://x.example/saw.png)") == (
        f'<p><a href="https://x.example/saw.png" {rel}>A saw</a></p>\n'
    )
    assert to_html("![](https://x.example/saw.png)") == (
        f'<p><a href="https://x.example/saw.png" {rel}>https://x.example/saw.png</a></p>\n'
    )
    assert to_html("[![A saw](https://x.example/saw.png)](https://y.example)") == (
        f'<p><a href="https://y.example" {rel}>A saw</a></p>\n'
    )
    assert to_html("![A saw](/media/saw-1.png)") == (
        '<p><img src="/media/saw-1.png" alt="A saw" loading="lazy"></p>\n'
    )


def test_tables_code_and_strikethrough_are_shown() -> None:
    table = to_html("|a|b|\n|:-:|--:|\n|1|2|")
    assert '<th class="center">a</th>' in table
    assert '<td class="right">2</td>' in table
    assert "<th></th>" not in to_html("||b|\n|-|-|\n|1|2|")
    assert to_html("```python\n1 < 2\n```") == "<pre><code>1 &lt; 2\n</code></pre>\n"
    assert to_html("~~no~~ <https://x.example>") == (
        '<p><s>no</s> <a href="https://x.example" rel="nofollow noopener noreferrer">'
        "https://x.example</a></p>\n"
    )


def test_what_is_nested_too_deeply_stays_text() -> None:
    html = to_html("> " * 1_000 + "deep")
    assert html.count("<blockquote>") <= markdown.MAX_NESTING
    assert html.count("<li>") == 0
    assert to_html("- " * 1_000 + "deep").count("<li>") <= markdown.MAX_NESTING


def test_a_text_is_remembered_as_it_is_and_not_more_of_them_than_a_few() -> None:
    async def render_many() -> None:
        assert await rendered("*first*") is await rendered("*first*")
        for number in range(markdown.KEPT + 5):
            assert str(number) in await rendered(f"*{number}*")
        assert len(markdown._made) == markdown.KEPT
        assert await rendered("*first*") == "<p><em>first</em></p>\n"

    asyncio.run(render_many())


def test_an_excerpt_is_short_and_ends_with_a_word() -> None:
    assert excerpt("# Title\n\nSome *words*\nand [more](https://x.example).") == (
        "Some words and more."
    )
    assert excerpt("# Title\n\nPlease\n\n- come\n- help\n\nThank you") == "Please …"
    assert excerpt("One.\n\nTwo.\n\n## Three\n\nFour.") == "One. Two. …"
    assert excerpt("One.\n\n|a|\n|-|\n|b|") == "One. …"
    assert excerpt("One.\n\n---") == "One. …"
    assert excerpt("# Only a title\n\n- and\n- a list") == "Only a title and a list"
    short = excerpt("word " * 100)
    assert len(short) <= markdown.EXCERPT + 2
    assert short.endswith("word …")
    assert excerpt("```\ncode\n```") == ""


# Pages


@pytest.mark.parametrize("title", SHORT)
def test_a_hostile_title_and_name_are_shown_as_text_on_every_page(
    client: Client, title: str
) -> None:
    # What the pages are made of when nobody is hostile.
    plain = publish(client, "Plain", "Text")
    browser = Browser(client).sign_in(ADMIN)
    paths = ["/", "/posts/{slug}", "/people/bob", "/office/news", "/office/news/{id}"]
    before = [shape(read(browser.get(path.format(**plain)).text)) for path in paths]
    client.delete(f"{POSTS}/{plain['id']}")
    body = json.dumps({"name": title[:50]})
    named = client.patch(
        f"/api/v1/users/{MEMBER.id}",
        content=body,
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert named.status_code == 200, named.text
    post = publish(client, title, "Text")
    for path, expected in zip(paths, before, strict=True):
        page = read(browser.get(path.format(**post)).text)
        assert shape(page) == expected, path
        if path != "/people/bob":
            assert " ".join(post["title"].split()) in " ".join(page.said.split()), path
    feed = ElementTree.fromstring(client.get("/feed.atom").content)
    atom = "{http://www.w3.org/2005/Atom}"
    assert [child.tag for child in feed.findall(f"{atom}entry/{atom}title/*")] == []
    told = feed.findtext(f"{atom}entry/{atom}title") or ""
    assert len(told) == len(post["title"])
    assert "49" not in told


@pytest.mark.parametrize("content", LONG)
def test_a_hostile_text_does_no_harm_on_any_page(client: Client, content: str) -> None:
    plain = publish(client, "Plain", "Text")
    browser = Browser(client).sign_in(ADMIN)
    lists = ["/", "/people/bob", "/office/news"]
    shows = ["/posts/{slug}", "/office/news/{id}"]
    before = {path: shape(read(browser.get(path.format(**plain)).text)) for path in lists + shows}
    client.delete(f"{POSTS}/{plain['id']}")
    post = publish(client, "Plain", content)
    for path in lists:
        assert shape(read(browser.get(path.format(**post)).text)) == before[path], path
    for path in shows:
        page = read(browser.get(path.format(**post)).text)
        assert_harmless(page.within)
        around = [(tag, tuple(told)) for tag, told in page.all if (tag, told) not in page.within]
        assert set(around) <= set(before[path]), path
    feed = ElementTree.fromstring(client.get("/feed.atom").content)
    assert all(urlsplit(link.get("href") or "").scheme == "http" for link in feed.iter("link"))
    sent = {"title": "Plain", "content": content, "preview": "yes"}
    for action in ("/office/news/preview", "/office/news", f"/office/news/{post['id']}"):
        page = read(browser.post(action, sent).text)
        assert_harmless(page.within)
        assert not any(tag == "script" and "src" not in told for tag, told in page.all)
        assert not any(name.startswith("on") for _, told in page.all for name in told)
