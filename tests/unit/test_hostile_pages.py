"""Whatever people write is text: no page gets elements, handlers or addresses from it."""

import asyncio
import json
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.markdown import Cache, WorkerMarkdown
from adapters.markdown_worker import MAX_NESTING, beginning, max_html, to_html
from entrypoints.pages.markdown import EXCERPT, shorten
from entrypoints.pages.markdown import excerpt as excerpt_of
from service_layer.ports import Excerpt
from support.clients import Client
from support.hostile import CONTROLS, LONG, SHORT
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
SCHEMES = {"", "http", "https", "mailto", "tel", "sms"}
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


def excerpt(text: str) -> str:
    return excerpt_of(Excerpt(*beginning(text)))


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


def publish(client: Client, title: str, content: str) -> Any:
    # Not by the client's own encoder, which refuses lone surrogates but not what is sent here.
    body = json.dumps({"title": title, "content": content})
    post = client.as_(MEMBER).post(
        POSTS, content=body, headers={"Content-Type": "application/json"}
    )
    assert post.status_code == 201, post.text
    return client.as_(MEMBER).post(f"{POSTS}/{post.json()['id']}/publish").json()


# Texts in Markdown


@pytest.mark.parametrize("text", LONG + CONTROLS)
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
    assert len(excerpt(text)) <= EXCERPT + 2


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


@pytest.mark.parametrize("scheme", ["tel:+4930123456", "sms:+4930123456", "mailto:a@b.example"])
def test_a_number_can_be_called_and_an_address_written_to(scheme: str) -> None:
    rel = 'rel="nofollow noopener noreferrer"'
    assert to_html(f"[here]({scheme})") == f'<p><a href="{scheme}" {rel}>here</a></p>\n'
    assert to_html(f"<{scheme.upper()}>").count("<a href=") == 1


@pytest.mark.parametrize(
    "typed",
    [
        "[x](javascript:alert(1))",
        "[x](ftp://x.example)",
        "[x](foo:bar 'title')",
        "<foo:bar>",
        "![x](data:image/png;base64,iVBORw0KGgo=)",
        "[x][y]\n\n[y]: FILE:///etc/passwd",
        f"[x](https://x.example/{'u' * 2_000})",
    ],
)
def test_a_link_that_may_lead_nowhere_is_shown_as_it_was_typed(typed: str) -> None:
    page = read(to_html(typed))
    assert [tag for tag, _ in page.all if tag != "p"] == []
    assert page.said.split() == typed.split()


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
    assert html.count("<blockquote>") <= MAX_NESTING
    assert html.count("<li>") == 0
    assert to_html("- " * 1_000 + "deep").count("<li>") <= MAX_NESTING


MULTIPLIED = {
    "one address for many links": f"[a]: /{'u' * 25_000}\n\n{'[a]' * 8_000}",
    "a shorter address for many links": f"[a]: /{'u' * 1_900}\n\n{'[a]' * 16_000}",
    "one title for many links": f"[a]: /u '{'t' * 25_000}'\n\n{'[a]' * 8_000}",
    "the shortest links": f"[a]: /\n\n{'[a] ' * 12_400}",
    "rows without cells": "|a" * 100 + "|\n" + "|-" * 100 + "|\n" + "a\n" * 24_000,
    "brackets": "![" * 24_000,
    "lists": "1. a\n" * 9_900,
    "markup": "<" * 49_000,
}
"""Short texts of which much could be made."""


@pytest.mark.parametrize("text", MULTIPLIED.values(), ids=MULTIPLIED)
def test_a_post_becomes_a_page_of_a_few_times_its_length_whatever_is_in_it(
    client: Client, text: str
) -> None:
    post = publish(client, "Plain", f"{text}\n\nThe end")
    page = client.get(f"/posts/{post['slug']}")
    assert page.status_code == 200
    assert len(page.text) <= max_html(text)
    # The reader gets the text, formatted or as it was typed.
    assert re.search("(<p>|<br>\n|<td>)The end</", page.text)


def test_a_text_that_exceeds_the_limits_is_shown_with_its_lines_and_the_author_is_told(
    client: Client,
) -> None:
    text = f"[a]: /{'u' * 1_900}\n\n{'[a]' * 10_000}\n<b>the end"
    post = publish(client, "Plain", text)
    page = client.get(f"/posts/{post['slug']}").text
    assert "[a]<br>\n&lt;b&gt;the end</p>" in page
    assert client.get("/").status_code == 200
    browser = Browser(client).sign_in(ADMIN)
    preview = browser.post("/office/news/preview", {"content": text})
    assert "Readers see it as you typed it." in preview.text
    assert "&lt;b&gt;the end</p>" in preview.text


@pytest.mark.parametrize("action", ["/office/news/preview", "/office/news", "/office/news/{id}"])
def test_a_preview_of_a_text_that_is_too_long_says_so_and_shows_none(
    client: Client, action: str
) -> None:
    post = publish(client, "Plain", "Text")
    browser = Browser(client).sign_in(ADMIN)
    sent = {"title": "Plain", "content": "[a]" * 20_000, "preview": "yes"}
    page = browser.post(action.format(**post), sent)
    assert page.status_code == 422
    assert "Enter at most 50000 characters." in page.text
    assert "<a>" not in page.text
    assert page.text.count("[a]") in (0, 20_000)


