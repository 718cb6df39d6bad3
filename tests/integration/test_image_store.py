"""The image store: orientation, size, colours, names, the folder."""

import asyncio
import io
import re
import resource
import struct
from pathlib import Path

import pytest
from PIL import Image as PilImage
from PIL import ImageOps

from adapters.images import FolderImageStore
from adapters.memory.images import MemoryImageStore
from service_layer.errors import StorageUnavailable
from service_layer.ports import ImageStore
from support.image_files import drawn, exif, saved, upload


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
