"""The import contracts in `pyproject.toml`."""

import subprocess
import sys

from support.service import ROOT, environment


def test_layers_import_inwards_only() -> None:
    # In its own process, because it configures logging.
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter import cli; exit(cli.lint_imports(no_cache=True))",
        ],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