def test_what_ends_the_renderer_costs_the_formatting_and_nothing_else(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"

    async def both(script: str) -> tuple[str | None, list[Excerpt | None]]:
        worker.write_text(script)
        markdown = WorkerMarkdown(worker, seconds=2)
        return await markdown.to_html("*a*"), await markdown.excerpts(["a", "b"])

    for script in (
        "1 / 0",
        "import os; os.kill(os.getpid(), 9)",
        "import sys; sys.stdout.buffer.write(bytes(4))",
        "import sys; sys.stdout.buffer.write(b'\xff' * 4)",
        "import sys; sys.stdout.buffer.write(bytes((0, 0, 0, 4)) + b'null'); sys.stdin.read()",
        "bytearray(1 << 30)",
        "import time; time.sleep(600)",
    ):
        assert asyncio.run(both(script)) == (None, [None, None]), script


def test_a_text_is_rendered_again_after_the_renderer_has_ended() -> None:
    async def story() -> list[str | None]:
        markdown = WorkerMarkdown()
        found = [await markdown.to_html("*1*")]
        # The worker ends itself after a text that exceeds the limits.
        found.append(await markdown.to_html(MULTIPLIED["the shortest links"]))
        found.append(await markdown.to_html("*2*"))
        return found

    assert asyncio.run(story()) == ["<p><em>1</em></p>\n", None, "<p><em>2</em></p>\n"]


def test_a_text_is_rendered_once_for_all_who_read_it(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    # It counts what it renders.
    worker.write_text("""
import json, sys
for number in range(1, 9):
    sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(4), "big"))
    answer = json.dumps(str(number)).encode()
    sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
    sys.stdout.buffer.flush()
""")

    async def story() -> list[str | None]:
        markdown = WorkerMarkdown(worker)
        found = await asyncio.gather(*(markdown.to_html("first") for _ in range(20)))
        return [*found, await markdown.to_html("second"), await markdown.to_html("first")]

    assert asyncio.run(story()) == [*["1"] * 20, "2", "1"]


@given(st.lists(st.tuples(st.binary(max_size=1), st.integers(0, 900))))
def test_the_cache_of_texts_never_takes_more_memory_than_it_may(
    entries: list[tuple[bytes, int]],
) -> None:
    cache = Cache(max_bytes=3_000)
    for key, length in entries:
        cache.put(key, "x" * length, "x" * length)
        assert cache.bytes <= 3_000
        assert cache.get(key) == ("x" * length,)


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
    assert len(short) <= EXCERPT + 2
    assert short.endswith("word …")
    assert excerpt("```\ncode\n```") == ""


SPACELESS = {
    "Chinese": "我们的工作坊每周开放三天欢迎所有人来参加和学习木工技术",
    "Japanese": "がぎぐげご私たちの工房は毎週三日間開いていますどなたでも参加できます",
    "Japanese with marks apart": "か\u3099き\u3099く\u3099け\u3099こ\u3099",
    "Thai": "เราเปิดเวิร์กช็อปสัปดาห์ละสามวันยินดีต้อนรับทุกคนที่นี่น้ำ",
    "emoji": "👩\u200d👩\u200d👧👍🏽🇩🇪❤️",
}


@pytest.mark.parametrize("text", SPACELESS.values(), ids=SPACELESS)
@pytest.mark.parametrize("before", ["", "A", "Open days: "])
def test_an_excerpt_without_spaces_is_as_long_as_may_be_and_ends_with_a_whole_character(
    text: str, before: str
) -> None:
    written = before + text * 60
    short = excerpt(written)
    assert short.endswith("…")
    kept = short.removesuffix("…")
    assert EXCERPT - 8 <= len(kept) <= EXCERPT
    assert written.startswith(kept)
    after = written[len(kept)]
    assert unicodedata.category(after) not in ("Mn", "Mc", "Me")
    assert after not in "\u200d\u0e33🏽"
    assert not kept.endswith(("\u200d", "เ", "แ", "โ", "ใ", "ไ"))
    assert kept.count("🇩") == kept.count("🇪")


def test_an_excerpt_ends_before_a_latin_word_among_others() -> None:
    assert excerpt("木" * 275 + "workshop" + "工" * 90) == "木" * 275 + "…"
    assert excerpt("word " + "x" * 300) == "word …"
    assert excerpt("x" * 300) == "x" * EXCERPT + "…"
    assert excerpt("e\u0301" * 300) == "e\u0301".join([""] * (EXCERPT // 2 + 1)).strip() + "…"


@given(st.text(min_size=EXCERPT + 1, max_size=EXCERPT + 40))
def test_an_excerpt_is_the_beginning_of_its_text(text: str) -> None:
    text = " ".join(text.split())
    if len(text) > EXCERPT:
        kept = shorten(text, EXCERPT).removesuffix("…").removesuffix(" ")
        assert kept
        assert text.startswith(kept)


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
