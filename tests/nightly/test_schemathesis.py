"""Schemathesis as each person on each database."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from support.people import ADMIN, MEMBER, Person
from support.schemathesis_run import find_nothing


@pytest.mark.parametrize("person", [ADMIN, MEMBER], ids=["admin", "member"])
def test_no_case_that_one_can_make_of_the_document_finds_anything(
    person: Person, place: Path | URL, tmp_path: Path
) -> None:
    print(find_nothing(person, place, tmp_path, examples=25, scenarios=40))
