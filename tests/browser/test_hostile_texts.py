"""Whatever people write is shown as text: nothing of it runs, and nothing is fetched for it."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, StorageState

from browser.conftest import Visit
from browser.test_every_page import PAGES, PUBLIC
from support.chromium import Visitor
from support.clients import Client
from support.hostile import LONG, SHORT
from support.page_assertions import WIDE, resize, unfold
from support.service import ROOT, Service
from support.workshop import make_admin, token_of

API = "/api/v1"

PICTURE = ROOT / "src/entrypoints/api/static/default.png"

SHARPEST = SHORT[:12]
"""Texts that are looked at on every page, not only in lists."""


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A workshop in which everything is called something hostile."""
    folder = tmp_path_factory.mktemp("besieged")
    make_admin(folder)
    with Service(folder, ATELIER_REGISTRATION="open") as service:
        yield service


@pytest.fixture(scope="module")
def client(besieged: Service) -> Iterator[Client]:
    with besieged.client().as_(token_of(besieged)) as client:
        yield client


@pytest.fixture(scope="module")
def inside(chromium: Browser, besieged: Service) -> StorageState:
    """The storage of the admin's browser after signing in."""
    ada = Visitor(chromium, besieged.url)
    ada.sign_in()
    state = ada.context.storage_state()
    ada.leave()
    return state


@pytest.fixture
def ada(besieged: Service, regular: Visit, inside: StorageState) -> Visitor:
    """The admin, signed in. A dialog, an error, a blocked script: all of them fail the test."""
    return regular(besieged, "ada", state=inside)


def make(client: Client, resource: str, **members: Any) -> Any:
    """Return what is made so; `None` if it is refused, or looks like something that is there."""
    answer = client.post(f"{API}/{resource}", json=members)
    assert answer.status_code in (201, 409, 422), answer.text
    return answer.json() if answer.status_code == 201 else None


def made(client: Client, resource: str, member: str, **more: Any) -> list[Any]:
    """Return things that are called what nothing should be called."""
    found = [make(client, resource, **{member: text}, **more) for text in SHORT]
    kept = [each for each in found if each]
    assert len(kept) >= 25
    return kept


def together(texts: Iterable[str], most: int, between: str = " ") -> list[str]:
    """Join texts to as few as have at most so many characters.

    A page loads more slowly than it shows one text more. No text hides another: what is shown has
    to be the whole, and markup at any place in it would be markup on the page.
    """
    joined = [""]
    for text in texts:
        longer = between.join(filter(None, (joined[-1], text)))
        if len(longer) <= most:
            joined[-1] = longer
        else:
            joined.append(text)
    return [*filter(None, joined)]


def publish(client: Client, username: str) -> None:
    """Publish a post of a user, who has no public page without one."""
    form = {"username": username, "password": "long enough"}
    token = client.as_(None).post(f"{API}/auth/token", data=form).json()["access_token"]
    author = client.as_(token)
    post = make(author, "posts", title="Hello", content="Words.")
    assert author.post(f"{API}/posts/{post['id']}/publish").status_code == 200


def assert_shown(visitor: Visitor, path: str, *texts: str) -> None:
    """Assert that a page shows these texts as they were written."""
    answer = visitor.open(path)
    assert answer.status == 200, path
    shown = visitor.page.locator("body").text_content() or ""
    fields = visitor.page.locator("input, textarea, datalist option")
    typed = fields.evaluate_all("(all) => all.map((e) => e.value)")
    for text in texts:
        assert text in shown or text in typed, (path, text)


