"""The worker process that decodes images: limits, crashes, concurrency."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from adapters.images import LIMITS, WAITING, FolderImageStore, ImageCleaner
from adapters.memory.images import MemoryImageStore
from adapters.worker_process import Limits
from domain.errors import InvalidValue
from service_layer.errors import StorageUnavailable
from support.image_files import CANARY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "some" / "pictures"


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
