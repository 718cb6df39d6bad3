"""Files and folders that only the service's own account can open."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def create_file(path: Path) -> None:
    """Create an empty private file unless one of that name exists.

    The file never exists with a wider mode, whatever the umask. An existing file is not opened,
    because closing a descriptor of a SQLite database drops the locks that the process has on it.
    """
    # O_EXCL treats a dangling symbolic link as an existing file, so the link is resolved first.
    with suppress(FileExistsError):
        os.close(opener(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def create_folder(folder: Path) -> None:
    """Create a private folder unless it exists; missing parents get the default mode."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        # The umask may have removed permissions that the service needs.
        folder.chmod(FOLDER_MODE)


def opener(path: str, flags: int) -> int:
    """Open a file for `open(…, opener=…)`; if that creates it, its mode is private."""
    descriptor = os.open(path, flags, FILE_MODE)
    if flags & os.O_EXCL:
        # The file is new, and the umask may have removed permissions that the service needs.
        os.fchmod(descriptor, FILE_MODE)
    return descriptor


def exposed(paths: Iterable[Path]) -> list[Path]:
    """Return the existing files and folders that other accounts of the machine may open."""
    found = []
    for path in paths:
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                found.append(path)
    return found
