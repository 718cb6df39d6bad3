"""Uploaded images: what is stored of each file, and which are refused."""

import asyncio
import io
import json
import re
import subprocess
import sys

import pytest
from PIL import Image as PilImage

from adapters.images import FolderImageStore
from adapters.memory.images import MemoryImageStore
from domain.errors import InvalidValue
from service_layer.ports import Image
from support.image_files import (
    CANARY,
    DAMAGED,
    OTHER_THINGS,
    PICTURES,
    PNG,
    SAMPLE,
    TOO_LARGE,
    UPLOADS,
    Uploads,
    upload,
)
from support.service import ROOT

Outcomes = dict[str, Image | str]
"""What became of each upload: what is found under its name, or what the person was told."""
KEEP_ALL = """
import asyncio, json, sys
from pathlib import Path
from adapters.images import FolderImageStore, InvalidValue

def memory():
    # Elsewhere than on Linux, the test of it is skipped.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return max([int(line.split()[1]) for line in lines if line.startswith("VmHWM:")], default=0)

async def keep(upload):
    async with some:
        try:
            return "kept", await pictures.save(upload.read_bytes())
        except InvalidValue as error:
            return "refused", str(error)

async def keep_all():
    return await asyncio.gather(*(keep(Path(upload)) for upload in sys.argv[2:]))

pictures = FolderImageStore(Path(sys.argv[1]))
some = asyncio.Semaphore(20)
before = memory()
outcomes = asyncio.run(keep_all())
print(json.dumps([outcomes, memory() - before, "PIL" in sys.modules]))
"""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcomes, int, bool]:
    """Another process keeps every upload in a folder; it also tells of its memory."""
    uploads, folder = tmp_path_factory.mktemp("uploads"), tmp_path_factory.mktemp("kept")
    paths = [uploads / str(number) for number in range(len(UPLOADS))]
    for path, name in zip(paths, UPLOADS, strict=True):
        path.write_bytes(upload(name))
    told = subprocess.run(
        [sys.executable, "-c", KEEP_ALL, str(folder), *map(str, paths)],
        env={"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        check=True,
    )
    results, growth, pillow = json.loads(told.stdout)

    async def find(what: str, told: str) -> Image | str:
        return await FolderImageStore(folder).find(told) or "?" if what == "kept" else told

    found = [asyncio.run(find(*result)) for result in results]
    return dict(zip(UPLOADS, found, strict=True)), growth, pillow


@pytest.fixture(scope="module")
def in_folder(process: tuple[Outcomes, int, bool]) -> Outcomes:
    return process[0]


@pytest.fixture(scope="module")
def in_memory() -> Outcomes:
    pictures = MemoryImageStore()

    some = asyncio.Semaphore(20)

    async def keep(name: str) -> Image | str:
        async with some:
            try:
                return await pictures.find(await pictures.save(upload(name))) or "?"
            except InvalidValue as error:
                return str(error)

    async def keep_all() -> Outcomes:
        found = await asyncio.gather(*map(keep, SAMPLE))
        return dict(zip(SAMPLE, found, strict=True))

    return asyncio.run(keep_all())


def of_each(uploads: Uploads) -> pytest.MarkDecorator:
    """Run a test with the outcome of each upload in a folder, and of some in memory."""
    cases = [("in_folder", name) for name in uploads]
    cases += [("in_memory", name) for name in uploads if name in SAMPLE]
    return pytest.mark.parametrize(("outcomes", "name"), cases, indirect=["outcomes"])


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> Outcomes:
    made: Outcomes = request.getfixturevalue(request.param)
    return made


def parts(content: bytes) -> list[bytes]:
    """What a PNG, a WebP or a JPEG consists of, to its very last byte."""
    found = []
    if content.startswith(PNG):
        at = len(PNG)
        while at < len(content):
            found.append(content[at + 4 : at + 8])
            at += 12 + int.from_bytes(content[at : at + 4], "big")
    elif content.startswith(b"RIFF"):
        at = 12
        while at < len(content):
            found.append(content[at : at + 4])
            length = int.from_bytes(content[at + 4 : at + 8], "little")
            at += 8 + length + length % 2
    else:
        at = 2
        while content[at + 1] != 0xDA:
            found.append(content[at : at + 2])
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        # Nothing but compressed pixels may follow: no segment before the end, nothing after it.
        at += re.search(rb"\xff[^\x00\xd0-\xd7]", content[at + 2 :]).start() + 4  # type: ignore[union-attr]
        assert content[at - 2 : at] == b"\xff\xd9"
    assert at == len(content)
    return found


JFIF = ("jfif", "jfif_version", "jfif_unit", "jfif_density")
NEEDED = {
    "PNG": {b"IHDR", b"IDAT", b"IEND"},
    "WEBP": {b"VP8X", b"VP8 ", b"VP8L", b"ALPH"},
    # JFIF's own header, tables, and the frame.
    "JPEG": {b"\xff\xe0", b"\xff\xdb", b"\xff\xc0", b"\xff\xc4"},
}


def assert_nothing_but_pixels(content: bytes, format: str) -> None:
    image = PilImage.open(io.BytesIO(content))
    image.load()
    assert image.format == format
    assert max(image.size) <= 1024
    assert getattr(image, "n_frames", 1) == 1
    assert set(parts(content)) <= NEEDED[format]
    assert not image.getexif()
    assert set(image.info) <= {*JFIF, "loop", "background", "timestamp", "duration"}
    assert CANARY.encode() not in content
    assert b"<script" not in content


@of_each(PICTURES)
def test_of_a_picture_the_pixels_are_kept_and_nothing_else(outcomes: Outcomes, name: str) -> None:
    sent, picture = upload(name), outcomes[name]

    assert isinstance(picture, Image), picture
    assert picture.content != sent
    format = {b"\x89P": "PNG", b"\xff\xd8": "JPEG", b"RI": "WEBP"}[sent[:2]]
    assert picture.media_type == f"image/{format.lower()}"
    assert_nothing_but_pixels(picture.content, format)


@of_each(OTHER_THINGS)
def test_what_is_no_such_picture_is_refused(outcomes: Outcomes, name: str) -> None:
    assert outcomes[name] == "Send a PNG, JPEG or WebP picture."


@of_each(DAMAGED)
def test_a_damaged_picture_is_refused(outcomes: Outcomes, name: str) -> None:
    # How much of a picture must be whole to tell that it is one is Pillow's business.
    refusals = ("Send a picture that is not damaged.", "Send a PNG, JPEG or WebP picture.")
    assert outcomes[name] in refusals


@of_each(TOO_LARGE)
def test_a_picture_that_is_too_large_is_refused(outcomes: Outcomes, name: str) -> None:
    assert outcomes[name] == "Send a picture of at most 4096 pixels a side."


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_nothing_is_decoded_in_the_service_itself(process: tuple[Outcomes, int, bool]) -> None:
    _, growth, pillow = process
    assert growth < 50_000
    assert not pillow
