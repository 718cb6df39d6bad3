"""Pictures, and what people may send in a picture's stead."""

import asyncio
import gzip
import io
import json
import os
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PilImage
from PIL import ImageCms, ImageOps, PngImagePlugin

from adapters.memory.pictures import MemoryImageStore
from adapters.pictures import LIMITS, WAITING, FolderImageStore, ImageCleaner
from adapters.worker_process import Limits
from domain.errors import InvalidValue
from service_layer.errors import StorageUnavailable
from service_layer.ports import Image, ImageStore
from support.service import ROOT

CANARY = "canary@atelier.example"
SCRIPT = f"<?php system('id'); ?><script>alert('{CANARY}')</script>".encode()

PNG = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"


@cache
def drawn(mode: str = "RGB", width: int = 96, height: int = 64) -> PilImage.Image:
    """A picture in which no place is like its mirror image."""
    across = PilImage.linear_gradient("L").rotate(90).resize((width, height))
    down = PilImage.linear_gradient("L").resize((width, height))
    spots = PilImage.radial_gradient("L").resize((width, height))
    if mode == "RGBA":
        return PilImage.merge("RGBA", (across, down, spots, spots))
    return PilImage.merge("RGB", (across, down, spots)).convert(mode)


def saved(image: PilImage.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2, interlaced: int = 0
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"".join((PNG, chunk(b"IHDR", header), *chunks, END))


def pixels(width: int, height: int, times: int = 3) -> bytes:
    return chunk(b"IDAT", zlib.compress((b"\0" + b"\x7f" * width * times) * height))


def with_chunk(added: bytes, *, at_the_end: bool = False) -> bytes:
    """A PNG with one more chunk, after the header or after the pixels."""
    whole = saved(drawn(), "PNG")
    at = len(whole) - len(END) if at_the_end else 33
    return whole[:at] + added + whole[at:]


def with_segment(marker: int, data: bytes) -> bytes:
    """A JPEG with one more segment."""
    whole = saved(drawn(), "JPEG")
    return whole[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + whole[2:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def canvas(width: int, height: int) -> bytes:
    """The header of a WebP that has more than one part."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return riff((b"VP8X", b"\x02\0\0\0" + size), (b"ANIM", bytes(6)), (b"VP8L", b"\x2f" + bytes(9)))


def part(format: str, percent: int) -> bytes:
    whole = saved(drawn(), format)
    return whole[: len(whole) * percent // 100]


def spoiled(whole: bytes, at: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]


def exif(orientation: int = 1) -> PilImage.Exif:
    made = PilImage.Exif()
    made[0x010E] = made[0x013B] = CANARY
    made[0x8825] = {1: "N", 2: (48.0, 8.0, 15.0), 3: "E", 4: (11.0, 34.0, 32.0), 0x1D: CANARY}
    made[0x0112] = orientation
    return made


def xmp() -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{CANARY}</x:xmpmeta>'.encode()


def icc() -> bytes:
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made + CANARY.encode()


def texts() -> PngImagePlugin.PngInfo:
    made = PngImagePlugin.PngInfo()
    made.add_text("Author", CANARY)
    made.add_text("Comment", CANARY, zip=True)
    made.add_itxt("Description", CANARY, zip=True)
    made.add(b"prVt", CANARY.encode(), after_idat=True)
    return made


def frames(number: int, side: int) -> dict[str, Any]:
    colours = [f"hsl({7 * n % 360}, 80%, 50%)" for n in range(1, number)]
    return {
        "save_all": True,
        "append_images": [PilImage.new("RGB", (side, side), colour) for colour in colours],
        "duration": 40,
    }


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archived:
        archived.writestr(CANARY, SCRIPT)
    return file.getvalue()


@cache
def bomb(length: int = 60_000_000) -> bytes:
    return zlib.compress(bytes(length))


def adam7(side: int) -> bytes:
    """The pixels of an interlaced picture, as Pillow does not write them."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
              (0, 1, 1, 2))  # fmt: skip
    rows = b""
    for left, top, across, down in passes:
        width, height = len(range(left, side, across)), len(range(top, side, down))
        rows += (b"\0" + b"\x7f" * width * 3) * height
    return chunk(b"IDAT", zlib.compress(rows))


def giant_jpeg(width: int, height: int) -> bytes:
    whole = saved(drawn(), "JPEG")
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + struct.pack(">HH", height, width) + whole[at + 4 :]


Uploads = dict[str, Callable[[], bytes]]

OTHER_THINGS: Uploads = {
    "nothing": lambda: b"",
    "noise": lambda: random.Random(1).randbytes(10_000),
    "a text": lambda: CANARY.encode(),
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
    "HTML": lambda: b"<!doctype html>" + SCRIPT,
    "a script that begins like a GIF": lambda: b"GIF89a" + SCRIPT,
    "GIF": lambda: saved(drawn("P"), "GIF"),
    "BMP": lambda: saved(drawn(), "BMP"),
    "TIFF": lambda: saved(drawn(), "TIFF"),
    "ICO": lambda: saved(drawn(), "ICO"),
    "TGA": lambda: saved(drawn(), "TGA"),
    "PPM": lambda: saved(drawn(), "PPM"),
    "PDF": lambda: saved(drawn(), "PDF"),
    "PostScript": lambda: saved(drawn(), "EPS"),
    "HEIC": lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500),
    "AVIF": lambda: b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf" + bytes(500),
    "ZIP": archive,
    "gzip": lambda: gzip.compress(saved(drawn(), "PNG")),
    "HTML before a PNG": lambda: SCRIPT + saved(drawn(), "PNG"),
}

TOO_LARGE: Uploads = {
    "a PNG 4097 wide": lambda: saved(drawn("L", 4097, 1), "PNG"),
    "a PNG 4097 high": lambda: saved(drawn("L", 1, 4097), "PNG"),
    "a JPEG 4097 wide": lambda: saved(drawn("L", 4097, 1), "JPEG"),
    "a WebP 4097 high": lambda: saved(drawn("RGB", 1, 4097), "WEBP"),
    "a PNG of 50000 a side": lambda: png(50_000, 50_000, pixels(9, 9)),
    "a PNG of 50000 a side, packed": lambda: png(50_000, 50_000, chunk(b"IDAT", bomb())),
    "a PNG of 5000 a side": lambda: png(5000, 5000, pixels(9, 9)),
    "a JPEG of 65500 a side": lambda: giant_jpeg(65_500, 65_500),
    "a JPEG of 5000 a side": lambda: giant_jpeg(5000, 5000),
    # Its canvas would not fit into a worker's memory.
    "a WebP of 12000 a side": lambda: canvas(12_000, 12_000),
    "a WebP of 2 ** 24 a side": lambda: canvas(1 << 24, 1 << 24),
}

DAMAGED: Uploads = {
    "a script that begins like a PNG": lambda: PNG + SCRIPT,
    "a script that begins like a JPEG": lambda: b"\xff\xd8\xff\xe0" + SCRIPT,
    "a script that begins like a WebP": lambda: b"RIFF\x40\0\0\0WEBPVP8 " + SCRIPT,
    "the beginning of a PNG": lambda: PNG,
    "the beginning of a JPEG": lambda: b"\xff\xd8\xff",
    "the beginning of a WebP": lambda: b"RIFF\0\0\0\0WEBP",
    "a PNG of no width": lambda: png(0, 9, pixels(0, 9)),
    "a PNG without pixels": lambda: png(9, 9),
    "a PNG of one pixel for many": lambda: png(4096, 4096, pixels(1, 1)),
    "a PNG without a header": lambda: PNG + pixels(9, 9) + END,
    "a PNG with a wrong header's checksum": lambda: spoiled(saved(drawn(), "PNG"), 31),
    "a PNG with a wrong checksum": lambda: spoiled(saved(drawn(), "PNG"), -len(END) - 2),
    "a PNG with wrong pixels": lambda: png(9, 9, chunk(b"IDAT", b"\x78\x9c" + SCRIPT)),
    "a PNG with an endless part": lambda: PNG + b"\xff\xff\xff\xffIDAT" + bytes(999),
    "a PNG with a text that is a bomb": lambda: with_chunk(chunk(b"zTXt", b"a\0\0" + bomb())),
    "a PNG with a bomb at the end": lambda: with_chunk(
        chunk(b"iTXt", b"a\0\1\0\0\0" + bomb()), at_the_end=True
    ),
    "a PNG with a profile that is a bomb": lambda: with_chunk(chunk(b"iCCP", b"a\0\0" + bomb())),
    "a JPEG without pixels": lambda: b"\xff\xd8\xff\xd9",
    "a JPEG without tables": lambda: saved(drawn(), "JPEG").replace(b"\xff\xdb", b"\xff\xea"),
    "a WebP with wrong pixels": lambda: riff((b"VP8 ", SCRIPT * 9)),
    "a WebP without pixels": lambda: canvas(9, 9),
    **{
        f"{percent} % of a {format}": partial(part, format, percent)
        for format in ("PNG", "JPEG", "WEBP")
        for percent in (3, 50, 98)
    },
}

PICTURES: Uploads = {
    "a PNG": lambda: saved(drawn(), "PNG", compress_level=1),
    "a JPEG": lambda: saved(drawn(), "JPEG"),
    "a WebP": lambda: saved(drawn(), "WEBP"),
    "a PNG of one pixel": lambda: saved(drawn("RGB", 1, 1), "PNG", compress_level=1),
    "a large PNG": lambda: saved(drawn("RGBA", 4096, 4096), "PNG", compress_level=1),
    "a large JPEG": lambda: saved(drawn("RGB", 4096, 4096), "JPEG", progressive=True),
    "a large WebP": lambda: saved(drawn("RGBA", 4096, 4096), "WEBP", method=0),
    "a PNG of pixels that are a bomb": lambda: png(9, 9, pixels(9, 2_000_000)),
    "a PNG without its last row": lambda: png(9, 9, pixels(9, 8)),
    "a PNG 4096 wide": lambda: saved(drawn("L", 4096, 1), "PNG"),
    "a JPEG and a ZIP": lambda: saved(drawn(), "JPEG") + archive(),
    "a PNG and HTML": lambda: saved(drawn(), "PNG") + SCRIPT,
    "a WebP and a script": lambda: saved(drawn(), "WEBP") + SCRIPT,
    "a JPEG with EXIF": lambda: saved(drawn(), "JPEG", exif=exif()),
    "a PNG with EXIF": lambda: saved(drawn(), "PNG", exif=exif()),
    "a WebP with EXIF": lambda: saved(drawn(), "WEBP", exif=exif()),
    "a JPEG with EXIF that is none": lambda: saved(drawn(), "JPEG", exif=b"Exif\0\0" + SCRIPT),
    "a WebP with EXIF that is none": lambda: saved(drawn(), "WEBP", exif=SCRIPT),
    "a JPEG with XMP": lambda: saved(drawn(), "JPEG", xmp=xmp()),
    "a WebP with XMP": lambda: saved(drawn(), "WEBP", xmp=xmp()),
    "a PNG with XMP": lambda: with_chunk(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp())
    ),
    "a JPEG with a profile": lambda: saved(drawn(), "JPEG", icc_profile=icc()),
    "a PNG with a profile": lambda: saved(drawn(), "PNG", icc_profile=icc()),
    "a WebP with a profile": lambda: saved(drawn(), "WEBP", icc_profile=icc()),
    "a PNG with texts": lambda: saved(drawn(), "PNG", pnginfo=texts(), dpi=(300, 300)),
    "a PNG with a text at the end": lambda: with_chunk(
        chunk(b"tEXt", b"Author\0" + CANARY.encode()), at_the_end=True
    ),
    "a JPEG with a comment": lambda: saved(drawn(), "JPEG", comment=CANARY, dpi=(300, 300)),
    "a JPEG with a script": lambda: with_segment(0xE5, SCRIPT),
    "a JPEG with what Photoshop adds": lambda: with_segment(
        0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(SCRIPT)) + SCRIPT
    ),
    "an animated PNG": lambda: saved(drawn("RGB", 1200, 1200), "PNG", **frames(12, 1200)),
    "an animated WebP": lambda: saved(drawn("RGB", 1200, 1200), "WEBP", **frames(12, 1200)),
    "a PNG with a picture for those that do not animate": lambda: saved(
        drawn("RGB", 64, 64), "PNG", default_image=True, **frames(5, 64)
    ),
    "an MPO": lambda: saved(drawn("RGB", 64, 64), "MPO", exif=exif(), **frames(3, 64)),
    "a JPEG in CMYK": lambda: saved(drawn("CMYK"), "JPEG"),
    "a grey JPEG": lambda: saved(drawn("L"), "JPEG"),
    "a progressive JPEG": lambda: saved(drawn(), "JPEG", progressive=True),
    "a PNG of 16 bits": lambda: saved(drawn("L").convert("I;16"), "PNG"),
    "a colourful PNG of 16 bits": lambda: png(9, 9, pixels(9, 9, 6), depth=16),
    "a PNG of 16 bits, one value transparent": lambda: png(
        9, 9, chunk(b"tRNS", b"\x7f\x7f"), pixels(9, 9, 2), depth=16, colour=0
    ),
    "a PNG with a palette": lambda: saved(drawn("P"), "PNG", transparency=3),
    "a PNG with a palette, partly transparent": lambda: saved(
        drawn("P"), "PNG", transparency=bytes(range(256))
    ),
    "a PNG, one colour transparent": lambda: saved(drawn(), "PNG", transparency=(1, 2, 3)),
    "a PNG of 1 bit": lambda: saved(drawn("1"), "PNG"),
    "a grey PNG, partly transparent": lambda: saved(drawn("LA"), "PNG"),
    "an interlaced PNG": lambda: png(99, 99, adam7(99), interlaced=1),
    "a WebP without losses": lambda: saved(drawn("RGBA"), "WEBP", lossless=True),
}  # fmt: skip


