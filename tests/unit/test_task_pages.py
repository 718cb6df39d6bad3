"""The office's tasks, as somebody sees them who does not write programs."""

import re
from datetime import timedelta

from support.backends import NOON, Clock
from support.clients import Answer, Client
from support.pages import Browser, error_at, form, forms
from support.people import ADMIN, MEMBER

HERE = "/office/tasks"
TASKS = "/api/v1/tasks"


def add(client: Client, **members: object) -> str:
    answer = client.post(TASKS, json={"title": "Oil the saw", **members})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_task_is_added_with_one_field_and_shown(browser: Browser, client: Client) -> None:
    browser.get(HERE)
    page = browser.send(HERE, title="  Sharpen the <chisels>  ")
    assert page.status_code == 200
    assert "Task added." in page.text
    assert "Sharpen the &lt;chisels&gt;" in page.text
    (task,) = client.get(TASKS).json()["items"]
    assert task["title"] == "Sharpen the <chisels>"
    assert task["created_by"]["username"] == "bob"


def test_what_is_wrong_is_told_beside_its_field_and_nothing_typed_is_lost(
    browser: Browser, client: Client
) -> None:
    browser.get(HERE)
    page = browser.send(
        HERE, title="x" * 101, description="Two\nlines", priority="12", due_on="2026-02-30"
    )
    assert page.status_code == 422
    assert error_at(page, "title") == "Enter at most 100 characters."
    assert error_at(page, "priority") == "Enter a whole number from 0 to 9."
    assert error_at(page, "due_on") == "There is no such date."
    kept = form(page, HERE).fields
    assert kept["title"] == "x" * 101
    assert kept["description"] == "Two\nlines"
    assert (kept["priority"], kept["due_on"]) == ("12", "2026-02-30")
    assert client.get(TASKS).json()["items"] == []
    browser.send(HERE, title="Short", priority="3", due_on="2026-03-02")
    (task,) = client.get(TASKS).json()["items"]
    assert (task["title"], task["description"]) == ("Short", "Two\nlines")


def test_a_task_without_a_title_is_told_that_it_needs_one(browser: Browser) -> None:
    browser.get(HERE)
    page = browser.send(HERE, title=" ")
    assert page.status_code == 422
    assert error_at(page, "title") == "Enter a title."


def test_a_form_that_is_sent_twice_makes_one_task(browser: Browser, client: Client) -> None:
    browser.get(HERE)
    fields = {**form(browser.page, HERE).fields, "title": "Once"}
    for _ in range(2):
        assert browser.post(HERE, fields).status_code == 200
    assert [task["title"] for task in client.get(TASKS).json()["items"]] == ["Once"]


def test_whoever_goes_back_and_types_something_else_makes_another_task(
    browser: Browser, client: Client
) -> None:
    browser.get(HERE)
    fields = form(browser.page, HERE).fields
    for title in ("First", "Second"):
        browser.post(HERE, {**fields, "title": title})
    titles = [task["title"] for task in client.get(TASKS).json()["items"]]
    assert titles == ["First", "Second"]


def test_a_task_is_completed_with_one_click_and_can_be_opened_again(
    browser: Browser, client: Client
) -> None:
    id = add(client)
    browser.get(f"{HERE}?q=saw")
    page = browser.send(f"{HERE}/{id}/complete")
    assert client.get(f"{TASKS}/{id}").json()["completed"] is True
    assert str(page.url).endswith(f"{HERE}?q=saw&done=task-completed")
    assert "Oil the saw" not in page.text
    page = browser.get(f"{HERE}?show=done")
    assert "Oil the saw" in page.text
    browser.send(f"{HERE}/{id}/reopen")
    assert client.get(f"{TASKS}/{id}").json()["completed"] is False


def test_one_task_is_completed_after_the_other(browser: Browser, client: Client) -> None:
    ids = [add(client), add(client)]
    browser.get(f"{HERE}?show=all")
    for id in ids:
        page = browser.send(f"{HERE}/{id}/complete")
        assert page.status_code == 200
        assert "Task completed." in page.text
        assert str(page.url).endswith(f"{HERE}?show=all&done=task-completed#task-{id}")


