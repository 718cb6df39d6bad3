"""Image store in a folder; each image is re-encoded from the upload's pixels."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from adapters import private_files
from adapters.worker_process import NO_SIDE_EFFECTS, Limits, killed_after, start_worker
from domain.errors import InvalidValue
from service_layer.errors import StorageUnavailable
from service_layer.ports import Image, ImageStore

MAX_SIDE = 4096
"""Maximum width and height of an upload, in pixels."""

KEPT_SIDE = 1024
"""Maximum width and height of a stored image, in pixels, which is enough for a portrait."""

WORKER = Path(__file__).with_name("images_worker.py")

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}

_NAME = re.compile(r"[0-9a-f]{32}\.(png|jpg|webp)")

_FOREIGN = "Send a PNG, JPEG or WebP picture."
_LARGE = f"Send a picture of at most {MAX_SIDE} pixels a side."
_DAMAGED = "Send a picture that is not damaged."
_REFUSALS = {b"foreign": _FOREIGN, b"large": _LARGE, b"damaged": _DAMAGED}
_UNWRITABLE = "The pictures cannot be kept at the moment."
_BUSY = "Too many pictures are waiting to be looked at."
_UNREADABLE = "The pictures cannot be read at the moment."

WAITING = 50
"""Queue length at which further uploads are refused."""

# More than any image of `KEPT_SIDE` takes.
_MAX_ANSWER = 8 * 1024 * 1024

# An image of 4096 x 4096 pixels takes half of this memory and two CPU seconds. A process that
# exceeds its CPU time gets SIGXCPU, and SIGKILL a second later. `_check` tells them apart.
LIMITS: Limits = {"AS": (1 << 30, 1 << 30), "CPU": (8, 9), **NO_SIDE_EFFECTS}


def new_name(suffix: str) -> str:
    """Return an unguessable file name that is independent of the upload."""
    return f"{uuid4().hex}.{suffix}"


class ImageCleaner:
    """Re-encode uploads in worker processes, two at a time.

    No upload is decoded in this process, whose memory and lifetime all requests share.
    """

    def __init__(self, worker: Path = WORKER, seconds: float = 10, limits: Limits = LIMITS) -> None:
        self._worker = worker
        self._seconds = seconds
        self._limits = limits
        self._waiting = 0
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="images")

    async def clean(self, content: bytes) -> tuple[bytes, str]:
        """Re-encode the upload's pixels, without its metadata; return the image and its suffix.

        Raises:
            InvalidValue: when it is no PNG, JPEG or WebP image, damaged, or too large.
            StorageUnavailable: when the queue is full or the worker failed for another reason.
        """
        if self._waiting >= WAITING:
            raise StorageUnavailable(_BUSY)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, self._ask, content)
        finally:
            self._waiting -= 1
        word, _, image = answer.partition(b"\n")
        if word in _REFUSALS:
            raise InvalidValue(_REFUSALS[word])
        suffix = word.decode(errors="replace")
        # The suffix becomes part of a path, so not even a compromised worker may choose it freely.
        if suffix not in MEDIA_TYPES:
            raise StorageUnavailable(_UNWRITABLE)
        return image, suffix

    def _ask(self, content: bytes) -> bytes:
        """Send an upload to a new worker and return its response."""
        with self._started() as process, killed_after(process, self._seconds):
            answer = _exchange(process, content)
            code = process.wait()
        _check(code)
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            return start_worker(self._worker, self._limits, str(MAX_SIDE), str(KEPT_SIDE))
        except OSError as error:
            raise StorageUnavailable(_UNWRITABLE) from error


def _exchange(process: subprocess.Popen[bytes], content: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    # A worker that does not read all input has died, and its exit code tells why.
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(content)
    with process.stdout:
        return process.stdout.read(_MAX_ANSWER)


def _check(code: int) -> None:
    """Raise the error that a worker's exit code stands for.

    A crash or exceeded CPU time is caused by the upload and would happen again. SIGKILL means that
    the worker ran out of wall-clock time (killed by the service) or memory (killed by the kernel).
    A positive code means that it failed before it decoded the upload. Neither of these says
    anything about the upload.

    Raises:
        InvalidValue: when the upload caused the failure.
        StorageUnavailable: when it did not.
    """
    if code < 0 and code != -signal.SIGKILL:
        raise InvalidValue(_DAMAGED)
    if code != 0:
        raise StorageUnavailable(_UNWRITABLE)


class FolderImageStore(ImageStore):
    """One file per image."""

    def __init__(self, folder: Path, cleaner: ImageCleaner | None = None) -> None:
        self._folder = folder
        self._cleaner = cleaner or ImageCleaner()

    async def save(self, content: bytes) -> str:
        image, suffix = await self._cleaner.clean(content)
        name = new_name(suffix)
        await asyncio.to_thread(self._write, name, image)
        return name

    async def find(self, name: str) -> Image | None:
        if not _NAME.fullmatch(name):
            return None
        content = await asyncio.to_thread(self._read, name)
        return None if content is None else Image(content, MEDIA_TYPES[name.partition(".")[2]])

    async def delete(self, name: str) -> None:
        if _NAME.fullmatch(name):
            await asyncio.to_thread(self._remove, name)

    def _write(self, name: str, content: bytes) -> None:
        """Write a file atomically and durably: write, fsync, rename, fsync the folder."""
        with _translated(_UNWRITABLE):
            private_files.create_folder(self._folder)
            unfinished = self._folder / f"{name}.unfinished"
            try:
                with open(unfinished, "xb", opener=private_files.opener) as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.rename(self._folder / name)
            finally:
                unfinished.unlink(missing_ok=True)
            _sync(self._folder)

    def _read(self, name: str) -> bytes | None:
        with _translated(_UNREADABLE):
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def _remove(self, name: str) -> None:
        with _translated(_UNWRITABLE):
            (self._folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(message: str) -> Iterator[None]:
    """Translate an `OSError` into `StorageUnavailable`."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(message) from error


def _sync(folder: Path) -> None:
    """Write a folder's entries to disk (fsync)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
