"""A day at a workshop, from its very first page to signing out in the evening."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL

from browser.conftest import Visit
from support.chromium import DESK, PHONE, Visitor
from support.databases import execute, new_postgres, text
from support.people import PASSWORD
from support.service import Service


@pytest.fixture
def service(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Iterator[Service]:
    """A service that has just been started for the first time."""
    if database == "sqlite":
        with Service(tmp_path) as made:
            yield made
        return
    server: URL = request.getfixturevalue("postgres")
    url = new_postgres(server)
    made = Service(tmp_path, DATABASE_URL=text(url))
    made.arguments = ["--migrate"]
    with made:
        yield made
    execute(server, f"DROP DATABASE {url.database} WITH (FORCE)")


@pytest.mark.parametrize(
    ("database", "width", "scripts"),
    # Each two of the values meet in one of the cases.
    [
        ("sqlite", DESK, True),
        ("postgres", PHONE, True),
        ("postgres", DESK, False),
        ("sqlite", PHONE, False),
    ],
)
def test_a_day_at_the_workshop(service: Service, visit: Visit, width: int, scripts: bool) -> None:
    ada = visit(service, width=width, scripts=scripts)
    set_the_workshop_up(ada, service)
    go_out_and_come_in_again(ada)
    add_a_task_and_complete_it(ada)
    write_a_post_and_publish_it(ada)
    read_it_as_the_public(visit(service, width=width, scripts=scripts))
    sell_until_more_has_to_be_ordered(ada)
    save_in_a_second_tab_what_is_stale(ada)
    sign_out(ada)
    ada.open("/office")
    expect(ada.page.get_by_role("heading", name="Sign in")).to_be_visible()


def set_the_workshop_up(ada: Visitor, service: Service) -> None:
    said = re.search(r"secret=(\S+)", service.log.read_text())
    assert said is not None
    ada.open("/")
    expect(ada.page.get_by_role("heading", name="Set up your workshop")).to_be_visible()
    ada.type(
        Setup_code=said[1],
        Your_name="Ada Lovelace",
        Username="ada",
        Password=PASSWORD,
    )
    ada.page.get_by_label("E-mail address").fill("ada@example.org")
    ada.click("Create account")
    ada.sees("Welcome! Your workshop is ready")


def go_out_and_come_in_again(ada: Visitor) -> None:
    sign_out(ada)
    ada.fill_sign_in()
    ada.click("Sign in")
    ada.sees_greeting("Ada Lovelace")


def add_a_task_and_complete_it(ada: Visitor) -> None:
    go_to(ada, "Tasks")
    ada.type(Title="Sharpen the chisels")
    ada.click("Add task")
    ada.sees("Task added.")
    ada.click("Complete: Sharpen the chisels")
    ada.sees("Task completed.")
    expect(ada.page.get_by_role("link", name="Sharpen the chisels")).to_have_count(0)
    ada.page.get_by_role("link", name="Done", exact=True).click()
    expect(ada.page.get_by_role("link", name="Sharpen the chisels")).to_be_visible()


def write_a_post_and_publish_it(ada: Visitor) -> None:
    go_to(ada, "News")
    ada.page.get_by_role("link", name="Write a post").click()
    ada.type(Title="The lathe runs again", Text="It took *three* of us and a **new** belt.")
    ada.click("Preview")
    preview = ada.page.get_by_role("region", name="Preview")
    expect(preview.locator("strong", has_text="new")).to_be_visible()
    ada.click("Publish")
    ada.page.get_by_role("link", name="View on site").click()
    expect(ada.page.get_by_role("heading", name="The lathe runs again")).to_be_visible()


def read_it_as_the_public(somebody: Visitor) -> None:
    somebody.open("/")
    somebody.page.get_by_role("link", name="The lathe runs again").click()
    expect(somebody.page.locator("article em", has_text="three")).to_be_visible()
    expect(somebody.page.get_by_text("Ada Lovelace").first).to_be_visible()


def sell_until_more_has_to_be_ordered(ada: Visitor) -> None:
    ada.open("/office")
    go_to(ada, "Stock")
    ada.page.get_by_role("link", name="Add product").first.click()
    ada.type(Name="Birch plywood, 4 mm", Price_in_EUR="7.90", Stock="10", Reorder_level="3")
    ada.click("Add product")
    expect(ada.page.get_by_role("heading", name="Birch plywood, 4 mm")).to_be_visible()
    ada.page.get_by_label("Type", exact=True).select_option("Sold")
    ada.type(Quantity="7")
    ada.click("Record")
    ada.sees("3 left, reorder at 3. Task:")
    ada.page.get_by_role("link", name="Reorder Birch plywood, 4 mm").click()
    expect(ada.page.get_by_label("Title", exact=True)).to_have_value("Reorder Birch plywood, 4 mm")


def save_in_a_second_tab_what_is_stale(ada: Visitor) -> None:
    second = ada.new_tab()
    second.goto(ada.page.url)
    ada.type(Title="Order plywood: the birch, 4 mm")
    ada.click("Save")
    ada.sees("Saved.")
    ada.watch.provoke(412)
    second.get_by_label("Title", exact=True).fill("Order ten sheets of plywood")
    second.get_by_role("button", name="Save").click()
    expect(
        second.get_by_role("heading", name="This changed while you were editing")
    ).to_be_visible()
    expect(second.get_by_text("Order plywood: the birch, 4 mm")).to_be_visible()
    mine = second.get_by_label("Your version: Title")
    expect(mine).to_have_value("Order ten sheets of plywood")
    mine.fill("Order ten sheets of plywood: the birch, 4 mm")
    second.get_by_role("button", name="Save my choice").click()
    expect(second.get_by_text("Saved.")).to_be_visible()
    title = second.get_by_label("Title", exact=True)
    expect(title).to_have_value("Order ten sheets of plywood: the birch, 4 mm")
    second.close()


def go_to(ada: Visitor, place: str) -> None:
    ada.page.get_by_role("navigation", name="Office").get_by_role("link", name=place).click()
    expect(ada.page.get_by_role("heading", name=place, level=1)).to_be_visible()


def sign_out(ada: Visitor) -> None:
    ada.page.locator("summary", has_text="Ada Lovelace").click()
    ada.click("Sign out")
    ada.sees("You are signed out.")