@pytest.mark.parametrize(
    ("resource", "path", "more"),
    [
        ("tasks", "/office/tasks", {"description": SHORT[2]}),
        ("products", "/office/stock", {"price": "1.00", "description": SHORT[2], "stock": 1}),
        ("devices", "/office/machines", {"kind": SHORT[3], "location": SHORT[4]}),
        ("posts", "/office/news", {"content": "Words."}),
    ],
)
def test_names_and_titles_are_text_in_lists_and_on_pages_of_their_own(
    client: Client, ada: Visitor, resource: str, path: str, more: Any
) -> None:
    member = "title" if resource in ("tasks", "posts") else "name"
    things = made(client, resource, member, **more)
    assert_shown(ada, f"{path}?limit=100", *(each[member] for each in things))
    for text in together(SHARPEST, 100):
        thing = make(client, resource, **{member: text}, **more)
        assert_shown(ada, f"{path}/{thing['id']}", text)
        if resource == "products":
            assert_shown(ada, f"{path}/{thing['id']}/edit", text)
    assert_shown(ada, "/office")


def test_people_are_called_what_they_are_called(
    client: Client, ada: Visitor, besieged: Service, regular: Visit
) -> None:
    everybody = []
    for number, name in enumerate(SHORT):
        profile = {"username": f"guest{number}", "email": f"guest{number}@example.org"}
        guest = make(client, "users", name=name, city=name, password="long enough", **profile)
        everybody += [guest] if guest else []
    assert len(everybody) >= 20
    for guest in everybody:
        make(client, "tasks", title="For a guest", assignee_id=guest["id"])
    assert_shown(ada, "/office/people?limit=100", *(guest["name"] for guest in everybody))
    assert_shown(ada, "/office/tasks?limit=100", *(guest["name"] for guest in everybody))
    somebody = regular(besieged, "public")
    for guest in everybody[: len(SHARPEST)]:
        publish(client, guest["username"])
        assert_shown(ada, f"/office/people/{guest['id']}", guest["name"])
        assert_shown(somebody, f"/people/{guest['username']}", guest["name"])


def test_categories_are_text_where_products_are_chosen_by_them(
    client: Client, ada: Visitor
) -> None:
    things = made(client, "categories", "name")
    names = [each["name"] for each in things]
    assert_shown(ada, "/office/stock/categories?limit=100", *names)
    assert_shown(ada, "/office/stock/new", *names)
    for each in things[: len(SHARPEST)]:
        assert_shown(ada, f"/office/stock/categories/{each['id']}", each["name"])


def alone(text: str) -> bool:
    """Return whether a text in Markdown would change the meaning of others beside it."""
    return len(text) >= 1_000 or text.startswith(("```", "~~~", "[x]:"))


def test_markdown_neither_runs_nor_fetches_anything(
    client: Client, ada: Visitor, besieged: Service, regular: Visit
) -> None:
    somebody = regular(besieged, "public")
    for visitor in (ada, somebody):
        # A picture of ours may be shown; it need not be there.
        visitor.context.route("**/media/x.png*", lambda route: route.fulfill(path=PICTURE))
    texts = [text for text in LONG if not alone(text)]
    for content in (*together(texts, 500, "\n\n"), *filter(alone, LONG)):
        post = make(
            client, "posts", title=content[:100].split("\n")[0].strip() or "x", content=content
        )
        if post is None:
            continue
        done = client.post(f"{API}/posts/{post['id']}/publish")
        assert done.status_code == 200
        assert_shown(somebody, f"/posts/{done.json()['slug']}", post["title"])
    for path in ("/", "/people/ada"):
        somebody.open(path)
    # As it is written it is looked at, too.
    ada.open("/office/news/new")
    field = ada.page.get_by_label("Text", exact=True)
    for text in together(LONG[:60:3], 500, "\n\n"):
        field.fill(text)
        ada.click("Preview")
        ada.page.wait_for_load_state()


def test_what_is_typed_stays_text_when_it_comes_back(client: Client, ada: Visitor) -> None:
    for text in together(SHARPEST, 99):
        task = make(client, "tasks", title="Calm")
        ada.open(f"/office/tasks/{task['id']}")
        ada.page.get_by_label("Title", exact=True).fill(text)
        changed = client.patch(f"{API}/tasks/{task['id']}", json={"title": f"{text}!"})
        assert changed.status_code == 200
        ada.watch.provoke(412)
        ada.click("Save")
        theirs = ada.page.locator(".theirs").text_content()
        assert theirs == f"{text}!"
        assert ada.page.get_by_label("Your version: Title").input_value() == text


