"""Recreate docs/screenshots: serve the demo and capture its pages in Chromium."""

import io
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from PIL import Image  # noqa: E402

from support.chromium import DESK, PHONE, Visitor, browser_here, running_chromium  # noqa: E402
from support.service import Service, atelier  # noqa: E402
from support.workshop import known_in, token_of  # noqa: E402

OUT = ROOT / "docs" / "screenshots"
COLOURS = 256
MOST_BYTES = 150_000

SHOTS = {
    "news": ("/", DESK, 800),
    "today": ("/office", DESK, 800),
    "today-phone": ("/office", PHONE, 844),
    "tasks": ("/office/tasks", DESK, 800),
    "stock": ("/office/stock", DESK, 800),
    "product": ("/office/stock/{product}", DESK, 1100),
    "machines": ("/office/machines", DESK, 800),
    "write": ("/office/news/{post}", DESK, 800),
    "people": ("/office/people", DESK, 800),
}
"""File name to path of the page, viewport width and height in pixels."""


def small(png: bytes) -> bytes:
    """Return the image with as many colours as fit into `MOST_BYTES`."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    colours = COLOURS
    while True:
        kept = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(kept, "PNG", optimize=True)
        if kept.tell() <= MOST_BYTES or colours <= 8:
            return kept.getvalue()
        colours //= 2


def main() -> None:
    """Capture every page in `SHOTS`."""
    path = browser_here()
    if path is None:
        raise SystemExit("No Chromium found; set TEST_BROWSER to one.")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        output = atelier("demo", folder=Path(folder)).stdout
        username, password = re.findall(r"Sign in as (\S+) with (\S+)", output)[0]
        with Service(Path(folder)) as service, running_chromium(path) as browser:
            token = token_of(service, username, password)
            with service.client().as_(token) as api:
                known = known_in(api)
            visitor = Visitor(browser, service.url)
            visitor.sign_in(username, password)
            for name, (page, width, height) in SHOTS.items():
                visitor.page.set_viewport_size({"width": width, "height": height})
                visitor.open(page.format_map(known))
                visitor.page.wait_for_load_state("networkidle")
                kept = small(visitor.page.screenshot())
                (OUT / f"{name}.png").write_bytes(kept)
                print(f"docs/screenshots/{name}.png: {len(kept):,} bytes")
            visitor.leave()


if __name__ == "__main__":
    main()
