"""Fields that name a person or a category: anyone can be named, however many there are."""

import re
from html import unescape

from support.clients import Answer, Client
from support.pages import Browser, error_at, form
from support.people import ADMIN, MEMBER, PASSWORD

TASKS = "/office/tasks"
STOCK = "/office/stock"


def register(client: Client, username: str, name: str) -> str:
    """Register a user by the API, and return the id."""
    profile = {"username": username, "email": f"{username}@example.org", "name": name}
    answer = client.post("/api/v1/users", json={**profile, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def add(client: Client, resource: str, **members: object) -> str:
    answer = client.post(f"/api/v1/{resource}", json=members)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def assignee(client: Client, task: str) -> str | None:
    id: str | None = client.get(f"/api/v1/tasks/{task}").json()["assignee_id"]
    return id


def suggested(page: Answer, field: str) -> list[str]:
    """Return what a field of a page suggests."""
    (options,) = re.findall(rf'<datalist id="{field}-list">(.*?)</datalist>', page.text, re.S)
    return [unescape(each) for each in re.findall(r'<option value="([^"]*)" dir="auto">', options)]


def test_a_task_is_given_to_somebody_by_name_by_username_or_by_both(
    browser: Browser, client: Client
) -> None:
    zoe = register(client, "z.quist", "Zoë Quist")
    task = add(client, "tasks", title="Oil the saw")
    for typed in ("Zoë Quist", "zoe quist", " Z.QUIST ", "Zoë Quist (z.quist)"):
        browser.get(f"{TASKS}/{task}")
        page = browser.send(f"{TASKS}/{task}", assignee_id=typed)
        assert "Saved." in page.text
        assert assignee(client, task) == zoe
        shown = form(page, f"{TASKS}/{task}").fields["assignee_id"]
        assert shown == "Zoë Quist (z.quist)"
        browser.send(f"{TASKS}/{task}", title="Oil both saws", assignee_id=shown)
        assert assignee(client, task) == zoe
        browser.send(f"{TASKS}/{task}", assignee_id="")
        assert assignee(client, task) is None


def test_a_name_that_two_people_have_or_nobody_is_told_beside_the_field(
    browser: Browser, client: Client
) -> None:
    for username in ("sam1", "sam2"):
        register(client, username, "Sam Doe")
    gone = register(client, "gone", "Gone Person")
    client.patch(f"/api/v1/users/{gone}", json={"is_active": False})
    browser.get(TASKS)
    for typed, told in (
        ("Sam Doe", "More than one match. Choose one: Sam Doe (sam1), Sam Doe (sam2)"),
        ("sam", "No exact match. Choose one: Sam Doe (sam1), Sam Doe (sam2)"),
        ("Ada (sam1)", "No match."),
        ("Gone Person", "No match."),
        ("gone", "No match."),
        ("nobody", "No match."),
        ("x" * 500, "No match."),
        ("\0", "No match."),
        ("%", "No match."),
    ):
        page = browser.send(TASKS, title="Oil the saw", assignee_id=typed)
        assert page.status_code in (400, 422), typed
        if page.status_code == 400:
            browser.get(TASKS)
            continue
        assert told in (error_at(page, "assignee_id") or ""), typed
        assert form(page, TASKS).fields["assignee_id"] == typed
        assert form(page, TASKS).fields["title"] == "Oil the saw"
    browser.send(TASKS, title="Oil the saw", assignee_id="Sam Doe (sam2)")
    (task,) = client.get("/api/v1/tasks").json()["items"]
    assert task["assignee"]["username"] == "sam2"


def test_who_is_deactivated_keeps_their_name_in_the_form_of_a_done_task(
    browser: Browser, client: Client
) -> None:
    old = register(client, "old", "Old Hand")
    task = add(client, "tasks", title="Oil the saw", assignee_id=old)
    client.post(f"/api/v1/tasks/{task}/complete")
    client.patch(f"/api/v1/users/{old}", json={"is_active": False})
    page = browser.get(f"{TASKS}/{task}")
    assert form(page, f"{TASKS}/{task}").fields["assignee_id"] == "Old Hand (old)"


def test_whoever_saves_second_sees_the_names_of_both_assignees(
    browser: Browser, client: Client
) -> None:
    task = add(client, "tasks", title="Oil the saw")
    here = f"{TASKS}/{task}"
    browser.get(here)
    client.patch(f"/api/v1/tasks/{task}", json={"assignee_id": str(ADMIN.id)})
    page = browser.send(here, assignee_id="bob")
    assert page.status_code == 412
    assert "Ada (ada)</div>" in page.text
    assert form(page, here).fields["assignee_id"] == "Bob (bob)"
    browser.send(here)
    assert assignee(client, task) == str(MEMBER.id)


def test_of_many_categories_any_can_be_named_and_few_are_listed(
    browser: Browser, client: Client
) -> None:
    ids = [add(client, "categories", name=f"Kind {number:03}") for number in range(210)]
    page = browser.get(f"{STOCK}/new")
    assert len(suggested(page, "category_id")) == 50
    assert "Only the first are listed." in page.text

    page = browser.send(f"{STOCK}/new", name="Glue", price="1", category_id="kind 209")

    assert page.status_code == 200
    (product,) = client.get("/api/v1/products").json()["items"]
    assert product["category_id"] == ids[209]
    page = browser.get(f"{STOCK}/{product['id']}/edit")
    action = f"{STOCK}/{product['id']}/edit"
    assert form(page, action).fields["category_id"] == "Kind 209"
    page = browser.send(action, category_id="kind 20")
    assert page.status_code == 422
    assert "Choose one: Kind 200, Kind 201" in (error_at(page, "category_id") or "")
    assert suggested(page, "category_id") == [f"Kind {number}" for number in range(200, 210)]
    browser.send(action, category_id="KIND 201")
    assert client.get(f"/api/v1/products/{product['id']}").json()["category_id"] == ids[201]


def test_products_are_filtered_by_the_name_of_a_category(browser: Browser, client: Client) -> None:
    accented, plain = (add(client, "categories", name=name) for name in ("Möbel", "Mobel"))
    add(client, "products", name="Chair", price="1", category_id=accented)
    add(client, "products", name="Stool", price="1", category_id=plain)
    for typed, shown in (("möbel", ["Chair"]), ("MOBEL", ["Stool"]), (plain, ["Stool"])):
        page = browser.get(f"{STOCK}?category_id={typed}")
        assert re.findall(r'class="item-title"[^>]*>([^<]+)<', page.text) == shown
    assert form(page, "", "get").fields["category_id"] == "Mobel"

    page = browser.get(f"{STOCK}?category_id=bel&q=chair")

    assert page.status_code == 422
    assert "Choose one: Möbel, Mobel" in (error_at(page, "category_id") or "")
    assert form(page, "", "get").fields["category_id"] == "bel"
    assert "No products here" in page.text


def test_what_is_typed_is_suggested_to_members_alone(browser: Browser, client: Client) -> None:
    register(client, "zoe", "Zoë <Quist>")
    page = browser.get("/office/choices/people?q=quis")
    assert '<option value="Zoë &lt;Quist&gt; (zoe)" dir="auto">' in page.text
    for q in ("%00", "x" * 200, "%"):
        assert browser.get(f"/office/choices/people?q={q}").text.strip() == ""
    assert browser.get("/office/choices/categories").text.strip() == ""
    assert Browser(client).get("/office/choices/people").url.path == "/sign-in"
