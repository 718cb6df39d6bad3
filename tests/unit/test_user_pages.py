"""The office's people: who sees what of whom, and what an admin can do."""

import re

import pytest

from support.clients import Answer, Client
from support.pages import Browser, error_at, form, forms
from support.people import ADMIN, MEMBER, OTHER, PASSWORD, Person

PEOPLE = "/office/people"
USERS = "/api/v1/users"
NEW = {"username": "dora", "email": "dora@example.org", "name": "Dora", "password": PASSWORD}
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def admin(client: Client) -> Browser:
    return Browser(client).sign_in(ADMIN)


@pytest.fixture
def member(client: Client) -> Browser:
    return Browser(client).sign_in(MEMBER)


def path_of(person: Person) -> str:
    return f"{PEOPLE}/{person.id}"


def names(answer: Answer) -> list[str]:
    return re.findall(r'<a class="item-title"[^>]*>(.*?)</a>', answer.text)


def test_members_see_who_there_is_and_nobodys_address(member: Browser) -> None:
    answer = member.get(PEOPLE)
    assert names(answer) == ["Ada", "Bob", "Cleo"]
    assert "@canary.example" not in answer.text
    answer = member.get(path_of(OTHER))
    assert "Cleo" in answer.text
    assert "@canary.example" not in answer.text
    assert [each.action for each in forms(answer)] == ["/sign-out"]


def test_one_is_led_from_ones_own_page_to_ones_profile(member: Browser) -> None:
    text = member.get(path_of(MEMBER)).text
    assert 'class="button" href="/office/profile"' in text
    assert 'class="button" href="/office/profile"' not in member.get(path_of(OTHER)).text


def test_an_admin_sees_addresses_and_who_is_what(admin: Browser, client: Client) -> None:
    client.patch(f"{USERS}/{OTHER.id}", json={"is_active": False})
    text = admin.get(PEOPLE).text
    assert {person.email for person in (ADMIN, MEMBER, OTHER)} <= set(
        re.findall(r"\w+@canary.example", text)
    )
    assert text.count(">Admin</span>") == text.count(">Deactivated</span>") == 1
    assert form(admin.get(path_of(MEMBER)), path_of(MEMBER)).fields["email"] == MEMBER.email


def test_people_are_found_filtered_sorted_and_paged(admin: Browser, client: Client) -> None:
    client.patch(f"{USERS}/{OTHER.id}", json={"is_active": False, "city": "Łódź"})
    assert names(admin.get(f"{PEOPLE}?q=lodz")) == ["Cleo"]
    assert names(admin.get(f"{PEOPLE}?is_active=false")) == ["Cleo"]
    assert names(admin.get(f"{PEOPLE}?sort=-created_at")) == ["Cleo", "Bob", "Ada"]
    shown = names(admin.get(f"{PEOPLE}?limit=2"))
    (following,) = re.findall(r'rel="next" href="([^"]+)"', admin.page.text)
    assert shown + names(admin.get(following.replace("&amp;", "&"))) == ["Ada", "Bob", "Cleo"]
    assert "No people found" in admin.get(f"{PEOPLE}?q=%25").text


def test_an_admin_takes_somebody_in_who_can_sign_in_then(admin: Browser, client: Client) -> None:
    admin.get(PEOPLE)
    answer = admin.send(PEOPLE, NEW, age="36", city="")
    assert "Person added." in answer.text
    assert answer.url.path.startswith(f"{PEOPLE}/")
    assert form(answer, answer.url.path).fields["age"] == "36"
    assert "Dora" in Browser(client).sign_in("dora").page.text


def test_somebody_is_taken_in_once_however_often_the_form_is_sent(
    admin: Browser, client: Client
) -> None:
    fields = {**form(admin.get(PEOPLE), PEOPLE).fields, **NEW}
    assert len({admin.post(PEOPLE, fields).url.path for _ in range(2)}) == 1
    assert "Person added." in admin.page.text
    assert len(client.get(USERS).json()["items"]) == 4


def test_what_is_wrong_with_somebody_new_is_told_beside_the_field(admin: Browser) -> None:
    admin.get(PEOPLE)
    answer = admin.send(PEOPLE, {**NEW, "email": "nowhere", "password": "canary"})
    assert answer.status_code == 422
    assert error_at(answer, "email")
    assert error_at(answer, "password")
    assert form(answer, PEOPLE).fields["username"] == "dora"
    assert "canary" not in answer.text.replace("@canary", "")
    answer = admin.send(PEOPLE, username="BOB", email="dora@example.org", password=PASSWORD)
    assert answer.status_code == 409
    assert error_at(answer, "username") == "This username is already used by another person."
    assert "Person added." in admin.send(PEOPLE, username="dora", password=PASSWORD).text


