"""Entry point of worker processes: set priority and resource limits for good, then run a script.

The arguments are the limits as JSON, the script, and the script's own arguments. It runs isolated
from the service's modules, so it imports the standard library alone.
"""

import contextlib
import json
import os
import resource
import runpy
import sys

NICE = 10
"""How much less urgent the work is than what waits for the service itself."""


def main() -> None:
    """Set the limits and run the script."""
    os.nice(NICE)
    for name, limit in json.loads(sys.argv[1]).items():
        # It fails where a limit is stricter already, and for memory on macOS.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), tuple(limit))
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
