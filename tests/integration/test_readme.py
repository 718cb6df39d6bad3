"""The README's commands, run as they stand."""

import re
import shlex
from pathlib import Path

import httpx2

from support.service import ROOT, Service, atelier, told_settings

README = (ROOT / "README.md").read_text()


def curl(command: str, base: str) -> httpx2.Response:
    """Do what a curl command does: the options are those that the README uses."""
    words = iter(shlex.split(command)[1:])
    method, headers, content, url = "GET", {}, None, ""
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
        else:
            assert word.startswith("http://127.0.0.1:8000/")
            url = word.replace("http://127.0.0.1:8000", base)
    return httpx2.request(method, url, headers=headers, content=content, timeout=60)


def commands(block: str) -> list[str]:
    """Return the commands of a block of the README that begins so."""
    found = re.search(rf"```sh\n({block}.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1].replace("\\\n", " ").strip().splitlines()


def test_the_readmes_requests_are_answered_one_after_the_other(tmp_path: Path) -> None:
    create_admin, sign_in = commands("echo")
    requests = commands("curl")
    assert len(requests) >= 6
    with Service(tmp_path) as service:
        said = re.fullmatch(r"echo '(.*)' \| .venv/bin/atelier (.*)", create_admin)
        assert said is not None
        done = atelier(*said[2].split(), folder=tmp_path, input=f"{said[1]}\n")
        assert done.returncode == 0, done.stderr
        token = curl(sign_in, service.url).json()["access_token"]
        made = curl(requests[0].replace("$TOKEN", token), service.url)
        assert made.status_code == 201
        id = made.json()["id"]
        for command in requests[1:]:
            answer = curl(command.replace("$ID", id).replace("$TOKEN", token), service.url)
            assert answer.is_success, (command, answer.text)
            if "q=" in command or "sort=" in command:
                assert [task["id"] for task in answer.json()["items"]] == [id]
        bearer = {"Authorization": f"Bearer {token}"}
        gone = httpx2.get(f"{service.url}/api/v1/tasks/{id}", headers=bearer, timeout=60)
        assert gone.status_code == 404


def test_the_readmes_demo_fills_an_empty_database(tmp_path: Path) -> None:
    (demo,) = commands(".venv/bin/atelier demo")
    done = atelier(*demo.split()[1:], folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
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
