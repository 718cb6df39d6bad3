"""Serves the demo's workshop and takes the pictures of its pages that stand in docs/screenshots."""

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
"""What is shown, by the name of the file: the page, and the width and height of the window."""


def small(png: bytes) -> bytes:
    """Return a picture with as many colours as it can have within the size that it may have."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    colours = COLOURS
    while True:
        kept = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(kept, "PNG", optimize=True)
        if kept.tell() <= MOST_BYTES or colours <= 8:
            return kept.getvalue()
        colours //= 2


def main() -> None:
    """Take the pictures."""
    path = browser_here()
    if path is None:
        raise SystemExit("There is no Chromium here; TEST_BROWSER can name one.")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        told = atelier("demo", folder=Path(folder)).stdout
        username, password = re.findall(r"Sign in as (\S+) with (\S+)", told)[0]
        with Service(Path(folder)) as service, running_chromium(path) as browser:
            token = token_of(service, username, password)
            with service.client().as_(token) as api:
                known = known_in(api)
            somebody = Visitor(browser, service.url)
            somebody.sign_in(username, password)
            for name, (page, width, height) in SHOTS.items():
                somebody.page.set_viewport_size({"width": width, "height": height})
                somebody.open(page.format_map(known))
                somebody.page.wait_for_load_state("networkidle")
                kept = small(somebody.page.screenshot())
                (OUT / f"{name}.png").write_bytes(kept)
                print(f"docs/screenshots/{name}.png: {len(kept):,} bytes")
            somebody.leave()


if __name__ == "__main__":
    main()
