"""The OpenAPI document: what a reader, a linter and a client generator find in it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.clients import Client
from support.people import ADMIN

Json = dict[str, Any]


@pytest.fixture
def document(client: Client) -> Json:
    document: Json = client.get("/openapi.json").json()
    return document


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def body_schema(document: Json, operation: Json) -> str | None:
    """Return the name of the schema of a request body, if it is an object."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        options = [schema, *schema.get("anyOf", ())]
        names = [option["$ref"] for option in options if "$ref" in option]
        return names[0].rpartition("/")[2] if names else None
    return None


def every(part: Any) -> Iterator[Json]:
    """Yield each object in the document."""
    if isinstance(part, dict):
        yield part
        for child in part.values():
            yield from every(child)
    elif isinstance(part, list):
        for child in part:
            yield from every(child)


def test_every_operation_says_who_may_use_it_and_where_the_service_is(document: Json) -> None:
    assert document["servers"] == [{"url": "/"}]
    assert document["info"]["license"]["identifier"] == "MIT"
    public = {op["operationId"] for _, _, op in operations(document) if op["security"] == []}
    assert public == {"sign_in", "set_up", "live", "ready"}


def test_every_parameter_is_described(document: Json) -> None:
    for _, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (path, parameter["name"])


@pytest.mark.parametrize(
    ("header", "is_valid"),
    [
        ("*", True), ('"1-a"', True), ('W/"1-a" , "x,y"', True), (', "a",, "b" ,', True),
        ("1", False), ("", False), ('"a" "b"', False), ('"a', False), ('*, "a"', False),
    ],
)  # fmt: skip
def test_the_pattern_of_if_match_is_what_the_service_takes(
    client: Client, document: Json, header: str, is_valid: bool
) -> None:
    (parameter,) = (
        each
        for each in document["paths"]["/api/v1/tasks/{task_id}"]["patch"]["parameters"]
        if each["name"] == "If-Match"
    )
    assert bool(re.search(parameter["schema"]["pattern"], header)) == is_valid
    path = client.post("/api/v1/tasks", json={"title": "x"}).headers["location"]
    answer = client.patch(path, json={}, headers={"If-Match": header})
    assert (answer.status_code in (200, 412)) == is_valid


def test_bounds_of_integers_are_integers(document: Json) -> None:
    bounded = [
        schema
        for schema in every(document)
        if schema.get("type") == "integer" and {"minimum", "maximum"} & set(schema)
    ]
    assert len(bounded) > 10
    for schema in bounded:
        for bound in ("minimum", "maximum"):
            assert isinstance(schema.get(bound, 0), int), schema


def test_schemas_have_the_names_that_generated_clients_rely_on(document: Json) -> None:
    names = set(document["components"]["schemas"])
    assert {
        "TaskList", "UserList", "PostList", "ProductList", "MovementList", "CategoryList",
        "DeviceList", "TokenList", "DeviceStatus", "DevicePresence", "UserRole", "TokenScope",
        "MovementReason",
    } <= names  # fmt: skip
    assert not {name for name in names if re.search("_|Union|Listing", name)}
    referred = {node["$ref"] for node in every(document) if isinstance(node.get("$ref"), str)}
    assert referred == {f"#/components/schemas/{name}" for name in names}


def test_every_property_of_a_request_body_has_an_example(document: Json) -> None:
    schemas = document["components"]["schemas"]
    for _, path, operation in operations(document):
        name = body_schema(document, operation)
        if name is not None:
            assert schemas[name]["examples"], path
            for member, schema in schemas[name]["properties"].items():
                assert "examples" in schema, (name, member)


def test_the_examples_can_be_sent_as_they_stand(client: Client, document: Json) -> None:
    schemas = document["components"]["schemas"]
    ids: dict[str, str] = {"user_id": str(ADMIN.id)}
    created = {}
    for method, path, operation in sorted(operations(document), key=lambda each: each[1]):
        name = body_schema(document, operation)
        operation_id = operation["operationId"]
        if name is None or operation_id in ("sign_in", "set_up", "send_heartbeat"):
            continue
        if operation_id == "change_password":
            continue  # the current password is another one here, and the new one ends the session
        body = schemas[name]["examples"][0]
        address = re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], path)
        answer = client.request(method, address, json=body)
        assert answer.is_success, (operation_id, answer.text)
        if method == "post" and "{" not in path:
            ids[f"{operation_id.removeprefix('create_')}_id"] = answer.json()["id"]
            created[operation_id] = answer.json()
        shown = answer.json()
        for member in set(body) & set(shown):
            assert shown[member] == body[member], (operation_id, member)
    assert len(created) == 7

    key = client.post(f"/api/v1/devices/{ids['device_id']}/key").json()["key"]
    heartbeat = schemas["Heartbeat"]["examples"][0]
    address = f"/api/v1/devices/{ids['device_id']}/heartbeat"
    assert client.as_(key).post(address, json=heartbeat).status_code == 204


def test_the_example_of_a_user_can_sign_in(client: Client, document: Json) -> None:
    schemas = document["components"]["schemas"]
    admin = {**schemas["FirstAdmin"]["examples"][0], "username": "ada2", "email": "a@example.org"}
    del admin["secret"]
    assert client.post("/api/v1/users", json=admin).status_code == 201
    form = {**schemas["SignIn"]["examples"][0], "username": "ada2"}
    answer = client.as_(None).post("/api/v1/auth/token", data=form)
    assert answer.status_code == 200
    change = schemas["PasswordChange"]["examples"][0]
    own = client.as_(answer.json()["access_token"])
    assert own.put("/api/v1/users/me/password", json=change).status_code == 204