UPLOADS = {**OTHER_THINGS, **TOO_LARGE, **DAMAGED, **PICTURES}
SAMPLE = [*list(OTHER_THINGS)[:3], *list(TOO_LARGE)[:1], *list(DAMAGED)[:3], *list(PICTURES)[:6]]
"""What is kept in memory as well, where the same worker process cleans it."""


@cache
def upload(name: str) -> bytes:
    return UPLOADS[name]()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "some" / "pictures"


@pytest.fixture(params=["memory", "folder"])
def pictures(request: pytest.FixtureRequest, folder: Path) -> ImageStore:
    return MemoryImageStore() if request.param == "memory" else FolderImageStore(folder)


def kept(pictures: ImageStore, *uploads: bytes) -> list[bytes]:
    """Keep some uploads, and return what somebody gets who asks for them."""

    async def keep(content: bytes) -> bytes:
        found = await pictures.find(await pictures.save(content))
        assert found
        return found.content

    async def keep_all() -> list[bytes]:
        return await asyncio.gather(*map(keep, uploads))

    return asyncio.run(keep_all())


def shown(pictures: ImageStore, *uploads: bytes) -> list[PilImage.Image]:
    return [PilImage.open(io.BytesIO(content)) for content in kept(pictures, *uploads)]


Outcomes = dict[str, Image | str]
"""What became of each upload: what is found under its name, or what the person was told."""

