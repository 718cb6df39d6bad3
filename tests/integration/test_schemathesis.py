"""Schemathesis reads the OpenAPI document, and tries to catch the service breaking its word."""

import json
import subprocess
import sys
from pathlib import Path

from sqlalchemy import URL

from support.databases import text
from support.service import Service, environment

CASES = 2_000
"""How many cases there must be at least, for each database."""

CONFIG = Path(__file__).with_name("schemathesis.toml")


def test_no_case_that_the_document_gives_rise_to_finds_anything(
    place: Path | URL, tmp_path: Path
) -> None:
    address = f"sqlite:///{place}" if isinstance(place, Path) else text(place)
    with Service(tmp_path, DATABASE_URL=address) as service:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"),
                *(f"{service.url}/openapi.json", "--no-color"),
                *("--report", "json", "--report-json-path", "report.json"),
            ],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    phases = {name: phase["status"] for name, phase in report["phases"].items()}
    assert phases == dict.fromkeys(("examples", "coverage", "fuzzing", "stateful"), "success")
    operations = report["operations"]
    assert operations["tested"] == operations["selected"] == operations["total"] > 0
    cases = report["test_cases"]
    answered = service.log.read_text().count("status=")  # the service's own count of the same
    assert min(cases["generated"], answered) >= CASES
    assert cases["with_failures"] == cases["errored"] == cases["without_checks"] == 0
    assert report["failures"] == report["errors"] == []
    assert not any(report["warnings"].values()), report["warnings"]
    print(f"{cases['generated']} cases in {report['running_time']:.0f} s")
