"""The site, as somebody sees it who comes by."""

import re
from html import unescape
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest

from service_layer.queries.users import DEFAULT_IMAGE
from support.backends import Clock
from support.clients import Answer, Client
from support.pages import Browser
from support.people import ADMIN, MEMBER, OTHER, Person

POSTS = "/api/v1/posts"
ATOM = "{http://www.w3.org/2005/Atom}"


def write(client: Client, title: str, content: str = "Text", by: Person = MEMBER) -> Any:
    return client.as_(by).post(POSTS, json={"title": title, "content": content}).json()


def publish(client: Client, title: str, content: str = "Text", by: Person = MEMBER) -> Any:
    post = write(client, title, content, by)
    return client.as_(by).post(f"{POSTS}/{post['id']}/publish").json()


def stranger(client: Client) -> Client:
    return client.as_(None)


def titles(page: Answer) -> list[str]:
    """Return the titles of the posts that a page lists."""
    return [
        unescape(title) for title in re.findall(r'<h2><a href="/posts/[^"]+">(.*?)<', page.text)
    ]


def link(page: Answer, rel: str) -> str | None:
    """Return where the page's link to older (`next`) or newer (`prev`) posts leads."""
    found = re.search(rf'<a [^>]*rel="{rel}" href="([^"]+)"', page.text)
    return found and unescape(found[1])


def canonical(page: Answer) -> str:
    found = re.search(r'<link rel="canonical" href="([^"]+)"', page.text)
    assert found
    return unescape(found[1])


# The front page


def test_the_news_are_listed_newest_first_with_their_author_and_day(
    client: Client, clock: Clock
) -> None:
    publish(client, "The older one")
    clock.advance(days=1)
    publish(client, "The newer one", "It is *about* [glue](https://glue.example).", OTHER)
    page = stranger(client).get("/")
    assert titles(page) == ["The newer one", "The older one"]
    assert "It is about glue." in page.text
    assert '<a href="/people/cleo">Cleo</a>' in page.text
    assert f"/media/{DEFAULT_IMAGE}" in page.text
    assert ">March 2, 2026</time>" in page.text
    assert 'datetime="2026-03-02T12:00:00Z"' in page.text


def test_a_workshop_without_news_says_so(client: Client) -> None:
    page = stranger(client).get("/")
    assert page.status_code == 200
    assert "No news yet" in page.text


def test_drafts_are_not_on_the_site_not_even_for_who_wrote_them(client: Client) -> None:
    draft = write(client, "Secret plans")
    browser = Browser(client).sign_in(MEMBER)
    for path in ("/", "/people/bob", "/feed.atom"):
        assert "Secret plans" not in browser.get(path).text
    assert browser.get(f"/posts/{draft['slug']}").status_code == 404


def test_a_post_that_is_taken_back_is_gone_from_the_site(client: Client) -> None:
    post = publish(client, "Too early")
    client.post(f"{POSTS}/{post['id']}/unpublish")
    assert stranger(client).get(f"/posts/{post['slug']}").status_code == 404
    assert titles(stranger(client).get("/")) == []


def test_one_can_walk_to_the_oldest_post_and_back(client: Client, clock: Clock) -> None:
    for n in range(25):
        # Some were published at one moment.
        clock.advance(seconds=n % 2)
        publish(client, f"News {n:02}")
    newest_first = [f"News {n:02}" for n in reversed(range(25))]
    pages = [stranger(client).get("/")]
    while older := link(pages[-1], "next"):
        pages.append(stranger(client).get(older))
    assert [titles(page) for page in pages] == [
        newest_first[:10],
        newest_first[10:20],
        newest_first[20:],
    ]
    assert link(pages[0], "prev") is None
    newer = link(pages[2], "prev")
    assert newer is not None
    back = stranger(client).get(newer)
    assert titles(back) == newest_first[10:20]
    assert titles(stranger(client).get(link(back, "next") or "")) == newest_first[20:]
    newer = link(back, "prev")
    assert newer is not None
    assert Browser(client).get(newer).url.path == "/"
    assert titles(Browser(client).get(newer)) == newest_first[:10]


def test_a_link_to_where_nothing_is_left_leads_to_the_start(client: Client, clock: Clock) -> None:
    posts = []
    for n in range(11):
        clock.advance(seconds=1)
        posts.append(publish(client, f"News {n:02}"))
    older = link(stranger(client).get("/"), "next")
    assert older is not None
    client.delete(f"{POSTS}/{posts[0]['id']}")
    browser = Browser(client)
    assert len(titles(browser.get(older))) == 10
    assert str(browser.page.url).endswith("testserver/")


