"""Schemathesis as each person on the database that `tests/integration` leaves out for them."""

from pathlib import Path

from sqlalchemy import URL

from support.people import ADMIN, MEMBER
from support.schemathesis_run import find_nothing


def test_no_case_that_an_admin_can_make_of_the_document_finds_anything_on_sqlite(
    sqlite_place: Path, tmp_path: Path
) -> None:
    print(find_nothing(ADMIN, sqlite_place, tmp_path, examples=25, scenarios=40))


def test_no_case_that_a_member_can_make_of_the_document_finds_anything_on_postgresql(
    postgres_place: URL, tmp_path: Path
) -> None:
    print(find_nothing(MEMBER, postgres_place, tmp_path, examples=25, scenarios=40))
