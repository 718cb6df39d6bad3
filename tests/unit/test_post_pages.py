"""The office's news, as somebody sees it who writes there."""

import re
from typing import Any

from support.backends import Clock
from support.clients import Answer, Client
from support.pages import Browser, error_at, form, forms
from support.people import ADMIN, MEMBER, OTHER, Person

NEWS = "/office/news"
POSTS = "/api/v1/posts"


def write(client: Client, title: str = "News", content: str = "Text", by: Person = MEMBER) -> Any:
    return client.as_(by).post(POSTS, json={"title": title, "content": content}).json()


def publish(client: Client, post: Any) -> None:
    client.post(f"{POSTS}/{post['id']}/publish")


def titles(page: Answer) -> list[str]:
    return re.findall(r'<a class="item-title" href="[^"]+">(.*?)</a>', page.text)


def actions(page: Answer) -> set[str]:
    return {found.action for found in forms(page) if found.method == "post"} - {"/sign-out"}


def all_posts(client: Client) -> list[Any]:
    items: list[Any] = client.get(POSTS).json()["items"]
    return items


# Sent twice


def test_a_form_key_that_another_form_has_used_swallows_no_post(
    browser: Browser, client: Client
) -> None:
    fields = {"key": "the same key", "title": "News", "content": "Text", "publish": "yes"}
    assert browser.post("/office/tasks", fields).status_code == 200
    answer = browser.post(NEWS, fields)
    assert (answer.status_code, ">Published.<" in answer.text) == (200, True)
    assert browser.post(NEWS, fields).status_code == 200
    assert [post["published"] for post in all_posts(client)] == [True]


# The list


def test_the_list_has_what_one_may_see_under_four_headings(client: Client, clock: Clock) -> None:
    for title, by, published in [
        ("My draft", MEMBER, False),
        ("My news", MEMBER, True),
        ("Another's draft", OTHER, False),
        ("Another's news", OTHER, True),
    ]:
        clock.advance(seconds=1)
        post = write(client, title, by=by)
        if published:
            publish(client, post)
    browser = Browser(client).sign_in(MEMBER)
    mine = {
        "all": ["Another&#39;s news", "My news", "My draft"],
        "published": ["Another&#39;s news", "My news"],
        "drafts": ["My draft"],
        "mine": ["My news", "My draft"],
    }
    for show, expected in mine.items():
        assert titles(browser.get(f"{NEWS}?show={show}")) == expected, show
    admin = Browser(client).sign_in(ADMIN)
    assert titles(admin.get(f"{NEWS}?show=drafts")) == ["Another&#39;s draft", "My draft"]
    assert titles(admin.get(f"{NEWS}?show=mine")) == []


def test_posts_are_found_by_a_word_in_them(client: Client, browser: Browser) -> None:
    write(client, "Glue", "hide and bone")
    write(client, "Screws", "brass")
    assert titles(browser.get(f"{NEWS}?q=BONE")) == ["Glue"]
    assert "No posts here" in browser.get(f"{NEWS}?q=velvet").text


# Writing


def test_a_draft_is_written_and_found_again(client: Client, browser: Browser) -> None:
    browser.get(f"{NEWS}/new")
    browser.send(NEWS, title="Glue", content="Hide *glue*\nand more")
    assert "Draft saved." in browser.page.text
    assert "<em>glue</em>" in browser.page.text
    assert form(browser.page, browser.page.url.path).fields["content"] == "Hide *glue*\nand more"
    (post,) = all_posts(client)
    assert (post["title"], post["published"], post["author"]["username"]) == ("Glue", False, "bob")


def test_a_post_can_be_published_as_soon_as_it_is_written(client: Client, browser: Browser) -> None:
    browser.get(f"{NEWS}/new")
    browser.send(NEWS, title="Glue", content="Hide glue", publish="yes")
    assert ">Published.<" in browser.page.text
    assert browser.get("/posts/glue").status_code == 200


def test_a_form_that_is_sent_twice_writes_one_post(client: Client, browser: Browser) -> None:
    page = browser.get(f"{NEWS}/new")
    for _ in range(2):
        browser.page = page
        browser.send(NEWS, title="Glue", content="Hide glue", publish="yes")
        assert browser.page.status_code == 200
        assert "<h1 " in browser.page.text
    assert [post["published"] for post in all_posts(client)] == [True]


def test_what_is_wrong_with_a_post_is_said_at_its_field_and_nothing_is_lost(
    client: Client, browser: Browser
) -> None:
    browser.get(f"{NEWS}/new")
    browser.send(NEWS, title="x" * 101, content="A long text")
    assert browser.page.status_code == 422
    assert error_at(browser.page, "title") == "Enter at most 100 characters."
    kept = form(browser.page, NEWS).fields
    assert (kept["title"], kept["content"]) == ("x" * 101, "A long text")
    browser.send(NEWS, title="Short")
    assert [post["title"] for post in all_posts(client)] == ["Short"]


def test_a_preview_shows_the_post_and_writes_nothing(client: Client, browser: Browser) -> None:
    browser.get(f"{NEWS}/new")
    browser.send(NEWS, title="", content="Some **strong** words", preview="yes")
    assert "<strong>strong</strong>" in browser.page.text
    assert form(browser.page, NEWS).fields["content"] == "Some **strong** words"
    assert all_posts(client) == []
    post = write(client)
    path = f"{NEWS}/{post['id']}"
    browser.get(path)
    browser.send(path, title="Other", content="*Others*", preview="yes")
    assert "<em>Others</em>" in browser.page.text
    assert form(browser.page, path).fields["title"] == "Other"
    browser.send(path)
    (saved,) = all_posts(client)
    assert (saved["title"], saved["content"]) == ("Other", "*Others*")