def test_a_member_may_do_nothing_to_anybody(member: Browser, client: Client) -> None:
    before = client.get(f"{USERS}/{OTHER.id}").json()
    assert member.post(PEOPLE, NEW).status_code == 403
    fields = {"version": str(before["version"]), "name": "Taken over", "password": "a new password"}
    for way in ("", "/deactivate", "/reactivate", "/password", "/delete"):
        assert member.post(f"{path_of(OTHER)}{way}", fields).status_code == 403
    assert client.get(f"{USERS}/{OTHER.id}").json() == before
    assert len(client.get(USERS).json()["items"]) == 3
    assert "Cleo" in Browser(client).sign_in(OTHER).page.text


def test_nothing_happens_to_anybody_from_elsewhere(admin: Browser, client: Client) -> None:
    before = client.get(f"{USERS}/{OTHER.id}").json()
    fields = {"version": str(before["version"]), "role": "admin", "password": "a new password"}
    for way in ("", "/deactivate", "/password", "/delete"):
        answer = admin.post(f"{path_of(OTHER)}{way}", fields, headers={"Origin": "null"})
        assert answer.status_code == 403
    assert client.get(f"{USERS}/{OTHER.id}").json() == before


def test_an_admin_edits_somebody_and_their_role(admin: Browser, client: Client) -> None:
    path = path_of(MEMBER)
    admin.get(path)
    answer = admin.send(path, name="B", city="Porto")
    assert error_at(answer, "name")
    assert form(answer, path).fields["city"] == "Porto"
    assert "Saved." in admin.send(path, name="Robert", role="admin").text
    user = client.get(f"{USERS}/{MEMBER.id}").json()
    assert (user["name"], user["city"], user["role"]) == ("Robert", "Porto", "admin")


def test_a_form_about_somebody_says_nothing_of_what_has_a_form_of_its_own(
    admin: Browser, client: Client
) -> None:
    path = path_of(MEMBER)
    admin.get(path)
    admin.send(path, password="a new password", city="Porto")
    assert client.get(f"{USERS}/{MEMBER.id}").json()["city"] == "Porto"
    assert "Bob" in Browser(client).sign_in(MEMBER).page.text


def test_whoever_saves_second_sees_both_and_decides(admin: Browser, client: Client) -> None:
    path = path_of(MEMBER)
    admin.get(path)
    client.as_(MEMBER).patch(f"{USERS}/{MEMBER.id}", json={"city": "Porto", "age": 40})
    answer = admin.send(path, city="Berlin", role="admin")
    assert answer.status_code == 412
    assert "Porto" in answer.text
    assert "Berlin" in answer.text
    admin.send(path, {"keep-city": "theirs"})
    user = client.get(f"{USERS}/{MEMBER.id}").json()
    assert (user["city"], user["age"], user["role"]) == ("Porto", 40, "admin")


def test_an_admin_deactivates_somebody_who_is_out_at_once(
    admin: Browser, member: Browser, client: Client
) -> None:
    path = path_of(MEMBER)
    assert "signed out at once" in admin.get(path).text
    assert "Account deactivated." in admin.send(f"{path}/deactivate").text
    assert member.get("/office").url.path == "/sign-in"
    assert member.send("/sign-in", username="bob", password=PASSWORD).status_code == 401
    assert "Account reactivated." in admin.send(f"{path}/reactivate").text
    assert "Bob" in member.sign_in(MEMBER).page.text


@pytest.mark.parametrize("way", ["/deactivate", "/delete", ""])
def test_the_last_admin_is_told_that_they_are(admin: Browser, client: Client, way: str) -> None:
    path = path_of(ADMIN)
    admin.get(path)
    answer = admin.send(f"{path}{way}", {} if way else {"role": "member"})
    assert answer.status_code == 409
    assert "This is the last active admin. Make another person an admin first." in answer.text
    user = client.get(f"{USERS}/{ADMIN.id}").json()
    assert (user["role"], user["is_active"]) == ("admin", True)


def test_an_admin_is_asked_before_they_shut_themselves_out(admin: Browser, client: Client) -> None:
    client.patch(f"{USERS}/{OTHER.id}", json={"role": "admin"})
    path = path_of(ADMIN)
    assert "This is your own account" in admin.get(path).text
    assert admin.send(f"{path}/deactivate").url.path == "/sign-in"
    assert "This is your own account" not in Browser(client).sign_in(OTHER).get(path).text


