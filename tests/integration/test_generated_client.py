"""A client that nobody wrote: made from the OpenAPI document alone, it can do it all."""

import datetime
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image
from sqlalchemy import URL

from support.backends import Clock, sql_app
from support.people import ADMIN, MEMBER, OTHER, PASSWORD, Person
from support.served import served

# How the code is laid out is of no interest. Pictures are bytes: the generator takes no media type
# for such by itself but one.
CONFIG = """
post_hooks: []
content_type_overrides:
  image/jpeg: application/octet-stream
  image/png: application/octet-stream
  image/webp: application/octet-stream
"""


@dataclass(frozen=True)
class Generated:
    """What the generator made of a document, and what it said while it did."""

    folder: Path
    package: str
    exit_code: int
    output: str


@pytest.fixture(scope="module")
def generate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Generated]:
    """Make a client from a document, once for each that is different."""

    @cache
    def generate(document: bytes) -> Generated:
        folder = tmp_path_factory.mktemp("generated")
        package = f"client_{sha256(document).hexdigest()}"
        (folder / "openapi.json").write_bytes(document)
        (folder / "generator.yaml").write_text(CONFIG)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
                *("--path", "openapi.json", "--config", "generator.yaml"),
                *("--meta", "none", "--output-path", package),
            ],
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Generated(folder, package, done.returncode, done.stdout)

    return generate


@pytest.fixture
def address(place: Path | URL, clock: Clock) -> Iterator[str]:
    """The address of the service on a database."""
    clock.now = datetime.datetime.now(datetime.UTC)
    with served(sql_app(place, clock)) as url:
        yield url


@pytest.fixture
def generated(address: str, generate: Callable[[bytes], Generated]) -> Generated:
    """A client made from what the service tells of itself."""
    return generate(httpx.get(f"{address}/openapi.json", timeout=60).content)