def ids_in(page: Answer) -> list[str]:
    """Return the ids of the tasks on a page, in its order."""
    return re.findall(r'<li class="item[^"]*" id="task-([^"]+)"', page.text)


def test_completing_a_task_leads_back_to_the_place_of_the_list_at_which_it_was(
    browser: Browser, client: Client
) -> None:
    ids = [add(client, title=f"Saw {number}") for number in range(3)]
    query = "q=saw&sort=title"
    assert ids_in(browser.get(f"{HERE}?{query}")) == ids

    for id, beside in ((ids[1], ids[2]), (ids[2], ids[0])):
        page = browser.send(f"{HERE}/{id}/complete")
        assert str(page.url).endswith(f"{HERE}?{query}&done=task-completed#task-{beside}")
        assert f'id="task-{beside}"' in page.text
    page = browser.send(f"{HERE}/{ids[0]}/complete")
    assert str(page.url).endswith(f"{HERE}?{query}&done=task-completed")

    browser.get(f"{HERE}?show=done&sort=title")
    page = browser.send(f"{HERE}/{ids[0]}/reopen")
    assert str(page.url).endswith(f"{HERE}?show=done&sort=title&done=task-reopened#task-{ids[1]}")


def test_completing_a_task_on_the_start_page_leads_back_to_its_neighbour_there(
    browser: Browser, client: Client
) -> None:
    late = str(NOON.date() - timedelta(days=1))
    ids = [add(client, assignee_id=str(MEMBER.id), due_on=late) for _ in range(2)]
    page = browser.get("/office")
    places = re.findall(r'id="((?:my|overdue)-task-[^"]+)"', page.text)
    assert len(places) == len(set(places)) == 4
    page = browser.send(f"{HERE}/{ids[0]}/complete")
    assert str(page.url).endswith(f"/office?done=task-completed#my-task-{ids[1]}")


def test_what_is_done_is_listed_by_when_it_was_done_the_latest_first(
    browser: Browser, client: Client, clock: Clock
) -> None:
    ids = [add(client, title=f"Task {number:02}") for number in range(25)]
    order = ids[5:] + ids[:5]
    for id in order:
        clock.advance(seconds=1)
        client.post(f"{TASKS}/{id}/complete")
    browser.get(HERE)
    page = browser.get(f"{HERE}?show=done&q=task")
    seen = ids_in(page)
    assert ">Recently completed</option>" in page.text

    link = page.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    seen += ids_in(browser.get(link))

    assert seen == order[::-1]
    # Searching by the form keeps the order of each tab; another can be chosen.
    fields = form(browser.page, "", "get").fields
    assert fields["sort"] == ""
    assert ids_in(browser.get(f"{HERE}?show=done&sort=-created_at"))[0] == ids[-1]
    assert "Recently completed" not in browser.get(HERE).text


def test_a_task_is_edited(browser: Browser, client: Client) -> None:
    id = add(client, description="With the old oil", priority=4, due_on="2026-03-09")
    page = browser.get(f"{HERE}/{id}")
    fields = form(page, f"{HERE}/{id}").fields
    assert fields["description"] == "With the old oil"
    assert (fields["priority"], fields["due_on"]) == ("4", "2026-03-09")
    browser.send(f"{HERE}/{id}", description="", assignee_id=str(ADMIN.id))
    task = client.get(f"{TASKS}/{id}").json()
    assert task["description"] is None
    assert task["assignee"]["username"] == "ada"
    assert (task["priority"], task["due_on"]) == (4, "2026-03-09")