def test_what_others_hang_on_a_shared_link_does_no_harm(client: Client) -> None:
    post = publish(client, "Shared")
    for path in ("/", f"/posts/{post['slug']}", "/people/bob", "/feed.atom"):
        page = stranger(client).get(f"{path}?utm_source=letter&fbclid=1&limit=x&skip=-1")
        assert page.status_code == 200, path


@pytest.mark.parametrize("cursor", ["x", "%ff", "WyJ4IiwxLCIiXQ", "a" * 3_000, "x&sort=title"])
def test_a_made_up_cursor_is_an_error_page(client: Client, cursor: str) -> None:
    page = stranger(client).get(f"/?cursor={cursor}")
    assert page.status_code in (400, 422)
    assert page.headers["content-type"].startswith("text/html")


# A post


def test_a_post_is_shown_in_full_under_one_heading(client: Client) -> None:
    post = publish(client, "A & B", "# First\n\nSome **strong** words.\n\n### Below\n\n# Second")
    page = stranger(client).get(f"/posts/{post['slug']}")
    assert page.status_code == 200
    assert "<h1>A &amp; B</h1>" in page.text
    assert page.text.count("<h1") == 1
    assert re.findall(r"<h[2-6]>.*?</h[2-6]>", page.text) == [
        "<h2>First</h2>",
        "<h3>Below</h3>",
        "<h2>Second</h2>",
    ]
    assert "<strong>strong</strong>" in page.text
    assert "<title>A &amp; B · Atelier</title>" in page.text


def test_whoever_is_shown_a_link_is_told_what_it_leads_to(client: Client) -> None:
    post = publish(client, 'A "quoted" title', "About *glue* & screws.")
    page = stranger(client).get(f"/posts/{post['slug']}?utm_source=letter")
    address = f"http://testserver/posts/{post['slug']}"
    assert canonical(page) == address
    told = dict(re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)">', page.text))
    assert unescape(told["og:title"]) == 'A "quoted" title'
    assert told["og:url"] == address
    assert told["og:type"] == "article"
    assert told["og:image"] == f"http://testserver/media/{DEFAULT_IMAGE}"
    assert unescape(told["description"]) == unescape(told["og:description"])
    assert unescape(told["description"]) == "About glue & screws."
    page = stranger(client).get("/", headers={"Host": "workshop.example:8080"})
    assert canonical(page) == "http://workshop.example:8080/"


@pytest.mark.parametrize("path", ["/posts/nothing", "/posts/N%00", "/people/nobody", "/people/%00"])
def test_what_is_not_there_is_a_page_that_says_so(client: Client, path: str) -> None:
    page = stranger(client).get(path)
    assert page.status_code == 404
    assert "Page not found" in page.text
    assert '<a class="button" href="/">' in page.text


# A person


def test_a_persons_page_has_their_posts_and_nothing_private(client: Client) -> None:
    publish(client, "By Bob")
    publish(client, "By Cleo", by=OTHER)
    client.patch(f"/api/v1/users/{MEMBER.id}", json={"city": "Canarytown", "age": 33})
    page = stranger(client).get("/people/bob")
    assert titles(page) == ["By Bob"]
    assert "<h1>Bob</h1>" in page.text
    assert "Canarytown" not in page.text
    assert MEMBER.email not in page.text
    assert canonical(stranger(client).get("/people/BOB")) == "http://testserver/people/bob"


def test_who_has_published_nothing_has_a_page_for_members_alone(client: Client) -> None:
    write(client, "A draft", by=OTHER)
    page = Browser(client).sign_in(MEMBER).get("/people/cleo")
    assert page.status_code == 200
    assert "<h1>Cleo</h1>" in page.text
    assert "No posts yet" in page.text
    assert page.headers["cache-control"] == "private, no-cache"
    assert Browser(client).sign_in(MEMBER).get("/people/nobody").status_code == 404


def test_strangers_are_not_told_which_names_have_accounts(client: Client) -> None:
    client.patch(f"/api/v1/users/{OTHER.id}", json={"is_active": False})
    for number in range(12):
        publish(client, f"By Bob {number}")
    _, _, cursor = (link(stranger(client).get("/"), "next") or "").partition("?")
    assert cursor

    def told(name: str, query: str) -> tuple[int, str]:
        page = stranger(client).get(f"/people/{name}{query}", follow_redirects=False)
        # The ids first: a name of hexadecimal digits, as "ada" is, may stand in one.
        text = re.sub(r"[0-9a-f]{32}", "ID", page.text)
        return page.status_code, text.replace(name, "NAME")

    for query in ("", f"?{cursor}", "?cursor=made-up"):
        answers = {told(name, query) for name in ("nobody", "ada", "cleo", "CLEO")}
        assert len(answers) == 1
        assert answers.pop()[0] == (400 if "made-up" in query else 404)
    # A draft tells no more than nothing.
    write(client, "A draft", by=ADMIN)
    assert told("ada", "")[0] == 404