@pytest.mark.parametrize("text", together(SHARPEST, 100))
def test_what_stands_in_an_address_is_text(ada: Visitor, text: str) -> None:
    quoted = ada.page.evaluate("(text) => encodeURIComponent(text)", text)
    for path in ("/office/tasks?q={}", "/office/tasks?done={}", "/sign-in?then={}"):
        assert ada.open(path.format(quoted)).status == 200
    ada.watch.provoke(404)
    ada.open(f"/posts/{quoted}")
    ada.watch.provoke(422)
    ada.open(f"/office/tasks?sort={quoted}")


WORD = "W" * 100
WIDTHS = (320, 390, 600, 768, 1000, 1280, 1920)


def test_a_long_word_makes_no_page_wider_than_the_window(
    client: Client, ada: Visitor, besieged: Service, regular: Visit
) -> None:
    ids = {"category": make(client, "categories", name=WORD[:50])["id"]}
    member = make(
        client,
        "users",
        username=WORD[:50],
        email=f"{WORD[:60]}@example.org",
        name=WORD[:50],
        city=WORD[:50],
        password="long enough",
    )
    ids["user"] = member["id"]
    ids["username"] = member["username"]
    publish(client, member["username"])
    me = client.get(f"{API}/users/me").json()
    assert client.patch(f"{API}/users/{me['id']}", json={"name": WORD[:50]}).is_success
    task = {"title": WORD, "description": WORD, "due_on": "2026-01-01", "priority": 9}
    ids["task"] = make(client, "tasks", **task, assignee_id=me["id"])["id"]
    make(client, "tasks", **task, assignee_id=member["id"])
    product = make(
        client,
        "products",
        name=WORD,
        sku=WORD[:40],
        description=WORD,
        price="99999999.00",
        stock=999_999_999,
        reorder_level=1_000_000_000,
        category_id=ids["category"],
    )
    ids["product"] = product["id"]
    movement = {"quantity": 1, "reason": "received", "note": WORD}
    assert client.post(f"{API}/products/{product['id']}/movements", json=movement).is_success
    device = make(client, "devices", name=WORD, kind=WORD[:50], location=WORD, serial=WORD)
    ids["device"] = device["id"]
    key = client.post(f"{API}/devices/{device['id']}/key").json()["key"]
    beat = {"agent_version": WORD[:50], "metrics": {WORD[:50]: WORD, "x": {WORD[:50]: [WORD]}}}
    bearer = {"Authorization": f"Bearer {key}"}
    path = f"{API}/devices/{device['id']}/heartbeat"
    assert client.post(path, json=beat, headers=bearer).is_success
    content = f"{WORD}\n\n# {WORD}\n\n- {WORD}\n\n> {WORD}\n\n```\n{WORD}\n```\n\n`{WORD}`"
    post = make(client, "posts", title=WORD, content=content)
    ids["post"] = post["id"]
    ids["slug"] = client.post(f"{API}/posts/{post['id']}/publish").json()["slug"]
    make(client, "tokens", name=WORD, scope="read")
    somebody = regular(besieged, "public")
    somebody.watch.provoke(404)
    wide: dict[tuple[str, int], list[str]] = {}
    for page in PAGES:
        visitor = somebody if page in PUBLIC else ada
        visitor.open(page.format_map(ids))
        unfold(visitor.page)
        wide |= {(page, width): found for width in WIDTHS if (found := too_wide(visitor, width))}
    assert not wide


def too_wide(visitor: Visitor, width: int) -> list[str]:
    """Return what is wider than a window of some width, folded up or not."""
    resize(visitor.page, width)
    found: list[str] = visitor.page.evaluate(WIDE)
    return found
