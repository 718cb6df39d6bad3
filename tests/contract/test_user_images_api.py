"""The API of profile images."""

import io
from typing import Any

import pytest
from PIL import Image

from support.api import USERS, error_locations, image, problem, put_image, user_path
from support.clients import Client
from support.people import MEMBER, OTHER

NOBODY = f"{USERS}/01900000-0000-7000-8000-00000000ffff"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_shown_at_an_address_of_its_own_for_good(client: Client, format: str) -> None:
    own, path = client.as_(MEMBER), user_path(MEMBER)
    sent = image(format)
    # What it is shows in the content, whatever the header says.
    answer = put_image(own, path, sent, "image/webp")

    assert answer.status_code == 200, answer.text
    user = answer.json()
    assert (user["version"], user["image_url"]) == (2, f"/media/{user['image_file']}")
    assert answer.headers["etag"] == own.get(path).headers["etag"]
    shown = client.as_(None).get(user["image_url"])
    assert shown.headers["content-type"] == f"image/{format.lower()}"
    assert "immutable" in shown.headers["cache-control"]
    assert "max-age=31536000" in shown.headers["cache-control"]
    assert shown.headers["cross-origin-resource-policy"] == "cross-origin"
    assert b"canary-in-the-picture" in sent
    assert b"canary-in-the-picture" not in shown.content
    seen = Image.open(io.BytesIO(shown.content))
    assert (seen.format, seen.size) == (format, (40, 30))
    assert client.as_(None).get(path).json()["image_url"] == user["image_url"]


def test_another_picture_has_another_address_and_the_old_one_is_gone(client: Client) -> None:
    own, path = client.as_(MEMBER), user_path(MEMBER)
    first = put_image(own, path, image()).json()["image_url"]
    second = put_image(own, path, image()).json()["image_url"]

    assert first != second
    assert client.get(first).status_code == 404
    assert client.get(second).status_code == 200
    assert own.delete(f"{path}/image").status_code == 204
    assert client.get(second).status_code == 404
    user = own.get(path).json()
    assert (user["image_file"], user["image_url"]) == (None, "/media/default.png")
    assert own.delete(f"{path}/image").status_code == 204
    assert own.get(path).json() == user


def test_everybody_has_the_default_picture_to_begin_with(client: Client) -> None:
    shown = client.as_(None).get(client.as_(None).get(user_path(MEMBER)).json()["image_url"])
    assert shown.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(shown.content)).size == (256, 256)


def test_a_picture_is_changed_by_its_owner_or_an_admin(client: Client) -> None:
    path = user_path(MEMBER)
    for content in (image(), b"no picture"):
        problem(put_image(client.as_(OTHER), path, content), 403, "forbidden")
        problem(put_image(client.as_(OTHER), NOBODY, content), 403, "forbidden")
        problem(put_image(client.as_(None), path, content), 401, "unauthenticated")
        problem(put_image(client, NOBODY, content), 404, "not-found")
    problem(client.as_(OTHER).delete(f"{path}/image"), 403, "forbidden")
    assert put_image(client, path, image()).status_code == 200


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize("content", [b"", b"x", SVG, image()[:300], image(size=(4097, 1))])
def test_what_is_no_picture_is_refused_and_leaves_the_old_one(
    client: Client, content: bytes
) -> None:
    own, path = client.as_(MEMBER), user_path(MEMBER)
    before = put_image(own, path, image()).json()
    assert error_locations(put_image(own, path, content)) == {"#"}
    assert own.get(path).json() == before
    assert client.get(before["image_url"]).status_code == 200


def test_a_picture_may_be_two_mebibytes_and_no_more(client: Client) -> None:
    own, path = client.as_(MEMBER), user_path(MEMBER)
    # A valid picture may be padded behind its end.
    content = image().ljust(2 * 1024 * 1024, b"\0")
    assert put_image(own, path, content).status_code == 200
    problem(put_image(own, path, content + b"\0"), 413, "too-large")

    def chunks() -> Any:
        for _ in range(64):
            yield bytes(65_536)

    answer = own.put(f"{path}/image", content=chunks(), headers={"Content-Type": "image/png"})
    problem(answer, 413, "too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "image/svg+xml"}, {"Content-Type": "image/gif"},
        {"Content-Type": "application/json"}, {"Content-Type": "multipart/form-data"},
        {"Content-Type": "image/png", "Content-Encoding": "gzip"}, {},
    ],
)  # fmt: skip
def test_a_picture_that_calls_itself_something_else_is_unsupported(
    client: Client, headers: dict[str, str]
) -> None:
    answer = client.put(f"{user_path(MEMBER)}/image", content=image(), headers=headers)
    problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("name", ["x.png", "..%2f..%2fetc%2fpasswd", f"{'0' * 32}.png", "a/b"])
def test_a_picture_that_there_is_not_is_not_found(client: Client, name: str) -> None:
    problem(client.as_(None).get(f"/media/{name}"), 404, "not-found")