def test_who_saves_second_sees_both_and_decides(browser: Browser, client: Client) -> None:
    id = add(client, description="Before")
    here = f"{HERE}/{id}"
    stale = browser.get(here)
    client.patch(f"{TASKS}/{id}", json={"title": "Oil both saws", "priority": 2})
    mine = {**form(stale, here).fields, "title": "Oil no saw", "description": "Mine"}

    page = browser.post(here, mine)

    assert page.status_code == 412
    assert "This changed while you were editing" in page.text
    assert "Oil both saws" in page.text
    fields = form(page, here).fields
    # What I typed stays unless I say otherwise; what I did not touch stays as it is now.
    assert (fields["keep-title"], fields["title"]) == ("mine", "Oil no saw")
    assert (fields["keep-priority"], fields["priority"]) == ("theirs", "0")
    assert client.get(f"{TASKS}/{id}").json()["title"] == "Oil both saws"

    browser.send(here, {"keep-title": "theirs"})

    task = client.get(f"{TASKS}/{id}").json()
    assert (task["title"], task["priority"]) == ("Oil both saws", 2)
    assert task["description"] == "Mine"


def test_a_third_who_is_quicker_while_one_decides_is_shown_as_well(
    browser: Browser, client: Client
) -> None:
    id = add(client)
    here = f"{HERE}/{id}"
    stale = browser.get(here)
    client.patch(f"{TASKS}/{id}", json={"title": "Second"})
    browser.post(here, {**form(stale, here).fields, "title": "Mine"})
    client.patch(f"{TASKS}/{id}", json={"title": "Third"})
    page = browser.send(here)
    assert page.status_code == 412
    assert "Third" in page.text
    assert "Second" not in page.text
    browser.send(here)
    assert client.get(f"{TASKS}/{id}").json()["title"] == "Mine"


def test_what_has_changed_is_not_deleted_unseen(browser: Browser, client: Client) -> None:
    id = add(client)
    browser.get(f"{HERE}/{id}")
    client.patch(f"{TASKS}/{id}", json={"title": "Something else now"})
    assert browser.send(f"{HERE}/{id}/delete").status_code == 412
    browser.get(f"{HERE}/{id}")
    browser.send(f"{HERE}/{id}/delete")
    assert client.get(f"{TASKS}/{id}").status_code == 404


def test_tasks_are_found_by_what_they_are_about_and_whose_they_are(
    browser: Browser, client: Client, clock: Clock
) -> None:
    add(client, title="For me", assignee_id=str(MEMBER.id))
    add(client, title="Late", due_on=str(NOON.date() - timedelta(days=1)))
    client.post(f"{TASKS}/{add(client, title='Finished')}/complete")

    def shown(query: str) -> set[str]:
        page = browser.get(f"{HERE}?{query}").text
        return {title for title in ("For me", "Late", "Finished") if f">{title}<" in page}

    assert shown("") == {"For me", "Late"}
    assert shown("show=mine") == {"For me"}
    assert shown("show=overdue") == {"Late"}
    assert shown("show=done") == {"Finished"}
    assert shown("show=all") == {"For me", "Late", "Finished"}
    assert shown("show=all&q=FINI") == {"Finished"}
    assert "No matching tasks" in browser.get(f"{HERE}?q=%25").text


def test_a_long_list_is_walked_by_pages(browser: Browser, client: Client) -> None:
    for number in range(45):
        add(client, title=f"Task {number:02}")
    seen: list[str] = []
    page = browser.get(f"{HERE}?sort=title")
    while True:
        seen += [f"Task {n:02}" for n in range(45) if f">Task {n:02}<" in page.text]
        link = page.text.partition('rel="next" href="')[2].partition('"')[0]
        if not link:
            break
        page = browser.get(link.replace("&amp;", "&"))
    assert seen == [f"Task {number:02}" for number in range(45)]


def test_who_is_not_signed_in_is_asked_to_and_led_back(client: Client) -> None:
    browser = Browser(client)
    page = browser.get(f"{HERE}?show=done")
    assert page.url.path == "/sign-in"
    assert len(forms(page)) == 1
    page = browser.send("/sign-in", username="bob", password="correct horse battery")
    assert str(page.url).endswith(f"{HERE}?show=done")


def test_a_task_that_is_not_there_is_a_page_that_says_so(browser: Browser) -> None:
    page = browser.get(f"{HERE}/{ADMIN.id}")
    assert page.status_code == 404
    assert "Page not found" in page.text
