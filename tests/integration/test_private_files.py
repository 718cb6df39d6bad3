"""Who on the machine may open what the service writes."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.images import FolderImageStore
from adapters.private_files import exposed
from adapters.sql.schema.migrations import migrate
from adapters.sql.sqlite.engine import make_engine


@pytest.fixture(params=[0o000, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Return the modes of a folder and all below it, by their names."""
    found = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in found}


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("link", [False, True], ids=["file", "link"])
def test_a_new_database_can_be_opened_by_the_service_alone(tmp_path: Path, link: bool) -> None:
    path = file = tmp_path / "atelier.db"
    if link:
        path = tmp_path / "link.db"
        path.symlink_to(file)
    engine = make_engine(path, "rwc")
    migrate(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
        connection.commit()
        made = modes(tmp_path)
        assert {made[f"atelier.db{end}"] for end in ("", "-wal", "-shm")} == {0o600}
    engine.dispose()
    assert exposed([path]) == []


@pytest.mark.usefixtures("umask")
def test_an_uploaded_picture_can_be_opened_by_the_service_alone(tmp_path: Path) -> None:
    import io

    from PIL import Image

    upload = io.BytesIO()
    Image.new("RGB", (8, 8)).save(upload, "PNG")
    folder = tmp_path / "var" / "media"
    (tmp_path / "var").mkdir(mode=0o700)
    (tmp_path / "var").chmod(0o700)
    name = asyncio.run(FolderImageStore(folder).save(upload.getvalue()))
    assert modes(folder) == {".": 0o700, name: 0o600}