def test_an_admin_sets_a_password_which_signs_the_other_out(
    admin: Browser, member: Browser, client: Client
) -> None:
    path = path_of(MEMBER)
    admin.get(path)
    answer = admin.send(f"{path}/password", password="canary")
    assert answer.status_code == 422
    assert error_at(answer, "password")
    assert "canary" not in answer.text.replace("@canary", "")
    answer = admin.send(f"{path}/password", password="quite another one")
    assert "signed out everywhere" in answer.text
    assert member.get("/office").url.path == "/sign-in"
    assert "Bob" in member.sign_in(MEMBER, "quite another one").page.text


def test_an_admin_has_no_way_around_telling_their_own_password(admin: Browser) -> None:
    path = path_of(ADMIN)
    assert f'action="{path}/password"' not in admin.get(path).text
    answer = admin.post(f"{path}/password", {"password": "quite another one"})
    assert answer.status_code == 403
    assert "Enter your current password to change your own password." in answer.text


def test_an_admin_deletes_somebody_of_whom_nothing_is_left(admin: Browser, client: Client) -> None:
    path = path_of(OTHER)
    assert "People with activity can only be deactivated." in admin.get(path).text
    assert "Person deleted." in admin.send(f"{path}/delete").text
    assert admin.get(path).status_code == 404
    assert client.get(f"{USERS}/{OTHER.id}").status_code == 404


def test_whoever_has_done_something_is_not_deleted_but_can_be_deactivated(
    admin: Browser, client: Client
) -> None:
    client.as_(MEMBER).post("/api/v1/tasks", json={"title": "Sharpen the planes"})
    path = path_of(MEMBER)
    admin.get(path)
    answer = admin.send(f"{path}/delete")
    assert answer.status_code == 409
    assert "Deactivate them instead." in answer.text
    assert "Account deactivated." in admin.send(f"{path}/deactivate").text


def test_whoever_has_changed_since_is_not_deleted(admin: Browser, client: Client) -> None:
    path = path_of(OTHER)
    admin.get(path)
    client.as_(OTHER).patch(f"{USERS}/{OTHER.id}", json={"city": "Porto"})
    answer = admin.send(f"{path}/delete")
    assert answer.status_code == 412
    assert form(answer, path).fields["city"] == "Porto"


def test_hostile_names_are_text(admin: Browser, member: Browser, client: Client) -> None:
    change = {"name": HOSTILE, "city": HOSTILE}
    assert client.patch(f"{USERS}/{MEMBER.id}", json=change).status_code == 200
    for browser, path in ((admin, PEOPLE), (admin, path_of(MEMBER)), (member, "/office/profile")):
        answer = browser.get(path)
        assert "<img src=x" not in answer.text
        assert "&lt;img src=x onerror=alert(1)&gt;" in answer.text


def test_there_is_no_page_of_somebody_who_is_not_there(admin: Browser) -> None:
    nowhere = f"{PEOPLE}/01900000-0000-7000-8000-00000000dead"
    assert admin.get(nowhere).status_code == 404
    for way in ("", "/deactivate", "/reactivate", "/delete", "/password"):
        answer = admin.post(f"{nowhere}{way}", {"password": "a new password", "version": "1"})
        assert answer.status_code == 404


def test_a_city_that_is_not_known_is_shown_nowhere_and_stays_so(
    admin: Browser, client: Client
) -> None:
    path = f"{PEOPLE}/{OTHER.id}"
    assert client.get(f"{USERS}/{OTHER.id}").json()["city"] == "Unknown"
    for page in (PEOPLE, path):
        assert "Unknown" not in admin.get(page).text
    assert form(admin.page, path).fields["city"] == ""
    before = client.get(f"{USERS}/{OTHER.id}").json()
    admin.send(path)
    assert client.get(f"{USERS}/{OTHER.id}").json() == before

    admin.send(path, city="Porto")
    assert "Porto" in admin.get(PEOPLE).text
    admin.get(path)
    admin.send(path, city="")
    assert client.get(f"{USERS}/{OTHER.id}").json()["city"] == "Unknown"

    # A city that a program has set to an empty text is kept by an edit of another field.
    client.patch(f"{USERS}/{OTHER.id}", json={"city": ""})
    admin.get(path)
    admin.send(path, name="Cleo the Second")
    user = client.get(f"{USERS}/{OTHER.id}").json()
    assert (user["name"], user["city"]) == ("Cleo the Second", "")


def test_a_city_that_is_not_known_is_an_empty_field_of_ones_own_profile(client: Client) -> None:
    browser = Browser(client).sign_in(OTHER)
    page = browser.get("/office/profile")
    assert form(page, "/office/profile").fields["city"] == ""
    browser.send("/office/profile", name="Cleo the Second")
    user = client.get(f"{USERS}/{OTHER.id}").json()
    assert (user["name"], user["city"]) == ("Cleo the Second", "Unknown")
