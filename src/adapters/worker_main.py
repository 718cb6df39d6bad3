"""Entry point of worker processes: set priority and resource limits, then run a script.

The arguments are the limits as JSON, the script, and the script's own arguments. Python runs
isolated from the service's modules, so this module imports the standard library only.
"""

import contextlib
import json
import os
import resource
import runpy
import sys

NICE = 10
"""Niceness of workers, which lowers their priority below that of the service."""


def main() -> None:
    """Set the limits and run the script."""
    os.nice(NICE)
    for name, limit in json.loads(sys.argv[1]).items():
        # This fails where a limit is stricter already, and for memory on macOS.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), tuple(limit))
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
