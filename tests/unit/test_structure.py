"""Rules of the source: imports of the domain, access rules of routes, templates."""

import ast
import re
import sys
from pathlib import Path

import pytest
from fastapi import APIRouter

from entrypoints import app
from entrypoints.web.route import ApiRoute
from support.backends import Clock, memory_app
from support.service import ROOT


def imported(path: Path) -> set[str]:
    """Return the names of what a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


DOMAIN = sorted((ROOT / "src" / "domain").glob("*.py"))


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.name)
def test_the_domain_needs_the_standard_library_alone(path: Path) -> None:
    packages = {name.split(".")[0] for name in imported(path)}
    assert packages <= {*sys.stdlib_module_names, "domain"}


FAST = ("service_layer.group_commit", "adapters.sql.fast", "entrypoints.server")


def test_only_the_composition_root_imports_the_fast_lane() -> None:
    source = ROOT / "src"
    folders = [source / Path(*package.split(".")) for package in FAST]
    importing = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if not any(path.is_relative_to(folder) for folder in folders)
        and any(f"{name}.".startswith(f"{one}.") for name in imported(path) for one in FAST)
    }
    # A copy without the fast lane has no import of it.
    assert importing <= {"bootstrap.py"}


def test_operation_without_an_access_rule_does_not_start() -> None:
    router = APIRouter(route_class=ApiRoute)

    async def undeclared() -> None:
        """Do something."""

    with pytest.raises(TypeError, match="undeclared"):
        router.add_api_route("/undeclared", undeclared)


@pytest.mark.parametrize("name", ["undeclared", "list_tasks"])
def test_a_route_that_guards_nothing_starts_only_if_it_is_for_anybody(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    router = APIRouter()

    async def endpoint() -> None:
        """Do something."""

    router.add_api_route("/anything", endpoint, name=name)
    monkeypatch.setattr(app, "ROUTERS", (*app.ROUTERS, router))
    with pytest.raises(TypeError, match=name):
        memory_app(Clock())


@pytest.mark.parametrize("name", ["start", "ready", "read_post"])
def test_an_operation_by_the_name_of_another_route_does_not_start(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    router = APIRouter(route_class=ApiRoute)

    async def endpoint() -> None:
        """Do something."""

    router.add_api_route("/anything", endpoint, name=name)
    monkeypatch.setattr(app, "ROUTERS", (*app.ROUTERS, router))
    with pytest.raises(TypeError, match=f"{name}: two routes"):
        memory_app(Clock())


TEMPLATES = sorted((ROOT / "src/entrypoints/pages/templates").rglob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_field_stops_typing_by_another_count_than_the_services(path: Path) -> None:
    # It counts UTF-16 units, of which an emoji has two; `data-max` counts characters.
    assert not re.search(r'maxlength["=]', path.read_text())
