"""Schemathesis reads the OpenAPI document and tries to catch the service breaking its word.

`tests/nightly` tries more, as each person and on each database.
"""

from pathlib import Path

from sqlalchemy import URL

from support.people import ADMIN
from support.schemathesis_run import find_nothing


def test_no_case_that_an_admin_can_make_of_the_document_finds_anything_on_postgresql(
    postgres_place: URL, tmp_path: Path
) -> None:
    print(find_nothing(ADMIN, postgres_place, tmp_path, examples=2, scenarios=4))
