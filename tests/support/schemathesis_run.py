"""Schemathesis reads the OpenAPI document, and tries to catch the service breaking its word."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from support.clients import Client
from support.databases import text
from support.people import ADMIN, PASSWORD, PEOPLE, Person
from support.service import ROOT, Service, environment

CASES_PER_EXAMPLE = 100
"""How many cases each run must have at least for each example of an operation."""

CONFIG = ROOT / "tests" / "integration" / "schemathesis.toml"


STAND_IN = "dora"
"""The username of somebody whose password the run may change."""


def sign_in(client: Client, person: Person) -> str:
    """Return a token that is none of the personal ones, which the run lists and deletes."""
    form = {"username": person.username, "password": PASSWORD}
    answer = client.post("/api/v1/auth/token", data=form)
    token: str = answer.raise_for_status().json()["access_token"]
    return token


def prepare(client: Client, folder: Path) -> dict[Person, str]:
    """Take the stand-in in, and write down by which headers people are known; return their tokens.

    The format is that of Web Fuzzing Commons.
    """
    new = {"username": STAND_IN, "email": f"{STAND_IN}@example.org", "name": "Dora"}
    client.post("/api/v1/users", json={**new, "password": PASSWORD}).raise_for_status()
    tokens = {person: sign_in(client, person) for person in PEOPLE}
    people = [
        {
            "name": person.username,
            "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}],
        }
        for person, token in tokens.items()
    ]
    (folder / "people.json").write_text(json.dumps({"auth": people}))
    return tokens


def secured(document: Any) -> set[str]:
    """Return the operations that the document says need credentials."""
    return {
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if (security := operation["security"]) and {} not in security
    }


def find_nothing(
    person: Person, place: Path | URL, folder: Path, *, examples: int, scenarios: int
) -> str:
    """Try everything as a person; say how much that was.

    Each operation has so many examples; and so many scenarios go on with what came of others.
    """
    config = folder / CONFIG.name
    config.write_text(CONFIG.read_text().replace("${SCENARIOS}", str(scenarios)))
    address = f"sqlite:///{place}" if isinstance(place, Path) else text(place)
    with Service(folder, DATABASE_URL=address) as service:
        document = service.client().get("/openapi.json").json()
        tokens = prepare(service.client(), folder)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
                *(f"{service.url}/openapi.json", "--no-color"),
                *("--report", "json", "--report-json-path", "report.json"),
                *("--max-examples", str(examples)),
            ],
            cwd=folder,
            env=environment(
                TRIED_AT=service.url,
                TRIED_AS=person.username,
                TRIED_WITH=tokens[person],
                TRIED_BESIDE=STAND_IN,
                TRIED_PASSWORD=PASSWORD,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1800,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    report = json.loads((folder / "report.json").read_text())
    phases = {name: phase["status"] for name, phase in report["phases"].items()}
    assert phases == dict.fromkeys(("examples", "coverage", "fuzzing", "stateful"), "success")
    operations = report["operations"]
    assert operations["tested"] == operations["selected"] == operations["total"] > 0
    cases = report["test_cases"]
    answered = service.log.read_text().count("status=")  # the service's own count of the same
    assert min(cases["generated"], answered) >= CASES_PER_EXAMPLE * examples
    assert cases["with_failures"] == cases["errored"] == 0
    # What has no checks of its own is part of one: each operation that is of use is tried without
    # credentials and with wrong ones, and what is one member's own is asked for by another.
    useful = secured(document) - (set() if person is ADMIN else {"create_user", "delete_user"})
    of_others = cases["without_checks"] - 2 * len(useful)
    assert of_others == 0 if person is ADMIN else of_others > 0
    assert report["failures"] == report["errors"] == []
    assert not any(report["warnings"].values()), report["warnings"]
    return f"{person.username}: {cases['generated']} cases in {report['running_time']:.0f} s"
