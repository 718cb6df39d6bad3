"""The office's stock, as somebody sees it who stands in the workshop."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from support.backends import Clock, memory_app
from support.clients import Answer, Client
from support.pages import Browser, error_at, form
from support.people import ADMIN, MEMBER, PASSWORD

HERE = "/office/stock"
PRODUCTS = "/api/v1/products"
CATEGORIES = "/api/v1/categories"


@pytest.fixture
def app(clock: Clock) -> FastAPI:
    return memory_app(clock, currency="CHF")


def add(client: Client, **members: object) -> str:
    """Add a product by the API and return its id."""
    answer = client.post(PRODUCTS, json={"name": "Glue", "price": "9.90", **members})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def add_category(client: Client, name: str) -> str:
    answer = client.post(CATEGORIES, json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def product_of(client: Client, id: str) -> Any:
    return client.get(f"{PRODUCTS}/{id}").json()


def ledger_of(client: Client, id: str) -> list[tuple[str, int]]:
    movements = client.get(f"{PRODUCTS}/{id}/movements").json()["items"]
    return [(each["reason"], each["quantity"]) for each in movements]


def text_of(page: Answer) -> str:
    """Return what a page shows, without its markup, and with plain dashes."""
    plain = page.text.translate({ord("\N{EN DASH}"): "-", ord("\N{MINUS SIGN}"): "-"})
    return " ".join(re.sub("<[^>]*>", " ", plain).split())


# The list


def test_a_list_shows_what_there_is_and_what_it_costs(browser: Browser, client: Client) -> None:
    wood = add_category(client, "Wood")
    add(client, name="Beech board", price="1218.5", stock=1200, category_id=wood, sku="B-1")

    shown = text_of(browser.get(HERE))

    assert "Beech board B-1 Wood 1,218.50 CHF 1,200" in shown
    assert "1 product, 0 running low" in shown


def test_what_runs_low_or_out_is_marked(browser: Browser, client: Client) -> None:
    add(client, name="Enough", stock=5, reorder_level=4)
    add(client, name="Few", stock=4, reorder_level=4)
    add(client, name="None", stock=0)

    shown = text_of(browser.get(HERE))

    assert "Enough - 9.90 CHF 5" in shown
    assert "Few - 9.90 CHF Running low 4" in shown
    assert "None - 9.90 CHF Out of stock 0" in shown
    assert "3 products, 2 running low" in shown


def test_products_are_found_by_name_category_price_and_how_many_there_are(
    browser: Browser, client: Client
) -> None:
    wood = add_category(client, "Wood")
    add(client, name="Oak", price="20", stock=9, category_id=wood)
    add(client, name="Glue", price="5", stock=2, reorder_level=3)
    add(client, name="Tape", price="2")
    client.post(f"{PRODUCTS}/{add(client, name='Tar', stock=1)}/archive")
    names = ("Oak", "Glue", "Tape", "Tar")

    def shown(query: str) -> list[str]:
        page = browser.get(f"{HERE}?{query}").text
        found = re.findall('<a class="item-title"[^>]*>(.*?)</a>', page)
        assert set(found) <= set(names)
        return found

    assert shown("") == ["Glue", "Oak", "Tape"]
    assert shown("q=GL%C3%9C") == ["Glue"]
    assert shown(f"category_id={wood}") == ["Oak"]
    assert shown("min_price=3&max_price=19.99") == ["Glue"]
    assert shown("in_stock=true") == ["Glue", "Oak"]
    assert shown("low_stock=true") == ["Glue", "Tape"]
    assert shown("in_stock=false") == ["Tape"]
    assert shown("archived=true") == ["Tar"]
    assert shown("sort=-price") == ["Oak", "Glue", "Tape"]
    assert shown("q=&category_id=&min_price=&max_price=&sort=stock") == ["Tape", "Glue", "Oak"]


def test_a_search_keeps_which_products_are_looked_through(browser: Browser) -> None:
    page = browser.get(f"{HERE}?low_stock=true&q=glue")

    assert form(page, "", "get").fields == {
        "low_stock": "true",
        "q": "glue",
        "category_id": "",
        "min_price": "",
        "max_price": "",
        "sort": "name",
    }
    assert f'href="{HERE}?archived=true&amp;q=glue"' in page.text


def test_an_empty_workshop_is_asked_to_add_something(browser: Browser, client: Client) -> None:
    assert "No products yet" in browser.get(HERE).text
    add(client)
    assert "No products here" in browser.get(f"{HERE}?q=nothing").text


def test_a_long_list_is_walked_by_pages(browser: Browser, client: Client) -> None:
    for number in range(45):
        add(client, name=f"Screw {number:02}")
    seen: list[str] = []
    page = browser.get(HERE)
    while True:
        seen += re.findall(r">(Screw \d\d)<", page.text)
        link = page.text.partition('rel="next" href="')[2].partition('"')[0]
        if not link:
            break
        page = browser.get(link.replace("&amp;", "&"))
    assert seen == [f"Screw {number:02}" for number in range(45)]


# A product's page


def test_a_product_is_shown_with_its_ledger_and_how_it_went(client: Client, clock: Clock) -> None:
    id = add(client, stock=10, reorder_level=4, sku="G-1", description="Smells\nof fish")
    clock.advance(days=2)
    sold = {"quantity": -3, "reason": "sold", "note": "To <Eve>"}
    client.as_(MEMBER).post(f"{PRODUCTS}/{id}/movements", json=sold)
    clock.advance(hours=3)

    page = Browser(client).sign_in(MEMBER).get(f"{HERE}/{id}")

    shown = text_of(page)
    assert "7 in stock" in shown
    assert "4 reorder level" in shown
    assert "9.90 CHF each" in shown
    assert "Smells of fish" in shown
    assert "Sold To &lt;Eve&gt; 3 hours ago Bob -3 7 Received 2 days ago Ada +10 10" in shown
    assert "Stock history of Glue" in page.text
    assert "From 0 on March 1, 2026 to 7 on March 3, 2026; lowest 0, highest 10." in (page.text)


def test_a_product_that_never_moved_says_so(browser: Browser, client: Client) -> None:
    page = browser.get(f"{HERE}/{add(client)}")
    assert "No movements yet" in page.text
    assert "Out of stock" in page.text


def test_a_long_ledger_is_walked_by_pages_the_newest_first(
    browser: Browser, client: Client
) -> None:
    id = add(client)
    for number in range(45):
        body = {"quantity": 1, "reason": "received", "note": f"Box {number:02}"}
        client.post(f"{PRODUCTS}/{id}/movements", json=body)
    seen: list[str] = []
    page = browser.get(f"{HERE}/{id}")
    while True:
        seen += re.findall(r">(Box \d\d)<", page.text)
        link = page.text.partition('rel="next" href="')[2].partition('"')[0]
        if not link:
            break
        page = browser.get(link.replace("&amp;", "&"))
    assert seen == [f"Box {number:02}" for number in reversed(range(45))]


def test_a_plot_of_many_movements_begins_where_the_first_of_the_latest_did(
    client: Client, clock: Clock
) -> None:
    id = add(client, stock=1000)
    for _ in range(201):
        clock.advance(days=1)
        client.post(f"{PRODUCTS}/{id}/movements", json={"quantity": -1, "reason": "used"})

    page = Browser(client).sign_in(MEMBER).get(f"{HERE}/{id}")

    assert "From 999 on March 3, 2026 to 799 on September 18, 2026" in page.text


def test_a_product_that_is_not_there_is_a_page_that_says_so(browser: Browser) -> None:
    for path in (f"{HERE}/{ADMIN.id}", f"{HERE}/{ADMIN.id}/edit", f"{HERE}/categories/{ADMIN.id}"):
        assert browser.get(path).status_code == 404
    for path in ("move", "count", "edit", "archive", "restore", "delete"):
        fields = {"what": "sold", "pieces": "1", "stock": "1", "version": "1"}
        assert browser.post(f"{HERE}/{ADMIN.id}/{path}", fields).status_code == 404


# Movements


@pytest.mark.parametrize(
    ("what", "movement"),
    [
        ("received", ("received", 3)),
        ("returned", ("returned", 3)),
        ("sold", ("sold", -3)),
        ("used", ("used", -3)),
        ("lost", ("lost", -3)),
        ("not-received", ("received", -3)),
        ("not-returned", ("returned", -3)),
        ("not-sold", ("sold", 3)),
        ("not-used", ("used", 3)),
        ("not-lost", ("lost", 3)),
    ],
)
def test_what_happened_says_whether_pieces_come_or_go(
    browser: Browser, client: Client, what: str, movement: tuple[str, int]
) -> None:
    id = add(client, stock=10)
    page = browser.get(f"{HERE}/{id}")
    assert f'<option value="{what}"' in page.text

    page = browser.send(f"{HERE}/{id}/move", what=what, pieces="3")

    assert page.url.path == f"{HERE}/{id}"
    assert "Movement recorded." in page.text
    assert ledger_of(client, id) == [("received", 10), movement]


def test_a_movement_is_entered_with_its_note_by_who_is_signed_in(
    browser: Browser, client: Client
) -> None:
    id = add(client)
    browser.get(f"{HERE}/{id}")
    browser.send(f"{HERE}/{id}/move", what="received", pieces="5", note="  From the fair ")
    (movement,) = client.get(f"{PRODUCTS}/{id}/movements").json()["items"]
    assert movement["note"] == "From the fair"
    assert movement["created_by"]["username"] == "bob"


@pytest.mark.parametrize(
    ("what", "next_time"), [("sold", "sold"), ("used", "used"), ("not-sold", "sold")]
)
def test_the_form_for_a_movement_starts_on_what_was_recorded_last(
    browser: Browser, client: Client, what: str, next_time: str
) -> None:
    id = add(client, stock=10)
    page = browser.get(f"{HERE}/{id}")
    assert form(page, f"{HERE}/{id}/move").fields["what"] == "received"

    for action, typed in (("move", {"what": what, "pieces": "1"}), ("count", {"stock": "50"})):
        page = browser.send(f"{HERE}/{id}/{action}", typed)
        assert form(page, f"{HERE}/{id}/move").fields["what"] == next_time
    page = browser.send(f"{HERE}/{id}/count", stock="many")
    assert form(page, f"{HERE}/{id}/move").fields["what"] == next_time
    page = browser.send(f"{HERE}/{id}/move", pieces="1000")
    page = browser.send(f"{HERE}/{id}/move", pieces="1")

    assert form(page, f"{HERE}/{id}/move").fields["what"] == next_time
    assert "Movement recorded." in page.text


def test_another_product_and_another_person_start_on_received(
    browser: Browser, client: Client
) -> None:
    id, other = add(client, stock=10), add(client, stock=10)
    browser.get(f"{HERE}/{id}")
    browser.send(f"{HERE}/{id}/move", what="sold", pieces="1")
    somebody_else = Browser(client).sign_in(ADMIN)

    for page, product in ((browser.get(f"{HERE}/{other}"), other), (
        somebody_else.get(f"{HERE}/{id}"), id
    )):  # fmt: skip
        assert form(page, f"{HERE}/{product}/move").fields["what"] == "received"


def test_more_than_there_is_cannot_be_taken_and_it_is_said_beside_the_number_what_can(
    browser: Browser, client: Client
) -> None:
    id = add(client, stock=2)
    browser.get(f"{HERE}/{id}")

    page = browser.send(f"{HERE}/{id}/move", what="sold", pieces="3", note="For Eve")

    assert page.status_code == 409
    assert error_at(page, "pieces") == "Only 2 in stock."
    kept = form(page, f"{HERE}/{id}/move").fields
    assert (kept["what"], kept["pieces"], kept["note"]) == ("sold", "3", "For Eve")
    assert ledger_of(client, id) == [("received", 2)]
    browser.send(f"{HERE}/{id}/move", pieces="2")
    assert ledger_of(client, id) == [("received", 2), ("sold", -2)]


def test_more_than_a_stock_can_hold_is_told_beside_the_number_with_what_still_fits(
    browser: Browser, client: Client
) -> None:
    id = add(client, stock=999_999_990)
    browser.get(f"{HERE}/{id}")
    page = browser.send(f"{HERE}/{id}/move", what="received", pieces="11")
    assert page.status_code == 422
    most = "A stock holds at most 1,000,000,000; "
    assert error_at(page, "pieces") == f"{most}10 more can be added."
    browser.send(f"{HERE}/{id}/move", pieces="10")
    page = browser.send(f"{HERE}/{id}/move", what="received", pieces="1")
    assert error_at(page, "pieces") == f"{most}nothing can be added."
    assert product_of(client, id)["stock"] == 1_000_000_000
    answer = client.post(f"{PRODUCTS}/{id}/movements", json={"quantity": 1, "reason": "received"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "#/quantity", "detail": f"{most}nothing can be added."}
    ]


def test_why_a_sale_is_refused_stands_at_the_top_of_the_page_and_leads_to_the_field(
    browser: Browser, client: Client
) -> None:
    id = add(client, stock=2)
    assert 'id="refused"' not in browser.get(f"{HERE}/{id}").text

    page = browser.send(f"{HERE}/{id}/move", what="sold", pieces="3", note="x" * 201)
    page = browser.send(f"{HERE}/{id}/move", what="sold", pieces="3", note="")

    top, _, rest = page.text.partition("<h1>")
    assert "<title>Error: Glue" in top
    summary = top[top.index('id="refused"') :]
    assert 'tabindex="-1" autofocus' in summary
    assert '<a href="#pieces">Quantity</a>: Only 2 in stock.' in summary
    assert 'id="pieces"' in rest
    assert page.text.count('role="alert"') == 1


def test_what_is_wrong_with_a_form_as_a_whole_stands_at_the_top_and_in_the_form(
    browser: Browser, client: Client
) -> None:
    id = add(client, stock=10)
    browser.get(f"{HERE}/{id}")
    client.post(f"{PRODUCTS}/{id}/movements", json={"quantity": -3, "reason": "used"})

    page = browser.send(f"{HERE}/{id}/count", stock="10")

    top, _, rest = page.text.partition("<h1>")
    assert "while you were counting" in top[top.index('id="refused"') :]
    assert "while you were counting" in rest


@pytest.mark.parametrize("pieces", ["0", "-3", "", "two", "1.5", "1000000001"])
def test_a_number_of_pieces_that_makes_no_sense_is_told_beside_it(
    browser: Browser, client: Client, pieces: str
) -> None:
    id = add(client, stock=10)
    browser.get(f"{HERE}/{id}")
    page = browser.send(f"{HERE}/{id}/move", what="used", pieces=pieces, note="x" * 201)
    assert page.status_code == 422
    assert (error_at(page, "pieces") or "").startswith("Enter a whole number")
    assert error_at(page, "note") == "Enter at most 200 characters."
    assert form(page, f"{HERE}/{id}/move").fields["pieces"] == pieces
    assert ledger_of(client, id) == [("received", 10)]


def test_a_movement_that_is_sent_twice_is_one(browser: Browser, client: Client) -> None:
    id = add(client, stock=10)
    browser.get(f"{HERE}/{id}")
    fields = {**form(browser.page, f"{HERE}/{id}/move").fields, "what": "sold", "pieces": "3"}
    for _ in range(2):
        assert browser.post(f"{HERE}/{id}/move", fields).status_code == 200
    assert product_of(client, id)["stock"] == 7
    browser.get(f"{HERE}/{id}")
    browser.send(f"{HERE}/{id}/move", what="sold", pieces="3")
    assert product_of(client, id)["stock"] == 4


def test_what_falls_to_its_reorder_level_says_so_and_leads_to_the_task(
    browser: Browser, client: Client
) -> None:
    id = add(client, name="Glue & tape", stock=6, reorder_level=4)
    page = browser.get(f"{HERE}/{id}")
    assert " left, reorder at 4." not in page.text

    page = browser.send(f"{HERE}/{id}/move", what="used", pieces="2")

    assert "4 left, reorder at 4. Task: Reorder Glue &amp; tape" in text_of(page)
    (task,) = client.get("/api/v1/tasks").json()["items"]
    assert f'<a href="/office/tasks/{task["id"]}">Reorder Glue &amp; tape</a>' in page.text
    back = f'<a href="{HERE}/{id}"><bdi dir="auto">Glue &amp; tape</bdi></a>'
    assert back in browser.get(f"/office/tasks/{task['id']}").text
    client.post(f"/api/v1/tasks/{task['id']}/complete")
    page = browser.get(f"{HERE}/{id}")
    assert " left, reorder at 4." in page.text
    assert "/office/tasks/" not in page.text


def test_no_task_is_claimed_where_none_is_on_the_list(browser: Browser, client: Client) -> None:
    id = add(client, stock=2, reorder_level=4)
    (task,) = client.get("/api/v1/tasks").json()["items"]
    client.delete(f"/api/v1/tasks/{task['id']}")
    client.post("/api/v1/tasks", json={"title": task["title"]})
    page = browser.get(f"{HERE}/{id}")
    assert " left, reorder at 4." in page.text
    assert "/office/tasks/" not in page.text


def test_who_was_signed_out_meanwhile_signs_in_and_the_movement_is_entered(
    browser: Browser, client: Client
) -> None:
    id = add(client, stock=5)
    page = browser.get(f"{HERE}/{id}")
    fields = {**form(page, f"{HERE}/{id}/move").fields, "what": "sold", "pieces": "2"}
    browser.post("/sign-out")

    page = browser.post(f"{HERE}/{id}/move", fields)

    assert page.status_code == 403
    assert ledger_of(client, id) == [("received", 5)]
    page = browser.send("/sign-in", username="bob", password=PASSWORD)
    assert "Movement recorded." in page.text
    assert ledger_of(client, id) == [("received", 5), ("sold", -2)]


def test_a_page_of_others_moves_nothing(browser: Browser, client: Client) -> None:
    id = add(client, stock=5)
    fields = {"what": "lost", "pieces": "5"}
    page = browser.post(f"{HERE}/{id}/move", fields, headers={"Origin": "https://evil.example"})
    assert page.status_code == 403
    assert product_of(client, id)["stock"] == 5


# Counts


def test_a_count_sets_the_stock_right_by_the_difference(browser: Browser, client: Client) -> None:
    id = add(client, stock=10)
    browser.get(f"{HERE}/{id}")
    page = browser.send(f"{HERE}/{id}/count", stock="7")
    assert "Stock set to your count." in page.text
    assert "<span>Counted</span>" in page.text
    assert ledger_of(client, id) == [("received", 10), ("counted", -3)]


def test_a_count_that_is_sent_twice_is_one(browser: Browser, client: Client) -> None:
    id = add(client, stock=10)
    browser.get(f"{HERE}/{id}")
    fields = {**form(browser.page, f"{HERE}/{id}/count").fields, "stock": "7"}
    for _ in range(2):
        page = browser.post(f"{HERE}/{id}/count", fields)
        assert page.status_code == 200
        assert "Stock set to your count." in page.text
    assert ledger_of(client, id) == [("received", 10), ("counted", -3)]


def test_who_counted_while_pieces_moved_is_asked_whether_the_count_holds(
    browser: Browser, client: Client
) -> None:
    id = add(client, stock=10)
    browser.get(f"{HERE}/{id}")
    client.post(f"{PRODUCTS}/{id}/movements", json={"quantity": -2, "reason": "sold"})

    page = browser.send(f"{HERE}/{id}/count", stock="9")

    assert page.status_code == 412
    assert "Stock is now 8." in page.text
    assert form(page, f"{HERE}/{id}/count").fields["stock"] == "9"
    assert product_of(client, id)["stock"] == 8
    browser.send(f"{HERE}/{id}/count")
    assert product_of(client, id)["stock"] == 9


@pytest.mark.parametrize("stock", ["-1", "", "many", "1000000001"])
def test_a_count_that_makes_no_sense_is_told_beside_it(
    browser: Browser, client: Client, stock: str
) -> None:
    id = add(client, stock=10)
    browser.get(f"{HERE}/{id}")
    page = browser.send(f"{HERE}/{id}/count", stock=stock)
    assert page.status_code == 422
    assert (error_at(page, "stock") or "").startswith("Enter a whole number")
    assert product_of(client, id)["stock"] == 10


# Adding, editing, putting away


def test_a_product_is_added_with_all_that_is_said_of_it(browser: Browser, client: Client) -> None:
    wood = add_category(client, "Wood")
    browser.get(f"{HERE}/new?category_id={wood}")

    page = browser.send(
        f"{HERE}/new",
        name="Oak <board>",
        sku="O-1",
        price="18.5",
        stock="12",
        reorder_level="4",
        description="Two\nlines",
    )

    (product,) = client.get(PRODUCTS).json()["items"]
    assert page.url.path == f"{HERE}/{product['id']}"
    assert "Product added." in page.text
    assert "Oak &lt;board&gt;" in page.text
    assert product["name"] == "Oak <board>"
    assert (product["sku"], product["price"]) == ("O-1", "18.50")
    assert (product["stock"], product["reorder_level"]) == (12, 4)
    assert product["description"] == "Two\nlines"
    assert product["category"]["name"] == "Wood"
    assert ledger_of(client, product["id"]) == [("received", 12)]


def test_name_and_price_are_enough_for_a_product(browser: Browser, client: Client) -> None:
    browser.get(f"{HERE}/new")
    browser.send(f"{HERE}/new", name="Tape", price="2")
    (product,) = client.get(PRODUCTS).json()["items"]
    assert (product["name"], product["price"], product["stock"]) == ("Tape", "2.00", 0)
    assert product["sku"] is product["description"] is product["category"] is None


def test_what_is_wrong_with_a_product_is_told_beside_its_field_and_nothing_typed_is_lost(
    browser: Browser, client: Client
) -> None:
    browser.get(f"{HERE}/new")
    typed = {"name": " ", "price": "12,50", "stock": "-1", "sku": "x" * 41, "description": "Mine"}
    page = browser.send(f"{HERE}/new", typed)
    assert page.status_code == 422
    assert error_at(page, "name") == "Enter a name."
    assert error_at(page, "price") == "Enter an amount, e.g. 12.50."
    assert error_at(page, "stock") == "Enter a whole number from 0 to 1000000000."
    assert error_at(page, "sku") == "Enter at most 40 characters."
    kept = form(page, f"{HERE}/new").fields
    assert {name: kept[name] for name in typed} == typed
    assert client.get(PRODUCTS).json()["items"] == []


def test_a_product_that_is_sent_twice_is_one(browser: Browser, client: Client) -> None:
    browser.get(f"{HERE}/new")
    fields = {**form(browser.page, f"{HERE}/new").fields, "name": "Once", "price": "1"}
    pages = [browser.post(f"{HERE}/new", fields) for _ in range(2)]
    assert pages[0].url == pages[1].url
    assert len(client.get(PRODUCTS).json()["items"]) == 1


def test_a_number_that_another_product_has_is_told_beside_it(
    browser: Browser, client: Client
) -> None:
    add(client, sku="G-1")
    browser.get(f"{HERE}/new")
    page = browser.send(f"{HERE}/new", name="Other", price="1", sku="g-1")
    assert page.status_code == 409
    assert error_at(page, "sku") == "This SKU is already used by another product."


def test_a_product_is_edited(browser: Browser, client: Client) -> None:
    wood = add_category(client, "Wood")
    id = add(client, sku="G-1", description="Old", reorder_level=4, category_id=wood)
    page = browser.get(f"{HERE}/{id}/edit")
    fields = form(page, f"{HERE}/{id}/edit").fields
    assert (fields["sku"], fields["price"], fields["category_id"]) == ("G-1", "9.90", "Wood")

    page = browser.send(f"{HERE}/{id}/edit", name="Wood glue", category_id="", description="")

    assert page.url.path == f"{HERE}/{id}"
    assert "Saved." in page.text
    product = product_of(client, id)
    assert (product["name"], product["sku"], product["price"]) == ("Wood glue", "G-1", "9.90")
    assert product["category"] is product["description"] is None
    assert product["reorder_level"] == 4


def test_an_edit_does_not_touch_the_stock_whatever_is_sent(
    browser: Browser, client: Client
) -> None:
    id = add(client, stock=10)
    browser.get(f"{HERE}/{id}/edit")
    browser.send(f"{HERE}/{id}/edit", name="Glues", stock="3")
    assert product_of(client, id)["name"] == "Glues"
    assert product_of(client, id)["stock"] == 10
    assert ledger_of(client, id) == [("received", 10)]


def test_what_is_wrong_with_an_edit_is_told_beside_its_field(
    browser: Browser, client: Client
) -> None:
    id = add(client)
    browser.get(f"{HERE}/{id}/edit")
    page = browser.send(f"{HERE}/{id}/edit", price="free", reorder_level="")
    assert page.status_code == 422
    assert error_at(page, "price") == "Enter an amount, e.g. 12.50."
    assert (error_at(page, "reorder_level") or "").startswith("Enter a whole number")
    assert form(page, f"{HERE}/{id}/edit").fields["price"] == "free"


def test_who_saves_second_sees_both_and_decides(browser: Browser, client: Client) -> None:
    wood, metal = add_category(client, "Wood"), add_category(client, "Metal")
    id = add(client, category_id=wood)
    here = f"{HERE}/{id}/edit"
    stale = browser.get(here)
    client.patch(f"{PRODUCTS}/{id}", json={"price": "5", "category_id": metal})
    mine = {**form(stale, here).fields, "name": "Mine", "price": "7"}

    page = browser.post(here, mine)

    assert page.status_code == 412
    assert "This changed while you were editing" in page.text
    fields = form(page, here).fields
    assert (fields["keep-price"], fields["price"]) == ("mine", "7")
    assert fields["keep-category_id"] == "theirs"
    assert "Metal" in page.text
    browser.send(here, {"keep-price": "theirs"})
    product = product_of(client, id)
    assert (product["name"], product["price"]) == ("Mine", "5.00")
    assert product["category"]["name"] == "Metal"


def test_a_movement_meanwhile_leaves_nothing_to_decide_but_saving(
    browser: Browser, client: Client
) -> None:
    id = add(client, stock=10)
    browser.get(f"{HERE}/{id}/edit")
    client.post(f"{PRODUCTS}/{id}/movements", json={"quantity": -2, "reason": "sold"})
    page = browser.send(f"{HERE}/{id}/edit", name="Mine")
    assert page.status_code == 412
    browser.send(f"{HERE}/{id}/edit")
    assert product_of(client, id)["name"] == "Mine"
    assert product_of(client, id)["stock"] == 8


def test_a_product_is_archived_and_restored(browser: Browser, client: Client) -> None:
    id = add(client, stock=3)
    browser.get(f"{HERE}/{id}/edit")
    page = browser.send(f"{HERE}/{id}/archive")
    assert "Product archived." in page.text
    assert "This product is archived" in page.text
    assert product_of(client, id)["archived"] is True
    browser.get(f"{HERE}/{id}/edit")
    page = browser.send(f"{HERE}/{id}/restore")
    assert "Product restored." in page.text
    assert product_of(client, id)["archived"] is False


def test_a_product_that_never_moved_is_deleted(browser: Browser, client: Client) -> None:
    id = add(client)
    browser.get(f"{HERE}/{id}/edit")
    page = browser.send(f"{HERE}/{id}/delete")
    assert page.url.path == HERE
    assert "Product deleted." in page.text
    assert client.get(f"{PRODUCTS}/{id}").status_code == 404


def test_a_product_with_a_ledger_stays_and_archiving_is_offered(
    browser: Browser, client: Client
) -> None:
    id = add(client, stock=1)
    browser.get(f"{HERE}/{id}/edit")
    page = browser.send(f"{HERE}/{id}/delete")
    assert page.status_code == 409
    assert "This product has movements. Archive it instead." in page.text
    browser.send(f"{HERE}/{id}/archive")
    assert product_of(client, id)["archived"] is True


def test_what_has_changed_is_not_deleted_unseen(browser: Browser, client: Client) -> None:
    id = add(client)
    browser.get(f"{HERE}/{id}/edit")
    client.patch(f"{PRODUCTS}/{id}", json={"name": "Something else"})
    assert browser.send(f"{HERE}/{id}/delete").status_code == 412
    assert client.get(f"{PRODUCTS}/{id}").status_code == 200


# Categories


def test_a_category_is_added_once_and_products_can_be_put_in_it(
    browser: Browser, client: Client
) -> None:
    here = f"{HERE}/categories"
    assert "No categories yet" in browser.get(here).text
    fields = {**form(browser.page, here).fields, "name": "Wood & glue"}
    for _ in range(2):
        page = browser.post(here, fields)
        assert page.status_code == 200
    assert "Wood &amp; glue" in page.text
    (category,) = client.get(CATEGORIES).json()["items"]
    link = f"{HERE}/new?category_id={category['id']}"
    assert f'href="{link}&amp;back=' in page.text
    assert form(browser.get(link), f"{HERE}/new").fields["category_id"] == "Wood & glue"


def test_a_name_that_another_category_has_is_told_beside_it(
    browser: Browser, client: Client
) -> None:
    add_category(client, "Wood")
    browser.get(f"{HERE}/categories")
    page = browser.send(f"{HERE}/categories", name="WOOD")
    assert page.status_code == 409
    assert error_at(page, "name") == "This name is already used by another category."
    assert form(page, f"{HERE}/categories").fields["name"] == "WOOD"


def test_a_category_is_renamed_unless_somebody_else_was_quicker(
    browser: Browser, client: Client
) -> None:
    id = add_category(client, "Wood")
    here = f"{HERE}/categories/{id}"
    browser.get(here)
    page = browser.send(here, name="Timber")
    assert page.url.path == f"{HERE}/categories"
    assert "Timber" in page.text

    browser.get(here)
    client.patch(f"{CATEGORIES}/{id}", json={"name": "Lumber"})
    page = browser.send(here, name="Boards")
    assert page.status_code == 412
    assert "Lumber" in page.text
    browser.send(here)
    assert client.get(f"{CATEGORIES}/{id}").json()["name"] == "Boards"


def test_a_category_without_a_name_is_told_so(browser: Browser, client: Client) -> None:
    here = f"{HERE}/categories/{add_category(client, 'Wood')}"
    browser.get(here)
    page = browser.send(here, name=" ")
    assert page.status_code == 422
    assert error_at(page, "name") == "Enter a name."


def test_a_category_is_deleted_if_nothing_is_in_it(browser: Browser, client: Client) -> None:
    id = add_category(client, "Wood")
    product = add(client, category_id=id)
    here = f"{HERE}/categories/{id}"
    browser.get(here)

    page = browser.send(f"{here}/delete")

    assert page.status_code == 409
    assert "This category has products." in page.text
    assert f"{HERE}?category_id={id}" in page.text
    client.patch(f"{PRODUCTS}/{product}", json={"category_id": None})
    browser.get(here)
    page = browser.send(f"{here}/delete")
    assert "Category deleted." in page.text
    assert client.get(CATEGORIES).json()["items"] == []


# Who may, and what is hostile


def test_who_is_not_signed_in_sees_nothing_of_the_stock(client: Client) -> None:
    id = add(client, name="Secret glue")
    browser = Browser(client)
    for path in (HERE, f"{HERE}/new", f"{HERE}/categories", f"{HERE}/{id}", f"{HERE}/{id}/edit"):
        page = browser.get(path)
        assert page.url.path == "/sign-in"
        assert "Secret glue" not in page.text


def test_what_somebody_typed_is_shown_as_text(browser: Browser, client: Client) -> None:
    hostile = '"><script>alert(1)</script>{{ 7*7 }}'
    category = add_category(client, hostile)
    id = add(
        client,
        name=hostile,
        sku=hostile[:40],
        description=hostile,
        category_id=category,
        stock=1,
    )
    body = {"quantity": 1, "reason": "received", "note": hostile}
    client.post(f"{PRODUCTS}/{id}/movements", json=body)

    for path in ("", "/new", f"/{id}", f"/{id}/edit", "/categories", f"/categories/{category}"):
        page = browser.get(f"{HERE}{path}")
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page.text
