"""A Schemathesis run: property-based tests generated from the OpenAPI document."""

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
"""The minimum number of test cases of a run, as a multiple of `examples`."""

CONFIG = ROOT / "tests" / "integration" / "schemathesis.toml"


STAND_IN = "dora"
"""The username of an extra user, whose password the run may change."""


def sign_in(client: Client, person: Person) -> str:
    """Return a session token; the run lists and deletes personal tokens."""
    form = {"username": person.username, "password": PASSWORD}
    answer = client.post("/api/v1/auth/token", data=form)
    token: str = answer.raise_for_status().json()["access_token"]
    return token


def prepare(client: Client, folder: Path) -> dict[Person, str]:
    """Create the stand-in, write `people.json` with users' credentials; return their tokens.

    The file has the format of Web Fuzzing Commons.
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
    """Return the ids of operations that require credentials according to the document."""
    return {
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if (security := operation["security"]) and {} not in security
    }


def find_nothing(
    person: Person, place: Path | URL, folder: Path, *, examples: int, scenarios: int
) -> str:
    """Run Schemathesis as a user, assert that it finds no failure, and return a summary.

    `examples` is the number of examples per operation, `scenarios` that of stateful sequences.
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
    # Cases without checks are parts of others: each useful operation is called without credentials
    # and with wrong ones, and members call the operations on resources of other users.
    useful = secured(document) - (set() if person is ADMIN else {"create_user", "delete_user"})
    of_others = cases["without_checks"] - 2 * len(useful)
    assert of_others == 0 if person is ADMIN else of_others > 0
    assert report["failures"] == report["errors"] == []
    assert not any(report["warnings"].values()), report["warnings"]
    return f"{person.username}: {cases['generated']} cases in {report['running_time']:.0f} s"