def test_a_script_can_ask_for_the_preview_alone(client: Client, browser: Browser) -> None:
    answer = browser.post(f"{NEWS}/preview", {"content": "a *b* <script>", "title": "x"})
    assert answer.status_code == 200
    assert answer.text.strip() == "<p>a <em>b</em> &lt;script&gt;</p>"
    assert "Your preview appears here" in browser.post(f"{NEWS}/preview", {"content": ""}).text
    elsewhere = {"Origin": "https://elsewhere.example"}
    assert browser.post(f"{NEWS}/preview", {}, headers=elsewhere).status_code == 403


# Changing


def test_a_draft_is_changed_and_published_in_one_go_and_taken_back(
    client: Client, browser: Browser
) -> None:
    post = write(client)
    path = f"{NEWS}/{post['id']}"
    browser.get(path)
    browser.send(path, content="Better", publish="yes")
    assert ">Published.<" in browser.page.text
    assert "Better" in browser.get("/posts/news").text
    browser.get(path)
    browser.send(path, content="Not yet", publish="no")
    assert "Unpublished." in browser.page.text
    assert browser.get("/posts/news").status_code == 404
    assert all_posts(client)[0]["content"] == "Not yet"


def test_whoever_saves_second_sees_both_texts_and_chooses(client: Client, browser: Browser) -> None:
    post = write(client, content="Before")
    path = f"{NEWS}/{post['id']}"
    browser.get(path)
    client.patch(f"{POSTS}/{post['id']}", json={"title": "Theirs", "content": "An admin's"})
    browser.send(path, content="Mine")
    assert browser.page.status_code == 412
    assert "This changed while you were editing" in browser.page.text
    assert "An admin&#39;s" in browser.page.text
    offered = form(browser.page, path).fields
    # What one has not touched stays as the others made it.
    assert (offered["keep-title"], offered["keep-content"]) == ("theirs", "mine")
    browser.send(path)
    assert "Saved." in browser.page.text
    (saved,) = all_posts(client)
    assert (saved["title"], saved["content"]) == ("Theirs", "Mine")


def test_a_post_is_deleted_unless_it_has_changed_meanwhile(
    client: Client, browser: Browser
) -> None:
    post = write(client)
    path = f"{NEWS}/{post['id']}"
    shown = browser.get(path)
    client.patch(f"{POSTS}/{post['id']}", json={"content": "An admin's"})
    browser.send(f"{path}/delete")
    assert browser.page.status_code == 412
    assert len(all_posts(client)) == 1
    assert browser.get(path).text != shown.text
    browser.send(f"{path}/delete")
    assert "Post deleted." in browser.page.text
    assert all_posts(client) == []


def test_a_session_that_ended_meanwhile_loses_nothing(
    client: Client, browser: Browser, clock: Clock
) -> None:
    browser.get(f"{NEWS}/new")
    clock.advance(days=60)
    browser.send(NEWS, title="Glue", content="A long text")
    assert "save your changes" in browser.page.text
    browser.send("/sign-in", username=MEMBER.username, password="correct horse battery")
    assert "Draft saved." in browser.page.text
    assert [post["content"] for post in all_posts(client)] == ["A long text"]


# Who may what


def test_others_read_a_post_and_cannot_change_it(client: Client) -> None:
    post = write(client, content="Some *words*")
    path = f"{NEWS}/{post['id']}"
    browser = Browser(client).sign_in(OTHER)
    assert browser.get(path).status_code == 404
    for action in (path, f"{path}/delete"):
        assert browser.post(action, {"title": "x", "version": "1"}).status_code == 404
    publish(client, post)
    page = browser.get(path)
    assert "<em>words</em>" in page.text
    assert actions(page) == set()
    for action, sent in (
        (path, {"title": "x", "version": "2"}),
        (path, {"content": "x", "preview": "yes"}),
        (path, {"publish": "no", "version": "2"}),
        (f"{path}/delete", {"version": "2"}),
    ):
        assert browser.post(action, sent).status_code == 403, sent
    (kept,) = all_posts(client)
    assert (kept["title"], kept["published"]) == ("News", True)


def test_an_admin_changes_what_anybody_wrote(client: Client) -> None:
    post = write(client)
    path = f"{NEWS}/{post['id']}"
    browser = Browser(client).sign_in(ADMIN)
    assert actions(browser.get(path)) == {path, f"{path}/delete"}
    browser.send(path, title="Better")
    (saved,) = all_posts(client)
    assert (saved["title"], saved["author"]["username"]) == ("Better", "bob")


def test_a_form_from_elsewhere_changes_nothing(client: Client, browser: Browser) -> None:
    post = write(client)
    path = f"{NEWS}/{post['id']}"
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        for action in (NEWS, path, f"{path}/delete"):
            sent = {"title": "x", "content": "x", "version": "1"}
            assert browser.post(action, sent, headers=headers).status_code == 403
    assert [post["title"] for post in all_posts(client)] == ["News"]


def test_strangers_are_asked_to_sign_in(client: Client) -> None:
    post = write(client)
    for path in (NEWS, f"{NEWS}/new", f"{NEWS}/{post['id']}"):
        assert Browser(client).get(path).url.path == "/sign-in", path


def test_no_two_things_on_a_page_have_one_id(client: Client, browser: Browser) -> None:
    post = write(client)
    for path in (NEWS, f"{NEWS}/new", f"{NEWS}/{post['id']}"):
        ids = re.findall(r' id="([^"]+)"', browser.get(path).text)
        assert len(ids) == len(set(ids)), path