KEEP_ALL = """
import asyncio, json, sys
from pathlib import Path
from adapters.pictures import FolderImageStore, InvalidValue

def memory():
    lines = Path("/proc/self/status").read_text().splitlines()
    return max([int(line.split()[1]) for line in lines if line.startswith("VmHWM:")])

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


def test_a_picture_stands_upright_in_every_format(pictures: ImageStore) -> None:
    formats = ("PNG", "JPEG", "WEBP", "MPO")
    sent = [saved(drawn(), format, exif=exif(6)) for format in formats]
    assert [image.size for image in shown(pictures, *sent)] == [(64, 96)] * 4


def test_a_picture_is_turned_as_its_exif_says(pictures: ImageStore) -> None:
    sent = [saved(drawn(), "PNG", exif=exif(number)) for number in range(10)]
    upright = [ImageOps.exif_transpose(PilImage.open(io.BytesIO(content))) for content in sent]
    for number, image in enumerate(shown(pictures, *sent)):
        assert image.tobytes() == upright[number].tobytes(), number


def test_a_picture_is_made_smaller_in_proportion_and_never_larger(pictures: ImageStore) -> None:
    sides = {(2500, 1250): (1024, 512), (10, 2000): (5, 1024), (4096, 1): (1024, 1),
             (1024, 30): (1024, 30), (30, 20): (30, 20)}  # fmt: skip
    sent = [saved(drawn("RGB", *size), format) for size in sides for format in ("PNG", "JPEG")]
    kept = [size for size in sides.values() for format in ("PNG", "JPEG")]
    assert [image.size for image in shown(pictures, *sent)] == kept


def test_what_is_transparent_stays_transparent(pictures: ImageStore) -> None:
    sent = [
        saved(drawn("RGBA"), "PNG"),
        saved(drawn("LA"), "PNG"),
        saved(drawn("P"), "PNG", transparency=bytes(range(256))),
        saved(PilImage.new("RGB", (9, 9), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
        saved(drawn("RGBA"), "WEBP", lossless=True),
    ]
    for before, after in zip(sent, shown(pictures, *sent), strict=True):
        opened = PilImage.open(io.BytesIO(before)).convert("RGBA")
        assert after.convert("RGBA").getchannel("A").tobytes() == opened.getchannel("A").tobytes()


def test_colours_stay_what_they_are(pictures: ImageStore) -> None:
    grey, white = PilImage.new("L", (9, 9), 128), PilImage.new("L", (9, 9), 255)
    sent = [
        saved(grey, "PNG"),
        saved(PilImage.new("I;16", (9, 9), 0x8080), "PNG"),
        saved(PilImage.new("CMYK", (9, 9), (0, 0, 0, 127)), "JPEG"),
        saved(grey.convert("P"), "PNG"),
        # Of several frames the first is shown.
        saved(grey, "PNG", save_all=True, append_images=[white]),
        saved(grey.convert("RGB"), "WEBP", save_all=True, append_images=[white.convert("RGB")]),
        saved(grey, "MPO", save_all=True, append_images=[white]),
    ]
    for number, image in enumerate(shown(pictures, *sent)):
        colour = image.convert("RGB").getpixel((4, 4))
        assert isinstance(colour, tuple)
        assert all(abs(value - 128) <= 2 for value in colour), number


def tag(kind: bytes, *numbers: float) -> bytes:
    fixed = b"".join(struct.pack(">i", round(number * 65_536)) for number in numbers)
    return kind + bytes(4) + (struct.pack(">HH", 3, 0) if kind == b"para" else b"") + fixed


def profile(space: bytes, **tags: bytes) -> bytes:
    """An ICC profile (ICC.1:2010) of a display."""
    at, table, content = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name.encode() + struct.pack(">II", at + len(content), len(data))
        content += data
    head = struct.pack(">I4xI", at + len(content), 0x04200000) + b"mntr" + space + b"XYZ "
    white = struct.pack(">iii", 63_190, 65_536, 54_061)
    return (head + bytes(12) + b"acsp" + bytes(28) + white).ljust(128, b"\0") + table + content


CURVE = tag(b"para", 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
DISPLAY_P3 = profile(
    b"RGB ",
    wtpt=tag(b"XYZ ", 0.9642, 1.0, 0.8249),
    rXYZ=tag(b"XYZ ", 0.51512, 0.24120, -0.00105),
    gXYZ=tag(b"XYZ ", 0.29198, 0.69225, 0.04189),
    bXYZ=tag(b"XYZ ", 0.15710, 0.06657, 0.78407),
    rTRC=CURVE,
    gTRC=CURVE,
    bTRC=CURVE,
)
LINEAR_GREY = profile(
    b"GRAY", wtpt=tag(b"XYZ ", 0.9642, 1.0, 0.8249), kTRC=tag(b"curv")[:8] + bytes(4)
)


def test_colours_are_converted_by_the_profile_of_the_picture(pictures: ImageStore) -> None:
    orange = PilImage.new("RGB", (9, 9), (200, 60, 40))
    palette = orange.convert("P", palette=PilImage.Palette.ADAPTIVE)
    sent = [
        saved(orange, "PNG", icc_profile=DISPLAY_P3),
        saved(orange, "JPEG", icc_profile=DISPLAY_P3, quality=100, subsampling=0),
        saved(orange, "WEBP", icc_profile=DISPLAY_P3, lossless=True),
        saved(palette, "PNG", icc_profile=DISPLAY_P3),
        saved(PilImage.new("RGBA", (9, 9), (200, 60, 40, 99)), "PNG", icc_profile=DISPLAY_P3),
        saved(orange, "PNG", icc_profile=DISPLAY_P3, transparency=(1, 2, 3)),
    ]
    for number, image in enumerate(shown(pictures, *sent)):
        *colour, alpha = image.convert("RGBA").getpixel((4, 4))  # type: ignore[misc]
        near = zip(colour, (217, 42, 23), strict=True)
        assert all(abs(value - right) <= 4 for value, right in near), (number, colour)
        assert alpha == (99 if number == 4 else 255)
        assert "icc_profile" not in image.info
    grey = PilImage.new("L", (9, 9), 128)
    sent = [
        saved(grey, "PNG", icc_profile=LINEAR_GREY),
        saved(grey.convert("LA"), "PNG", icc_profile=LINEAR_GREY),
        saved(grey, "JPEG", icc_profile=LINEAR_GREY),
    ]
    for number, image in enumerate(shown(pictures, *sent)):
        value = image.convert("L").getpixel((4, 4))
        assert isinstance(value, int)
        assert abs(value - 188) <= 2, number


def test_a_profile_that_does_not_fit_or_is_broken_is_ignored(pictures: ImageStore) -> None:
    orange = PilImage.new("RGB", (9, 9), (200, 60, 40))
    broken = (
        b"",
        b"x",
        LINEAR_GREY,
        DISPLAY_P3[:200],
        DISPLAY_P3[:-40],
        DISPLAY_P3[:128] + b"\xff" * 400,
        DISPLAY_P3.replace(b"RGB ", b"CMYK"),
    )
    sent = [saved(orange, "PNG", icc_profile=each) for each in broken]
    sent.append(saved(PilImage.new("CMYK", (9, 9), (0, 0, 0, 127)), "JPEG", icc_profile=DISPLAY_P3))
    *first, grey = [image.convert("RGB").getpixel((4, 4)) for image in shown(pictures, *sent)]
    assert first == [(200, 60, 40)] * len(broken)
    assert isinstance(grey, tuple)
    assert all(abs(value - 128) <= 2 for value in grey)


def test_names_are_made_up_and_never_the_same(pictures: ImageStore) -> None:
    async def keep() -> list[str]:
        sent = upload("a PNG"), upload("a JPEG"), upload("a WebP"), upload("a PNG")
        return [await pictures.save(content) for content in sent]

    names = asyncio.run(keep())
    assert [name.partition(".")[2] for name in names] == ["png", "jpg", "webp", "png"]
    assert all(re.fullmatch(r"[0-9a-f]{32}\.[a-z]+", name) for name in names)
    assert len({name[:8] for name in names}) == 4


def test_a_picture_is_there_until_it_is_discarded(pictures: ImageStore) -> None:
    async def story() -> None:
        name, other = [await pictures.save(upload("a PNG")) for _ in range(2)]
        assert await pictures.find(name) is not None
        await pictures.delete(name)
        await pictures.delete(name)
        assert await pictures.find(name) is None
        assert await pictures.find(other) is not None

    asyncio.run(story())


def test_a_name_that_was_not_given_finds_and_discards_nothing(
    pictures: ImageStore, folder: Path
) -> None:
    folder.mkdir(parents=True)
    stem = "0123456789abcdef" * 2
    files = [folder.parent / "x.png", folder.parent / f"{stem}.png", folder / f"{stem}.gif",
             folder / f"{stem.upper()}.png", folder / "x.png", folder / f"{stem}.png.unfinished",
             folder / f"{stem}.png\n"]  # fmt: skip
    for file in files:
        file.write_bytes(upload("a PNG"))
    names = ["", ".", "..", "../x.png", f"../{stem}.png", f"./{stem}.gif", f"..\\{stem}.png",
             f"{stem}.png\0", f"{stem}.png\0.png", f"%2e%2e/{stem}.png", f"{stem}", f"{stem}/",
             f"{'0' * 5000}.png", *(str(file) for file in files),
             *(file.name for file in files if file.parent == folder)]  # fmt: skip

    async def ask() -> None:
        for name in names:
            assert await pictures.find(name) is None, name
            await pictures.delete(name)

    asyncio.run(ask())
    assert all(file.exists() for file in files)


def test_a_picture_that_is_kept_is_one_file_for_whoever_opens_the_folder_next(
    folder: Path,
) -> None:
    async def story() -> None:
        name = await FolderImageStore(folder).save(upload("a WebP"))
        assert [file.name for file in folder.iterdir()] == [name]
        found = await FolderImageStore(folder).find(name)
        assert found
        assert found.content == (folder / name).read_bytes()
        assert found.media_type == "image/webp"

    asyncio.run(story())


def test_without_a_folder_there_are_no_pictures(folder: Path) -> None:
    async def story() -> None:
        assert await FolderImageStore(folder).find(f"{'0' * 32}.png") is None
        await FolderImageStore(folder).delete(f"{'0' * 32}.png")

    asyncio.run(story())


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    pictures = FolderImageStore(tmp_path / "file")
    with pytest.raises(StorageUnavailable):
        asyncio.run(pictures.find(f"{'0' * 32}.png"))
    with pytest.raises(StorageUnavailable):
        asyncio.run(pictures.delete(f"{'0' * 32}.png"))
    with pytest.raises(StorageUnavailable, match=r"^The pictures cannot be kept at the moment\.$"):
        asyncio.run(pictures.save(upload("a PNG")))


def test_a_picture_that_does_not_fit_leaves_nothing_behind(folder: Path) -> None:
    sent = saved(drawn("RGB", 900, 900), "PNG")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))
    try:
        with pytest.raises(StorageUnavailable):
            asyncio.run(FolderImageStore(folder).save(sent))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert list(folder.iterdir()) == []


def keep_with(worker: str, folder: Path, seconds: float = 20, limits: Limits = LIMITS) -> None:
    """Keep a picture that is decoded by another worker than ours."""
    path = folder.parent / "worker.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(worker)
    cleaner = ImageCleaner(path, seconds, limits)
    try:
        asyncio.run(FolderImageStore(folder, cleaner).save(bytes(1_000_000)))
    finally:
        assert list(folder.parent.iterdir()) == [path]


ENDS = {
    "fails": "1 / 0",
    "does not start": "no Python",
    "says nothing": "",
    "is killed": "import os; os.kill(os.getpid(), 9)",
    "makes up a suffix": r"import sys; sys.stdout.buffer.write(b'../png\nx')",
    "makes up a name": r"import sys; sys.stdout.buffer.write(b'/etc/\xff\nx')",
    "says too much": "import sys; sys.stdin.read()\nwhile True: print('x' * 1_000_000)",
}


@pytest.mark.parametrize("worker", ENDS.values(), ids=ENDS)
def test_a_worker_that_tells_nothing_of_the_upload_is_not_the_uploads_fault(
    folder: Path, worker: str
) -> None:
    with pytest.raises(StorageUnavailable, match="cannot be kept at the moment"):
        keep_with(worker, folder)


def test_an_upload_that_crashes_its_decoder_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidValue, match="not damaged"):
        keep_with(f"import os; os.kill(os.getpid(), {signal.SIGSEGV.value})", folder)


@pytest.mark.parametrize("does", ["", "sys.stdin.buffer.read()\nos.close(1)"], ids=["in", "out"])
def test_a_worker_that_hangs_is_ended(folder: Path, tmp_path: Path, does: str) -> None:
    told = tmp_path / "pid"
    hangs = f"""
