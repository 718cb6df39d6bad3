"""Image files: valid, damaged and hostile."""

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from PIL import Image as PilImage
from PIL import ImageCms, PngImagePlugin

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
