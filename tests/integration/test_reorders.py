"""Tasks to reorder, over the wire: one for each time the stock falls, and none without the fall."""

from pathlib import Path

import pytest
from sqlalchemy import URL
from sqlalchemy import text as sql

from support.backends import database_at
from support.service import Service
from support.stock_sales import (
    SALE,
    add,
    fall_three_times,
    ledger,
    reorders,
    sell_at_once,
    service_on,
)


@pytest.fixture
def service(place: Path | URL, tmp_path: Path) -> Service:
    return service_on(place, tmp_path)


def test_fifty_who_let_the_stock_fall_at_once_plan_one_task_each_time_it_falls(
    service: Service,
) -> None:
    with service:
        fall_three_times(service, "Screws")


# Whatever plans a task owes something by the end of its transaction that it does not deliver.
DEBT = (
    "CREATE TABLE creditors (id INTEGER PRIMARY KEY)",
    "CREATE TABLE debts (id INTEGER REFERENCES creditors (id) DEFERRABLE INITIALLY DEFERRED)",
)
INCUR = {
    "sqlite": (
        "CREATE TRIGGER incur AFTER INSERT ON tasks BEGIN INSERT INTO debts VALUES (1); END",
    ),
    "postgresql": (
        "CREATE FUNCTION incur() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN INSERT INTO debts VALUES (1); RETURN NULL; END'",
        "CREATE TRIGGER incur AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION incur()",
    ),
}
SETTLE = "INSERT INTO creditors VALUES (1)"


def execute(place: Path | URL, *statements: str) -> None:
    engine = database_at(place).engine
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sql(statement))
    engine.dispose()


def test_a_fall_that_the_database_refuses_to_commit_leaves_neither_movement_nor_task(
    service: Service, place: Path | URL
) -> None:
    dialect = "sqlite" if isinstance(place, Path) else "postgresql"
    execute(place, *DEBT, *INCUR[dialect])
    with service, service.client() as client:
        falling = add(client, 1, name="Glue")
        before = client.get(falling).json()
        plenty = [add(client, 10) for _ in range(9)]

        outcomes = sell_at_once(service, falling, *plenty)

        # Those whose sales waited for the same commit are not kept from theirs.
        assert outcomes == [(409, None)] + [(201, None)] * 9
        assert client.post(f"{falling}/movements", json=SALE).json()["code"] == "conflict"
        assert client.get(falling).json() == before
        assert len(ledger(client, falling)) == 1
        assert all(len(ledger(client, path)) == 2 for path in plenty)
        assert reorders(client) == []

        execute(place, SETTLE)
        assert client.post(f"{falling}/movements", json=SALE).status_code == 201
        assert len(ledger(client, falling)) == 2
        assert reorders(client) == ["Reorder Glue"]
