"""Makes a clean picture of an upload, as a process of its own: standard library and Pillow only.

It is given how many pixels a side an upload may have, and how many are kept; the upload comes by
standard input. By standard output goes one line with a word, and after it the picture, if the word
is the suffix of one.
"""

import io
import sys
from typing import Any

# Pillow would import every format that it knows, were one of these missing.
from PIL import (
    ExifTags,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

FORMATS = (
    PngImagePlugin.PngImageFile.format,
    JpegImagePlugin.JpegImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
)

# For each format its suffix, and how to save it. An MPO is a JPEG with others behind it.
JPEG = ("jpg", {"format": "JPEG", "quality": 85, "optimize": True})
KEPT_AS: dict[str | None, tuple[str, dict[str, Any]]] = {
    "PNG": ("png", {"format": "PNG"}),
    "JPEG": JPEG,
    "MPO": JPEG,
    "WEBP": ("webp", {"format": "WEBP", "quality": 85}),
}

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class TooLarge(Exception):
    """The header tells of more pixels a side than an upload may have."""


def opened(content: bytes, max_side: int) -> Image.Image:
    """Read the header alone, and refuse what is too large to go on with."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise TooLarge from error
    if max(image.size) > max_side:
        raise TooLarge
    return image


def turn(image: Image.Image) -> Image.Transpose | None:
    """Return how a picture must be turned to stand upright, if its EXIF tells."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # EXIF that cannot be read tells nothing; the picture may be a good one all the same.
        return None


def pixels(image: Image.Image) -> Image.Image:
    """Return the first frame as plain pixels, in sRGB, which is what no profile means."""
    profile = image.info.get("icc_profile")
    if image.mode == "I;16":
        # Pillow would cut off all that is brighter than 255, instead of scaling it.
        image = image.point(lambda value: value / 257).convert("L")
        image.info.clear()
    # This is a copy even if the mode is the same: no plugin, and no frames after the first.
    plain = "RGBA" if image.has_transparency_data else "RGB"
    return (profile and in_srgb(image, profile, plain)) or image.convert(plain)


def in_srgb(image: Image.Image, profile: bytes, mode: str) -> Image.Image | None:
    """Return a picture with its colours converted by its profile, `None` if that is not possible.

    A profile that is broken, or made for other pixels, is ignored as browsers ignore it.
    """
    from PIL import ImageCms

    if image.mode in ("P", "PA", "1"):
        # The profile of a palette is about the colours in it.
        image = image.convert(mode)
    alpha = image.getchannel("A") if mode == "RGBA" and "A" in image.getbands() else None
    if alpha is None and mode == "RGBA":
        # A transparent colour is found by the colour as it was sent.
        alpha = image.convert(mode).getchannel("A")
    colours = image.convert({"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        found = ImageCms.profileToProfile(colours, source, target, outputMode="RGB")
    except Exception:
        return None
    if found is not None and alpha is not None:
        found.putalpha(alpha)
    return found


def cleaned(content: bytes, max_side: int, kept_side: int) -> tuple[str, bytes]:
    """Return the suffix and the bytes of a picture that has the upload's pixels, and no more."""
    # Only PNG has checksums; looking at them leaves an image of no further use.
    opened(content, max_side).verify()
    image = opened(content, max_side)
    suffix, how = KEPT_AS[image.format]
    # A large JPEG is cheapest decoded small.
    image.draft(None, (kept_side, kept_side))
    image.load()
    clean = pixels(image)
    clean.thumbnail((kept_side, kept_side))
    if (method := turn(image)) is not None:
        clean = clean.transpose(method)
    # Some of this would be written: comments, colour profiles, the EXIF.
    clean.info.clear()
    kept = io.BytesIO()
    clean.save(kept, **how)
    return suffix, kept.getvalue()


def main() -> None:
    """Answer one upload."""
    max_side, kept_side = int(sys.argv[1]), int(sys.argv[2])
    # Above twice this many pixels Pillow opens nothing; WebP takes the memory when it is opened.
    Image.MAX_IMAGE_PIXELS = max_side * max_side
    try:
        word, picture = cleaned(sys.stdin.buffer.read(), max_side, kept_side)
    except UnidentifiedImageError:
        word, picture = "foreign", b""
    except TooLarge:
        word, picture = "large", b""
    except Exception:
        # Whatever the decoders make of it: they could make no picture of it.
        word, picture = "damaged", b""
    sys.stdout.buffer.write(word.encode() + b"\n" + picture)


if __name__ == "__main__":
    main()
