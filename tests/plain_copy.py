"""Copy the project without its fast lane: `python tests/plain_copy.py TARGET`.

Every test but the fast lane's own passes on the copy; `make plain` runs them.
"""

import ast
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = ("src", "tests", "migrations", "docs", "benchmarks")
FAST = ("service_layer.group_commit", "adapters.sql.fast", "entrypoints.server")
OWN_SUPPORT = ("support.group_commit", "support.crash")
BLOCK = "# The fast lane:"
ENDED_BY_FAST = "  # fast lane"


def copy_without_fast_lane(target: Path) -> list[Path]:
    """Make the copy, and return the test modules that it lacks."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(path, target / path.name, ignore=ignored)
        elif path.is_file() and path.suffix not in (".db", ".db-wal", ".db-shm", ".lock"):
            shutil.copy(path, target)
    for lock in ROOT.glob("requirements*.lock"):
        shutil.copy(lock, target)
    for package in FAST:
        shutil.rmtree(target / "src" / Path(*package.split(".")))
    _cut_bootstrap(target / "src" / "bootstrap.py")
    _cut_contract(target / "pyproject.toml")
    own = [path for path in (target / "tests").rglob("*.py") if _is_of_fast_lane(path)]
    for path in own:
        path.unlink()
    return [path.relative_to(target) for path in own]


def _cut_bootstrap(path: Path) -> None:
    """Remove the imports from the fast lane, and the lines that use it."""
    text = path.read_text()
    text = text[: text.index(BLOCK)]
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and _is_fast(node.module):
            text = text.replace(f"{ast.unparse(node)}\n", "")
    kept = (line for line in text.splitlines() if not line.endswith(ENDED_BY_FAST))
    path.write_text("\n".join(kept) + "\n")


def _cut_contract(path: Path) -> None:
    """Remove the packages and the import contract of the fast lane."""
    text = path.read_text()
    for package in FAST:
        text = text.replace(f'    "{package}",\n', "")
    contract = r'\n\[\[tool\.importlinter\.contracts\]\]\nname = "The fast lane[^\[]*(\[[^\[]*)*'
    path.write_text(re.sub(contract, "\n", text))


def _is_of_fast_lane(path: Path) -> bool:
    if path.parts[-2] == "support" and path.stem == "backends":
        return False  # does without it
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    own = (*FAST, *OWN_SUPPORT, "bootstrap.fast_database_at", "bootstrap.use_fast_lane")
    return any(f"{name}.".startswith(f"{one}.") for name in names for one in own)


def _is_fast(module: str | None) -> bool:
    return module is not None and any(f"{module}.".startswith(f"{one}.") for one in FAST)


if __name__ == "__main__":
    for lacking in copy_without_fast_lane(Path(sys.argv[1])):
        print("without", lacking)
