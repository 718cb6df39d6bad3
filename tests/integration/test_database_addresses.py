"""Every way into PostgreSQL leads to the database that the address names."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import URL, Engine, func, select, text

from adapters.sql.database import SqlDatabase
from settings import load
from support.backends import database_at


@pytest.fixture
def addresses(postgres_place: URL) -> list[str]:
    """The same database, in all the forms that its server permits."""
    place = postgres_place
    user, host = place.username, place.host or str(place.query["host"])
    password = f":{quote(place.password, safe='')}" if place.password else ""
    port, name = place.port or 5432, place.database
    return [
        f"postgresql://{user}{password}@{quote(host, safe='')}:{port}/{name}",
        f"postgresql://{user}{password}@/{name}?host={host}&port={port}",
        f"postgresql://{user}{password}@elsewhere/other?host={host}&port={port}&dbname={name}",
        f"postgresql://{user}{password}@127.0.0.1:1,{quote(host, safe='')}:{port}/{name}",
    ]


def test_reads_writes_and_migrations_use_the_database_that_the_address_names(
    addresses: list[str], postgres_place: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for address in addresses:
        monkeypatch.setenv("DATABASE_URL", address)
        assert names(database_at(load().url)) == [postgres_place.database] * 5


def names(database: SqlDatabase) -> list[str]:
    """Return the name of the database that each kind of connection has."""

    def by(engine: Engine) -> str:
        with engine.connect() as connection:
            return str(connection.execute(text("SELECT current_database()")).scalar_one())

    async def read() -> str:
        statement = database.statement(select(func.current_database()))
        rows = await database.fetch(statement, {}, short=True)
        await database.close()
        return str(rows[0][0])

    making = database.migration_engine()
    found = [
        by(making),
        by(database.engine),
        by(database.read_engine),
        by(getattr(database, "batch_engine", database.engine)),
        asyncio.run(read()),
    ]
    making.dispose()
    return found
