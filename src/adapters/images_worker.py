"""Worker process that re-encodes an uploaded image, with the standard library and Pillow only.

The arguments are the maximum side of an upload and of the result, in pixels. The upload is read
from standard input. Standard output gets a line with one word: the suffix of the image, which then
follows, or the reason of failure.
"""

import io
import sys
from typing import Any

# Without these imports, Pillow would import every format that it supports.
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

# Suffix and save options by format. An MPO is a JPEG with more images appended.
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
    """The header states more pixels per side than an upload may have."""


def opened(content: bytes, max_side: int) -> Image.Image:
    """Open an image by its header.

    Raises:
        TooLarge: when a side exceeds `max_side`.
        UnidentifiedImageError: when the format is not one of `FORMATS`.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise TooLarge from error
    if max(image.size) > max_side:
        raise TooLarge
    return image


def turn(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that turns an image upright, if its EXIF data has one."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # Unreadable EXIF data is ignored, because the image itself may be intact.
        return None


def pixels(image: Image.Image) -> Image.Image:
    """Return the first frame as plain pixels in sRGB, the default without a colour profile."""
    profile = image.info.get("icc_profile")
    if image.mode == "I;16":
        # Pillow would clip values above 255 instead of scaling them.
        image = image.point(lambda value: value / 257).convert("L")
        image.info.clear()
    # This copies even if the mode is the same: no plugin, and no frames after the first.
    plain = "RGBA" if image.has_transparency_data else "RGB"
    return (profile and in_srgb(image, profile, plain)) or image.convert(plain)


def in_srgb(image: Image.Image, profile: bytes, mode: str) -> Image.Image | None:
    """Convert an image's colours by its profile to sRGB; return `None` if that is not possible.

    A broken or mismatched profile is ignored, as browsers do.
    """
    from PIL import ImageCms

    if image.mode in ("P", "PA", "1"):
        # A palette image's profile applies to the colours in the palette.
        image = image.convert(mode)
    alpha = image.getchannel("A") if mode == "RGBA" and "A" in image.getbands() else None
    if alpha is None and mode == "RGBA":
        # A transparent colour is identified by its original value, so the mask is made first.
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
    """Return the suffix and the bytes of an image that has the upload's pixels only."""
    # `verify` checks the checksums that only PNG has, and leaves the image unusable.
    opened(content, max_side).verify()
    image = opened(content, max_side)
    suffix, how = KEPT_AS[image.format]
    # Decoding a large JPEG at reduced size is cheapest.
    image.draft(None, (kept_side, kept_side))
    image.load()
    clean = pixels(image)
    clean.thumbnail((kept_side, kept_side))
    if (method := turn(image)) is not None:
        clean = clean.transpose(method)
    # Comments, colour profiles and EXIF data would otherwise be written to the result.
    clean.info.clear()
    kept = io.BytesIO()
    clean.save(kept, **how)
    return suffix, kept.getvalue()


def main() -> None:
    """Process one upload."""
    max_side, kept_side = int(sys.argv[1]), int(sys.argv[2])
    # Pillow refuses more than twice this many pixels; WebP allocates memory on opening.
    Image.MAX_IMAGE_PIXELS = max_side * max_side
    try:
        word, image = cleaned(sys.stdin.buffer.read(), max_side, kept_side)
    except UnidentifiedImageError:
        word, image = "foreign", b""
    except TooLarge:
        word, image = "large", b""
    except Exception:
        # Decoders raise various exceptions; each means that the upload cannot be decoded.
        word, image = "damaged", b""
    sys.stdout.buffer.write(word.encode() + b"\n" + image)


if __name__ == "__main__":
    main()