import os, sys, time
open({str(told)!r}, "w").write(str(os.getpid()))
{does}
time.sleep(600)
"""
    began = time.monotonic()
    with pytest.raises(StorageUnavailable):
        keep_with(hangs, folder, seconds=1, limits={})
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit memory")
@pytest.mark.parametrize(
    ("deed", "error"),
    [
        ("bytearray(2 << 30)", "MemoryError"),
        ("os.write(os.open('worker.py', os.O_WRONLY), b'x')", "OSError"),
    ],
    ids=["memory", "files"],
)
def test_a_worker_gets_no_more_than_a_picture_needs(folder: Path, deed: str, error: str) -> None:
    greedy = f"""
import os
os.chdir({str(folder.parent)!r})
try:
    {deed}
except {error}:
    print("large")
"""
    with pytest.raises(InvalidValue, match="4096"):
        keep_with(greedy, folder)


def test_an_upload_that_takes_too_much_computing_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidValue, match="not damaged"):
        keep_with("while True: pass", folder, limits={**LIMITS, "CPU": (1, 2)})


@pytest.mark.parametrize(
    "alone",
    [f"{CANARY!r} not in os.environ.values()", "os.getsid(0) == os.getpid()"],
    ids=["settings", "Ctrl-C"],
)
def test_a_worker_shares_neither_settings_nor_signals_with_the_service(
    folder: Path, monkeypatch: pytest.MonkeyPatch, alone: str
) -> None:
    monkeypatch.setenv("ATELIER_CANARY", CANARY)
    with pytest.raises(InvalidValue, match="4096"):
        keep_with(f"import os; print('large' if {alone} else 'damaged')", folder)


def test_two_uploads_are_looked_at_together_while_the_service_goes_on(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("""
import os, pathlib, time
here = pathlib.Path(__file__).parent
mine = here / f"{os.getpid()}.running"
mine.touch()
time.sleep(0.2)
(here / f"{os.getpid()}.{len(list(here.glob('*.running')))}").touch()
mine.unlink()
print("damaged")
""")

    async def story() -> int:
        pictures = MemoryImageStore(ImageCleaner(worker))
        keeping = asyncio.gather(
            *(pictures.save(bytes(1_000_000)) for _ in range(6)), return_exceptions=True
        )
        steps = 0
        while not keeping.done():
            await asyncio.sleep(0.01)
            steps += 1
        assert all(isinstance(result, InvalidValue) for result in await keeping)
        return steps

    assert asyncio.run(story()) > 20
    told = {path.suffix for path in tmp_path.iterdir()} - {".py"}
    assert told <= {".1", ".2"}
    assert ".2" in told


def test_beyond_so_many_waiting_uploads_further_ones_are_turned_away(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import sys; sys.stdin.read(); print('foreign')")
    cleaner = ImageCleaner(worker)

    async def all_at_once() -> list[object]:
        asked = (cleaner.clean(b"no picture") for _ in range(WAITING + 3))
        return await asyncio.gather(*asked, return_exceptions=True)

    outcomes = [type(outcome) for outcome in asyncio.run(all_at_once())]
    assert outcomes == [InvalidValue] * WAITING + [StorageUnavailable] * 3