def test_the_posts_of_somebody_who_has_left_stay(client: Client) -> None:
    post = publish(client, "By Bob")
    client.patch(f"/api/v1/users/{MEMBER.id}", json={"is_active": False})
    assert titles(stranger(client).get("/people/bob")) == ["By Bob"]
    assert stranger(client).get(f"/posts/{post['slug']}").status_code == 200


# The feed


def test_the_feed_tells_of_the_newest_posts(client: Client, clock: Clock) -> None:
    for n in range(21):
        clock.advance(hours=1)
        last = publish(client, f"News <{n}>", f"**Number** {n} & more")
    client.patch(f"{POSTS}/{last['id']}", json={"content": "Changed"})
    answer = stranger(client).get("/feed.atom")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = ElementTree.fromstring(answer.content)
    assert feed.tag == f"{ATOM}feed"
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == [
        f"News <{n}>" for n in range(20, 0, -1)
    ]
    first = entries[0]
    assert first.findtext(f"{ATOM}id") == UUID(last["id"]).urn
    assert first.findtext(f"{ATOM}published") == "2026-03-02T09:00:00Z"
    assert first.findtext(f"{ATOM}summary") == "Changed"
    assert entries[1].findtext(f"{ATOM}summary") == "Number 19 & more"
    assert first.findtext(f"{ATOM}author/{ATOM}name") == "Bob"
    leads_to = first.find(f"{ATOM}link[@rel='alternate']")
    assert leads_to is not None
    assert leads_to.get("href") == f"http://testserver/posts/{last['slug']}"
    itself = feed.find(f"{ATOM}link[@rel='self']")
    assert itself is not None
    assert itself.get("href") == "http://testserver/feed.atom"
    assert feed.findtext(f"{ATOM}updated") == "2026-03-02T09:00:00Z"
    assert len({id.text for id in feed.iter(f"{ATOM}id")}) == 21
    assert all(UUID(str(id.text)) for id in feed.iter(f"{ATOM}id"))


def test_a_feed_without_posts_is_still_one(client: Client) -> None:
    feed = ElementTree.fromstring(stranger(client).get("/feed.atom").content)
    for name in ("id", "title", "updated"):
        assert feed.findtext(f"{ATOM}{name}")
    assert feed.find(f"{ATOM}entry") is None


# Caches and crawlers


@pytest.mark.parametrize("path", ["/", "/posts/news", "/people/bob", "/feed.atom", "/robots.txt"])
def test_what_has_not_changed_is_not_sent_again(client: Client, path: str, clock: Clock) -> None:
    publish(client, "News")
    first = stranger(client).get(path)
    assert first.headers["cache-control"] == "public, no-cache"
    known = {"If-None-Match": first.headers["etag"]}
    clock.advance(days=3)
    signed_in = Browser(client).sign_in(ADMIN).get(path)
    assert (signed_in.content, "set-cookie" in signed_in.headers) == (first.content, False)
    again = stranger(client).get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    head = stranger(client).head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == first.headers["content-length"]
    if path != "/robots.txt":
        client.patch(f"/api/v1/users/{MEMBER.id}", json={"name": "Robert"})
        changed = stranger(client).get(path, headers=known)
        assert changed.status_code == 200
        assert "Robert" in changed.text


def test_crawlers_are_told_that_the_office_is_not_for_them(client: Client) -> None:
    told = stranger(client).get("/robots.txt")
    assert told.headers["content-type"] == "text/plain; charset=utf-8"
    lines = told.text.splitlines()
    assert lines[0] == "User-agent: *"
    assert {"Disallow: /office", "Disallow: /api/"} <= set(lines)
    assert "Disallow: /" not in lines


# The documentation, and what explains problems


def test_the_documentation_leads_back_to_the_site(client: Client) -> None:
    page = stranger(client).get("/docs")
    assert '<a href="/">' in page.text
    assert 'href="/office"' in page.text
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert address.startswith("/"), address
        assert stranger(client).get(address).status_code in (200, 303), address


def test_a_problem_is_explained_in_a_page_to_people_and_in_text_to_programs(client: Client) -> None:
    page = stranger(client).get("/problems/invalid", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Invalid</h1>" in page.text
    assert "<code>errors</code> lists" in page.text
    text = stranger(client).get("/problems/invalid")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text.startswith("Invalid (422 invalid)\n\n")
    assert page.headers["vary"] == text.headers["vary"] == "Accept"
