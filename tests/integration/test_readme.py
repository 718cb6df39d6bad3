"""The README's commands, run as they stand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from support.service import ROOT, Service, atelier, told_settings

README = (ROOT / "README.md").read_text()


CURL = """#!{python}
'''Stands in for curl where it is not installed: the options are those the README uses.'''
import sys
import httpx2
words, headers = iter(sys.argv[1:]), {{}}
method, content, url = "GET", None, ""
for word in words:
    if word == "-X":
        method = next(words)
    elif word == "-H":
        name, _, value = next(words).partition(": ")
        headers[name] = value
    elif word == "-d":
        content = next(words)
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        method = "POST" if method == "GET" else method
    elif word != "-s":
        url = word
answer = httpx2.request(method, url, headers=headers, content=content, timeout=60)
print(answer.text)
sys.exit(not answer.is_success)
"""


def block(start: str) -> str:
    """Return the code block of the README that starts with a text."""
    found = re.search(rf"```sh\n({re.escape(start)}.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_readmes_requests_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "curl").write_text(CURL.format(python=sys.executable))
    (tools / "curl").chmod(0o755)
    create_admin, requests = block("echo"), block("field()")
    assert requests.count("curl") >= 8
    with Service(tmp_path) as service:
        said = re.fullmatch(r"echo '(.*)' \| .venv/bin/atelier (.*)\n", create_admin)
        assert said is not None
        done = atelier(*said[2].split(), folder=tmp_path, input=f"{said[1]}\n")
        assert done.returncode == 0, done.stderr
        pasted = subprocess.run(
            ["bash", "-euo", "pipefail"],
            input=requests.replace("http://127.0.0.1:8000", service.url),
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (pasted.returncode, pasted.stderr) == (0, "")
        listed, found, edited, completed, counts = map(
            json.loads, filter(None, pasted.stdout.splitlines())
        )
        (task,) = listed["items"]
        assert [each["id"] for each in found["items"]] == [task["id"]]
        assert (edited["priority"], edited["due_on"]) == (5, None)
        assert completed["completed"] is True
        assert counts == {"total": 1, "completed": 1, "pending": 0, "overdue": 0}


def test_the_readmes_demo_fills_an_empty_database(tmp_path: Path) -> None:
    demo = block(".venv/bin/atelier demo").strip()
    done = atelier(*demo.split()[1:], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Sign in as " in done.stdout


def test_the_readme_names_every_setting_and_the_example_sets_each(tmp_path: Path) -> None:
    settings = set(told_settings(tmp_path))
    assert settings <= set(re.findall(r"`([A-Z_]+)`", README))
    example = (ROOT / ".env.example").read_text()
    assert settings == set(re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE))


def test_the_readme_leads_to_files_that_are_there() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) >= 4
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_readmes_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