class Made:
    """The generated client: its models by name, and its operations, asked of the service."""

    def __init__(self, package: str, url: str, token: str | None) -> None:
        self._package = package
        self._url = url
        folder = Path(importlib.import_module(package).__path__[0])
        self._modules = {
            path.stem: f"{package}.api.{path.parent.name}.{path.stem}"
            for path in folder.glob("api/*/*.py")
        }
        self._models = importlib.import_module(f"{package}.models")
        self._types = importlib.import_module(f"{package}.types")
        made = importlib.import_module(f"{package}.client")
        # An answer that the document does not tell of is an error.
        patient = httpx.Timeout(60)
        strict = {"base_url": url, "raise_on_unexpected_status": True, "timeout": patient}
        # Loading the certificates to trust takes as long as many requests.
        strict["verify_ssl"] = False
        self._client = (
            made.Client(**strict)
            if token is None
            else made.AuthenticatedClient(token=token, **strict)
        )

    def as_(self, whom: Person | str | None) -> "Made":
        """Return the client of a person, of whoever bears a token, or of a stranger."""
        token = whom.token if isinstance(whom, Person) else whom
        return Made(self._package, self._url, token)

    def call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Return the answer to an operation, with its status and headers."""
        module = importlib.import_module(self._modules[operation])
        return module.sync_detailed(*arguments, client=self._client, **options)

    def file(self, content: bytes) -> Any:
        """Return bytes as the client takes them."""
        return self._types.File(payload=io.BytesIO(content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._models, name)


@pytest.fixture
def made(generated: Generated, address: str, monkeypatch: pytest.MonkeyPatch) -> Made:
    """The generated client, imported."""
    assert generated.exit_code == 0, generated.output
    monkeypatch.syspath_prepend(str(generated.folder))
    return Made(generated.package, address, ADMIN.token)


def add(made: Made, **members: Any) -> Any:
    answer = made.call("create_task", body=made.NewTask(**members))
    assert answer.status_code == 201
    assert isinstance(answer.parsed, made.TaskView)
    return answer.parsed


def test_the_generator_understands_the_whole_document(generated: Generated) -> None:
    assert generated.exit_code == 0, generated.output
    assert "warning" not in generated.output.lower()
    made = {path.stem for path in (generated.folder / generated.package / "api").rglob("*.py")}
    assert made - {"__init__"} == {
        *("create_task", "list_tasks", "count_tasks", "read_task", "edit_task", "delete_task"),
        *("complete_task", "reopen_task", "create_user", "list_users", "read_me", "read_user"),
        *("edit_user", "delete_user", "change_password", "put_image", "delete_image"),
        *("create_post", "list_posts", "read_post", "edit_post", "delete_post", "publish_post"),
        *("unpublish_post", "list_posts_of_user"),
        *("sign_in", "sign_out", "list_tokens", "create_token", "read_token", "delete_token"),
        *("create_category", "list_categories", "read_category", "edit_category"),
        *("delete_category", "create_product", "list_products", "read_product", "edit_product"),
        *("delete_product", "archive_product", "restore_product", "create_movement"),
        *("list_movements", "set_up", "live", "ready"),
        *("create_device", "list_devices", "read_device", "edit_device", "delete_device"),
        *("create_device_key", "send_heartbeat"),
    }


def test_a_task_that_is_created_can_be_read(made: Made) -> None:
    due = datetime.date(2030, 5, 17)
    written = made.call(
        "create_task",
        body=made.NewTask(title=" Oil the lathe ", description=None, priority=3, due_on=due),
    )
    assert written.status_code == 201
    task = written.parsed
    assert isinstance(task, made.TaskView)
    assert isinstance(task.id, UUID)
    assert isinstance(task.created_at, datetime.datetime)
    assert (task.title, task.description, task.priority, task.due_on) == (
        *("Oil the lathe", None, 3, due),
    )
    assert written.headers["Location"] == f"/api/v1/tasks/{task.id}"
    read = made.call("read_task", task.id)
    assert read.status_code == 200
    assert read.parsed == task
    unchanged = made.call("read_task", task.id, if_none_match=read.headers["ETag"])
    assert unchanged.status_code == 304


def test_a_list_is_read_with_skip_and_limit_and_by_its_cursor(made: Made) -> None:
    for number in range(5):
        add(made, title=f"Task {number}")
    listed = made.call("list_tasks", skip=1, limit=2, count=True)
    assert listed.status_code == 200
    page = listed.parsed
    assert isinstance(page, made.TaskList)
    assert [task.title for task in page.items] == ["Task 1", "Task 2"]
    assert (page.total, page.total_exact) == (5, True)
    rest = made.call("list_tasks", cursor=page.next_).parsed
    assert [task.title for task in rest.items] == ["Task 3", "Task 4"]
    assert rest.next_ is None


def test_a_list_is_sorted_by_a_value_with_a_name(made: Made) -> None:
    for title in ("b", "c", "a"):
        add(made, title=title)
    listed = made.call("list_tasks", sort=made.ListTasksSort.TITLE_DESCENDING)
    assert [task.title for task in listed.parsed.items] == ["c", "b", "a"]


def test_an_edit_changes_one_member_and_keeps_the_others(made: Made) -> None:
    due = datetime.date(2030, 5, 17)
    task = add(made, title="Sharpen", description="The chisels.", priority=2, due_on=due)
    edited = made.call("edit_task", task.id, body=made.TaskPatch(priority=7))
    assert edited.status_code == 200
    now = edited.parsed
    assert (now.title, now.description, now.priority, now.due_on, now.version) == (
        *("Sharpen", "The chisels.", 7, due, 2),
    )


def test_an_edit_clears_a_member_with_none_and_keeps_the_others(made: Made) -> None:
    due = datetime.date(2030, 5, 17)
    task = add(made, title="Sharpen", description="The chisels.", due_on=due)
    edited = made.call("edit_task", task.id, body=made.TaskPatch(description=None))
    assert edited.status_code == 200
    assert (edited.parsed.title, edited.parsed.description) == ("Sharpen", None)
    assert edited.parsed.due_on == due


def test_an_edit_with_an_old_tag_is_refused(made: Made) -> None:
    task = add(made, title="Sharpen")
    tag = made.call("read_task", task.id).headers["ETag"]
    patch = made.TaskPatch(priority=1)
    assert made.call("edit_task", task.id, body=patch, if_match=tag).status_code == 200
    refused = made.call("edit_task", task.id, body=patch, if_match=tag)
    assert refused.status_code == 412
    assert refused.parsed.code == made.ProblemCode.PRECONDITION_FAILED


def test_a_task_is_completed_reopened_and_counted(made: Made) -> None:
    task = add(made, title="Sweep")
    add(made, title="Mop", due_on=datetime.date(2001, 1, 1))
    done = made.call("complete_task", task.id)
    assert done.status_code == 200
    assert done.parsed.completed
    assert isinstance(done.parsed.completed_at, datetime.datetime)
    counted = made.call("count_tasks").parsed
    assert isinstance(counted, made.TaskCounts)
    assert counted.to_dict() == {"total": 2, "completed": 1, "pending": 1, "overdue": 1}
    again = made.call("reopen_task", task.id)
    assert again.status_code == 200
    assert (again.parsed.completed, again.parsed.completed_at) == (False, None)
    assert made.call("count_tasks", completed=True).parsed.total == 0


def test_a_task_that_is_deleted_is_gone(made: Made) -> None:
    task = add(made, title="Sweep")
    assert made.call("delete_task", task.id).status_code == 204
    gone = made.call("read_task", task.id)
    assert gone.status_code == 404
    assert isinstance(gone.parsed, made.Problem)
    assert gone.parsed.code == made.ProblemCode.NOT_FOUND


@pytest.mark.parametrize("operation", ["read_task", "delete_task", "complete_task", "reopen_task"])
def test_an_unknown_id_is_a_problem(made: Made, operation: str) -> None:
    answer = made.call(operation, uuid4())
    assert answer.status_code == 404
    assert isinstance(answer.parsed, made.Problem)
    assert (answer.parsed.status, answer.parsed.code) == (404, made.ProblemCode.NOT_FOUND)
    assert answer.parsed.instance == answer.headers["X-Request-ID"]


def test_a_title_that_is_too_long_is_a_problem_that_points_at_it(made: Made) -> None:
    add(made, title="x" * 100)
    answer = made.call("create_task", body=made.NewTask(title="x" * 101))
    assert answer.status_code == 422
    problem = answer.parsed
    assert isinstance(problem, made.Problem)
    assert (problem.status, problem.code) == (422, made.ProblemCode.INVALID)
    assert [error.pointer for error in problem.errors] == ["#/title"]


def test_what_is_in_stock_is_received_sold_counted_and_archived(made: Made) -> None:
    category = made.call("create_category", body=made.NewCategory(name="Abrasives")).parsed
    new = made.NewProduct(name="Sandpaper", price="0.55", stock=10, category_id=category.id)
    written = made.call("create_product", body=new)
    assert written.status_code == 201
    product = written.parsed
    assert isinstance(product, made.ProductView)
    assert (product.price, product.stock, product.category.name) == ("0.55", 10, "Abrasives")

    sale = made.NewMovement(quantity=-4, reason=made.NewMovementReason.SOLD)
    sold = made.call("create_movement", product.id, body=sale)
    assert sold.status_code == 201
    assert isinstance(sold.parsed, made.MovementView)
    assert (sold.parsed.stock_after, sold.parsed.reason) == (6, made.MovementReason.SOLD)
    refused = made.call(
        "create_movement",
        product.id,
        body=made.NewMovement(quantity=-7, reason=made.NewMovementReason.SOLD),
    )
    assert (refused.status_code, refused.parsed.available) == (409, 6)
    assert refused.parsed.code == made.ProblemCode.INSUFFICIENT_STOCK

    counted = made.call("edit_product", product.id, body=made.ProductPatch(price=0.6, stock=5))
    assert (counted.parsed.price, counted.parsed.stock) == ("0.60", 5)
    moved = made.call("list_movements", product.id).parsed.items
    assert [movement.quantity for movement in moved] == [10, -4, -1]
    dear = made.call("list_products", min_price="0.60", sort=made.ListProductsSort.PRICE_DESCENDING)
    assert [one.id for one in dear.parsed.items] == [product.id]
    assert made.call("archive_product", product.id).parsed.archived
    assert made.call("list_products").parsed.items == []
    assert made.call("restore_product", product.id).parsed.archived is False
    assert made.call("delete_product", product.id).status_code == 409


def sign_in(made: Made, username: str, password: str) -> Any:
    body = made.SignIn(username=username, password=password)
    return made.as_(None).call("sign_in", body=body)


def test_whoever_signs_in_with_a_password_does_the_work_with_the_token_they_get(made: Made) -> None:
    signed_in = sign_in(made, MEMBER.username, PASSWORD)
    assert signed_in.status_code == 200
    assert isinstance(signed_in.parsed, made.SignedIn)
    bob = made.as_(signed_in.parsed.access_token)

    task = add(bob, title="Sharpen", assignee_id=OTHER.id)
    assert isinstance(task.created_by, made.PublicUser)
    assert (task.created_by.username, task.assignee.username) == (MEMBER.username, OTHER.username)
    patch = made.TaskPatch(assignee_id=MEMBER.id, priority=2)
    edited = bob.call("edit_task", task.id, body=patch).parsed
    assert (edited.assignee_id, edited.priority) == (MEMBER.id, 2)
    assert bob.call("complete_task", task.id).parsed.completed
    assert bob.call("count_tasks", assignee_id=MEMBER.id).parsed.completed == 1
    assert [other.id for other in bob.call("list_tasks").parsed.items] == [task.id]
    assert bob.call("delete_task", task.id).status_code == 204

    assert bob.call("sign_out").status_code == 204
    assert bob.call("list_tasks").status_code == 401


def test_a_stranger_is_told_to_sign_in(made: Made) -> None:
    for operation in ("list_tasks", "list_users", "read_me", "list_tokens"):
        answer = made.as_(None).call(operation)
        assert answer.status_code == 401
        assert isinstance(answer.parsed, made.Problem)
        assert answer.parsed.code == made.ProblemCode.UNAUTHENTICATED
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_wrong_password_is_a_problem(made: Made) -> None:
    answer = sign_in(made, MEMBER.username, f"{PASSWORD}!")
    assert answer.status_code == 401
    assert isinstance(answer.parsed, made.Problem)
    assert (answer.parsed.status, answer.parsed.code) == (401, made.ProblemCode.UNAUTHENTICATED)


def test_an_admin_takes_somebody_in_who_then_signs_in(made: Made) -> None:
    new = made.NewUser(
        username="Dora", email="Dora@example.org", name="Dora", age=41, password="a good long one"
    )
    written = made.call("create_user", body=new)
    assert written.status_code == 201
    dora = written.parsed
    assert isinstance(dora, made.UserView)
    assert (dora.username, dora.email, dora.age, dora.city, dora.role, dora.image_file) == (
        *("Dora", "dora@example.org", 41, "Unknown", made.UserRole.MEMBER, None),
    )
    assert written.headers["Location"] == f"/api/v1/users/{dora.id}"
    token = sign_in(made, "dora@example.org", "a good long one").parsed.access_token
    assert made.as_(token).call("read_me").parsed == dora

    again = made.call("create_user", body=new)
    assert again.status_code == 409
    assert again.parsed.code == made.ProblemCode.ALREADY_TAKEN
    assert {error.pointer for error in again.parsed.errors} <= {"#/username", "#/email"}
    refused = made.as_(MEMBER).call("create_user", body=new)
    assert (refused.status_code, refused.parsed.code) == (403, made.ProblemCode.FORBIDDEN)


def test_everybody_reads_users_in_the_view_that_is_theirs(made: Made) -> None:
    def look(onlooker: Person | None) -> Any:
        answer = made.as_(onlooker).call("read_user", OTHER.id)
        assert answer.status_code == 200
        # Nothing came that the model does not have.
        assert answer.parsed.additional_properties == {}
        assert (answer.parsed.id, answer.parsed.username) == (OTHER.id, OTHER.username)
        return answer.parsed

    for onlooker in (ADMIN, OTHER):
        assert isinstance(look(onlooker), made.UserView)
        assert look(onlooker).email == OTHER.email
    assert isinstance(look(MEMBER), made.MemberUser)
    assert isinstance(look(None), made.PublicUser)


def test_a_list_of_users_is_in_the_view_that_is_the_readers(made: Made) -> None:
    by_username = {"sort": made.ListUsersSort.USERNAME, "count": True}
    for onlooker, view in ((ADMIN, made.UserView), (MEMBER, made.MemberUser)):
        page = made.as_(onlooker).call("list_users", **by_username).parsed
        assert [type(user) for user in page.items] == [view] * 3
        assert [user.username for user in page.items] == ["ada", "bob", "cleo"]
        assert all(user.additional_properties == {} for user in page.items)
        assert (page.next_, page.total) == (None, 3)
    found = made.as_(MEMBER).call("list_users", q="CLEO", is_active=True).parsed
    assert [user.id for user in found.items] == [OTHER.id]


def test_a_profile_is_edited_member_by_member(made: Made) -> None:
    bob = made.as_(MEMBER)
    patch = made.UserPatch(name="Robert", age=50, city="Łódź")
    edited = bob.call("edit_user", MEMBER.id, body=patch)
    assert edited.status_code == 200
    assert (edited.parsed.name, edited.parsed.age, edited.parsed.city) == ("Robert", 50, "Łódź")
    assert edited.parsed.email == MEMBER.email
    tag = edited.headers["ETag"]
    cleared = bob.call("edit_user", MEMBER.id, body=made.UserPatch(age=None), if_match=tag)
    assert (cleared.parsed.name, cleared.parsed.age) == ("Robert", None)
    stale = bob.call("edit_user", MEMBER.id, body=made.UserPatch(age=51), if_match=tag)
    assert stale.status_code == 412
    promoted = bob.call("edit_user", MEMBER.id, body=made.UserPatch(role=made.UserRole.ADMIN))
    assert promoted.status_code == 403


def test_the_last_admin_stays(made: Made) -> None:
    for answer in (
        made.call("edit_user", ADMIN.id, body=made.UserPatch(is_active=False)),
        made.call("delete_user", ADMIN.id),
    ):
        assert answer.status_code == 409
        assert answer.parsed.code == made.ProblemCode.LAST_ADMIN


def test_a_new_password_is_what_one_signs_in_with(made: Made) -> None:
    bob = made.as_(MEMBER)
    change = {"current": PASSWORD, "new": "another good long one"}
    assert bob.call("change_password", body=made.PasswordChange(**change)).status_code == 204
    assert bob.call("read_me").status_code == 401
    assert sign_in(made, MEMBER.username, PASSWORD).status_code == 401
    assert sign_in(made, MEMBER.username, "another good long one").status_code == 200


def picture() -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (3, 2), (200, 30, 30)).save(kept, "PNG")
    return kept.getvalue()


def test_a_picture_is_uploaded_as_it_is_and_looked_at(made: Made, address: str) -> None:
    bob = made.as_(MEMBER)
    before = bob.call("read_me").parsed
    assert (before.image_file, before.image_url) == (None, "/media/default.png")

    shown = bob.call("put_image", MEMBER.id, body=made.file(picture()))

    assert shown.status_code == 200
    assert isinstance(shown.parsed, made.UserView)
    assert shown.parsed.image_url == f"/media/{shown.parsed.image_file}"
    looked = httpx.get(f"{address}{shown.parsed.image_url}", timeout=60)
    assert looked.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(looked.content)).size == (3, 2)
    assert bob.call("delete_image", MEMBER.id).status_code == 204
    assert bob.call("read_me").parsed.image_url == "/media/default.png"


def test_what_is_no_picture_is_a_problem(made: Made) -> None:
    answer = made.call("put_image", MEMBER.id, body=made.file(b"<svg/>"))
    assert answer.status_code == 422
    assert isinstance(answer.parsed, made.Problem)
    assert answer.parsed.code == made.ProblemCode.INVALID


def test_a_personal_token_reads_until_it_is_deleted(made: Made) -> None:
    bob = made.as_(MEMBER)
    # What a database keeps of a time ends with the microsecond.
    until = datetime.datetime(2099, 1, 31, 12, 0, 0, 123456, datetime.UTC)
    new = made.NewToken(name="the wall", scope=made.TokenScope.READ, expires_at=until)
    issued = bob.call("create_token", body=new)
    assert issued.status_code == 201
    token = issued.parsed
    assert isinstance(token, made.IssuedToken)
    assert (token.scope, token.expires_at) == (made.TokenScope.READ, until)

    wall = made.as_(token.token)
    assert wall.call("read_me").parsed.username == MEMBER.username
    refused = wall.call("create_task", body=made.NewTask(title="Sweep"))
    assert refused.status_code == 403
    assert refused.parsed.code == made.ProblemCode.FORBIDDEN

    listed = bob.call("list_tokens", sort=made.ListTokensSort.CREATED_AT_DESCENDING).parsed
    assert isinstance(listed.items[0], made.TokenView)
    assert listed.items[0].id == token.id
    assert not hasattr(listed.items[0], "token")
    assert bob.call("read_token", token.id).parsed.name == "the wall"
    assert made.as_(OTHER).call("read_token", token.id).status_code == 404

    assert bob.call("delete_token", token.id).status_code == 204
    assert wall.call("read_me").status_code == 401
    assert bob.call("read_token", token.id).status_code == 404


def test_a_device_is_put_on_the_list_and_heard_of_by_its_key(made: Made) -> None:
    new = made.NewDevice(name="Lathe", serial="SN-1", heartbeat_every=30)
    device = made.call("create_device", body=new).parsed
    assert isinstance(device, made.DeviceView)
    assert (device.presence, device.last_seen_at) == (made.DevicePresence.NEVER, None)
    keyed = made.call("create_device_key", device.id)
    assert keyed.status_code == 201
    assert isinstance(keyed.parsed, made.KeyedDevice)

    lathe = made.as_(keyed.parsed.key)
    told = made.Heartbeat.from_dict({"agent_version": "1", "metrics": {"t": 21.5}})
    for body in (told, made.Heartbeat()):
        assert lathe.call("send_heartbeat", device.id, body=body).status_code == 204
    assert lathe.call("read_device", device.id).status_code == 401
    refused = made.call("send_heartbeat", device.id, body=told)
    assert (refused.status_code, refused.parsed.code) == (401, made.ProblemCode.UNAUTHENTICATED)

    listed = made.call(
        "list_devices",
        presence=made.DevicePresence.ONLINE,
        sort=made.ListDevicesSort.LAST_SEEN_AT_DESCENDING,
    )
    (seen,) = listed.parsed.items
    assert (seen.id, seen.version, seen.agent_version) == (device.id, 2, "1")
    assert seen.metrics.to_dict() == {"t": 21.5}
    retired = made.DevicePatch(status=made.DeviceStatus.RETIRED)
    assert made.call("edit_device", device.id, body=retired).parsed.version == 3
    gone = lathe.call("send_heartbeat", device.id, body=told)
    assert (gone.status_code, gone.parsed.code) == (410, made.ProblemCode.GONE)
    assert made.call("delete_device", device.id).status_code == 204
    assert made.call("read_device", device.id).status_code == 404


def test_a_workshop_that_is_set_up_is_not_set_up_again(made: Made) -> None:
    first = made.FirstAdmin(
        username="eve", email="eve@example.org", name="Eve", password="a good long one"
    )
    answer = made.as_(None).call("set_up", body=first, secret="atl_made-up")
    assert answer.status_code == 404
    assert answer.parsed.code == made.ProblemCode.NOT_FOUND
