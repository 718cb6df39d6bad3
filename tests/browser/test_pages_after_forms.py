"""Pages that only a form leads to can be used by everybody, too, and on a phone."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import StorageState, expect

from browser.conftest import Visit
from support.chromium import Visitor
from support.clients import Client
from support.page_assertions import assert_everybody_can_use, assert_in_order
from support.people import PASSWORD
from support.service import Service
from support.workshop import known_in

API = "/api/v1"


@pytest.fixture
def ada(regular: Visit, workshop: Service, signed_in: StorageState) -> Visitor:
    """The admin, signed in."""
    return regular(workshop, "ada", state=signed_in)


@pytest.fixture
def nobody_yet(tmp_path: Path) -> Iterator[Service]:
    """A workshop in which nobody has been yet."""
    with Service(tmp_path) as service:
        yield service


def assert_well_made(visitor: Visitor) -> None:
    assert_in_order(visitor.page)
    assert_everybody_can_use(visitor.page)


def test_where_the_workshop_is_set_up(nobody_yet: Service, visit: Visit) -> None:
    somebody = visit(nobody_yet)
    somebody.open("/")
    expect(somebody.page.get_by_role("heading", name="Set up your workshop")).to_be_visible()
    assert_well_made(somebody)
    somebody.type(Setup_code="not it", Your_name="Ada", Username="ada", Password="long enough")
    somebody.page.get_by_label("E-mail address").fill("ada@example.org")
    somebody.watch.provoke(401)
    somebody.click("Create account")
    expect(somebody.page.get_by_role("alert")).to_be_visible()
    assert_well_made(somebody)


def test_a_wrong_password(workshop: Service, visit: Visit) -> None:
    somebody = visit(workshop)
    somebody.open("/sign-in")
    somebody.fill_sign_in("nobody", "not the password")
    somebody.watch.provoke(401)
    somebody.click("Sign in")
    expect(somebody.page.get_by_role("alert")).to_be_visible()
    assert_well_made(somebody)


def test_a_form_that_waits_for_somebody_to_sign_in(
    workshop: Service, signed_in: StorageState, visit: Visit
) -> None:
    ada = visit(workshop, state=signed_in)
    ada.open("/office/tasks")
    ada.context.clear_cookies()
    ada.type(Title="Wait for me")
    ada.watch.provoke(403)
    ada.click("Add task")
    ada.sees("You've been signed out.")
    assert_well_made(ada)


# Each with a field, and what is to be typed there that nobody can accept.
@pytest.mark.parametrize(
    ("path", "label", "button"),
    [
        ("/office/tasks", "Title", "Add task"),
        ("/office/news/new", "Title", "Save draft"),
        ("/office/stock/new", "Name", "Add product"),
        ("/office/machines", "Name", "Add machine"),
    ],
)
def test_what_is_wrong_with_a_form(ada: Visitor, path: str, label: str, button: str) -> None:
    ada.open(path)
    # The browser itself would not let it go.
    ada.page.locator("form").evaluate_all(
        "(forms) => forms.forEach((form) => { form.noValidate = true })"
    )
    for details in ada.page.locator("main details").all():
        details.evaluate("(details) => { details.open = true }")
    ada.page.get_by_label(label, exact=True).fill(" ")
    ada.watch.provoke(422)
    ada.click(button)
    field = ada.page.locator("[aria-invalid]").first
    expect(field).to_be_visible()
    summary = ada.page.locator("#refused")
    expect(summary).to_be_focused()
    expect(summary).to_be_in_viewport()
    assert_well_made(ada)
    summary.get_by_role("link", name=label).click()
    named = ada.page.get_by_label(label, exact=True)
    expect(named).to_be_in_viewport()
    expect(named).to_be_focused()


def test_a_filter_that_is_chosen_by_the_keyboard_waits_for_the_button(ada: Visitor) -> None:
    ada.open("/office/tasks")
    ada.page.get_by_label("Sort by").focus()
    for _ in range(2):
        ada.page.keyboard.press("ArrowDown")
    # Whatever a script does on a change has been asked for by now.
    ada.page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    assert ada.page.url.endswith("/office/tasks")
    ada.click("Search")
    expect(ada.page).to_have_url(re.compile("sort=due_on"))


def test_completing_a_task_keeps_the_place_in_the_list(api: Client, ada: Visitor) -> None:
    titles = [f"Walk {number:02}" for number in range(18)]
    ids = [api.post(f"{API}/tasks", json={"title": title}).json()["id"] for title in titles]
    ada.open("/office/tasks?q=walk&sort=title")
    ada.page.get_by_role("button", name="Complete: Walk 12").click()
    beside = ada.page.get_by_role("button", name="Complete: Walk 13")
    expect(ada.page.get_by_role("button", name="Complete: Walk 12")).to_have_count(0)
    expect(beside).to_be_in_viewport()
    expect(ada.page.get_by_role("status")).to_be_in_viewport()
    assert ada.page.evaluate("() => scrollY") > 300
    ada.page.keyboard.press("Tab")
    expect(beside).to_be_focused()
    for id in ids:
        assert api.delete(f"{API}/tasks/{id}").status_code == 204


def test_a_field_that_names_one_of_many_suggests_what_fits(api: Client, ada: Visitor) -> None:
    ids = [
        api.post(f"{API}/categories", json={"name": f"Wood {number:02}"}).json()["id"]
        for number in range(60)
    ]
    ada.open("/office/stock/new")
    ada.page.get_by_label("Category").press_sequentially("wood 59")
    expect(ada.page.locator("#category_id-list option")).to_have_count(1)
    for id in ids:
        assert api.delete(f"{API}/categories/{id}").status_code == 204


@pytest.mark.parametrize(
    ("path", "resource", "member", "label"),
    [
        ("/office/tasks/{id}", "tasks", "title", "Title"),
        ("/office/news/{id}", "posts", "title", "Title"),
        ("/office/stock/{id}/edit", "products", "name", "Name"),
        ("/office/machines/{id}", "devices", "name", "Name"),
    ],
)
def test_two_versions_side_by_side(
    api: Client, ada: Visitor, path: str, resource: str, member: str, label: str
) -> None:
    new = {member: "The first name of it"}
    needed = {"posts": {"content": "Words."}, "products": {"price": "1.00"}}
    made = api.post(f"{API}/{resource}", json=new | needed.get(resource, {}))
    assert made.status_code == 201, made.text
    id = made.json()["id"]
    ada.open(path.format(id=id))
    for details in ada.page.locator("main details").all():
        details.evaluate("(details) => { details.open = true }")
    ada.page.get_by_label(label, exact=True).fill("What was typed")
    changed = api.patch(f"{API}/{resource}/{id}", json={member: "Somebody else's name for it"})
    assert changed.status_code == 200
    ada.watch.provoke(412)
    ada.click("Save")
    expect(
        ada.page.get_by_role("heading", name="This changed while you were editing")
    ).to_be_visible()
    expect(ada.page.get_by_text("Somebody else's name for it").first).to_be_visible()
    assert_well_made(ada)
    ada.click("Save my choice")
    ada.sees("Saved.")
    assert api.get(f"{API}/{resource}/{id}").json()[member] == "What was typed"
    assert api.delete(f"{API}/{resource}/{id}").status_code == 204


def test_what_is_shown_once(api: Client, ada: Visitor) -> None:
    device = api.post(f"{API}/devices", json={"name": "The saw in the yard"}).json()
    ada.open(f"/office/machines/{device['id']}")
    ada.page.locator("summary", has_text="Create or replace key").click()
    ada.click("Create key")
    ada.sees("Copy this key now")
    assert_well_made(ada)
    ada.open("/office/profile/tokens")
    ada.type(Name="For the cash register")
    ada.click("Create token")
    ada.sees("Copy this token now")
    assert_well_made(ada)


@pytest.fixture
def grace(api: Client, visit: Visit, workshop: Service) -> Iterator[Visitor]:
    """A member, who may look at what others may change."""
    profile = {"username": "grace", "email": "grace@example.org", "name": "Grace Hopper"}
    made = api.post(f"{API}/users", json={**profile, "password": PASSWORD})
    assert made.status_code == 201, made.text
    grace = visit(workshop)
    grace.sign_in("grace")
    yield grace
    assert api.delete(f"{API}/users/{made.json()['id']}").status_code == 204


def test_what_only_others_may_change(grace: Visitor, api: Client) -> None:
    known = known_in(api)
    for page in ("/office/news/{post}", "/office/people", "/office/people/{user}"):
        grace.open(page.format_map(known))
        expect(grace.page.get_by_role("button", name="Save")).to_have_count(0)
        assert_well_made(grace)


def test_a_title_of_a_hundred_emoji_can_be_typed_and_a_longer_one_says_why_not(
    ada: Visitor,
) -> None:
    ada.open("/office/tasks")
    title = ada.page.get_by_label("Title", exact=True)
    title.focus()
    ada.page.keyboard.insert_text("🪚" * 101)
    assert title.evaluate("(input) => input.validationMessage") == "Enter at most 100 characters."
    ada.page.keyboard.press("Backspace")
    assert title.evaluate("(input) => input.validationMessage") == ""
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_text("🪚" * 100)).to_be_visible()


@pytest.mark.parametrize("size", [(30, 10), (10, 30)], ids=["wide", "high"])
def test_a_portrait_is_a_circle_whatever_was_uploaded(
    api: Client, ada: Visitor, size: tuple[int, int]
) -> None:
    file = BytesIO()
    Image.new("RGB", size, "orange").save(file, "PNG")
    mine = f"{API}/users/{api.get(f'{API}/users/me').json()['id']}"
    kept = api.put(f"{mine}/image", content=file.getvalue(), headers={"Content-Type": "image/png"})
    assert kept.is_success, kept.text
    ada.open("/office/profile")
    sides = ada.page.locator("img.avatar").evaluate_all(
        "(all) => all.map((each) => [each.naturalWidth, each.width, each.height])"
    )
    assert api.delete(f"{mine}/image").is_success
    assert len(sides) == 2
    assert all(natural == size[0] and width == height for natural, width, height in sides), sides
