"""The rules that keep the house in order; `pyproject.toml` has them."""

import ast
import sys
from pathlib import Path

import pytest
from importlinter import cli

from support.service import ROOT


def test_the_layers_import_inwards_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(ROOT / "src")

    code = cli.lint_imports(no_cache=True)

    assert code == 0, capsys.readouterr().out


def imported(path: Path) -> set[str]:
    """Return the top-level names of what a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[0] for name in names}


DOMAIN = sorted((ROOT / "src" / "domain").glob("*.py"))


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.name)
def test_the_domain_needs_the_standard_library_alone(path: Path) -> None:
    assert imported(path) <= {*sys.stdlib_module_names, "domain"}
