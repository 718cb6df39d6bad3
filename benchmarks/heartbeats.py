"""Measure the CPU time of a running server and its database for a fleet's heartbeats.

Each heartbeat uses a new connection, as from a device that sends one every half minute.
"""

import argparse
import http.client
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sign_in import sign_in

DEVICES = "/api/v1/devices"
TICKS = os.sysconf("SC_CLK_TCK")


def listener(port: int) -> int:
    """Return the id of the local process that listens on a port."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    for pid in sorted(pids):
        try:
            if any(str(fd.readlink()) in inodes for fd in Path(f"/proc/{pid}/fd").iterdir()):
                return pid
        except OSError:
            continue
    raise SystemExit(f"No process listens on port {port} here; name it with --tree.")


def spent(root: int) -> float:
    """Return the CPU seconds that a process and its descendants have used."""
    parents, times = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            times[int(entry.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    counted = {root}
    while more := {pid for pid, parent in parents.items() if parent in counted} - counted:
        counted |= more
    return sum(times.get(pid, 0.0) for pid in counted)


class Server:
    """The server; each request uses a new connection."""

    def __init__(self, address: str) -> None:
        self.netloc = urlsplit(address).netloc

    def post(self, path: str, token: str, body: Any = None) -> Any:
        """Return the body of a response, which must be successful."""
        connection = http.client.HTTPConnection(self.netloc, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        connection.request("POST", path, sent, headers)
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{path}: {answer.status} {told.decode()}")
        return json.loads(told) if told else None

    def device(self, number: int, token: str) -> tuple[str, str]:
        """Create a device; return the path of its heartbeats, and its key."""
        new = {"name": f"Device {number}", "kind": "bench", "heartbeat_every": 30}
        path = f"{DEVICES}/{self.post(DEVICES, token, new)['id']}"
        return f"{path}/heartbeat", self.post(f"{path}/key", token)["key"]

    def beat(self, device: tuple[str, str], due: float) -> float:
        """Send a heartbeat when it is due; return the seconds from then to the response."""
        time.sleep(max(0.0, due - time.monotonic()))
        path, key = device
        metrics = {"temperature": 41.5, "jobs": 3, "spindle": {"rpm": 12_000, "load": 0.31}}
        self.post(path, key, {"agent_version": "1.4.2", "metrics": metrics})
        return time.monotonic() - due


def main() -> None:
    """Create the fleet, send heartbeats, and print their cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="where the server is, as in http://127.0.0.1:8000")
    parser.add_argument("--devices", type=int, default=2_000)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between heartbeats")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument(
        "--tree", type=int, action="append", help="count this process and all below it as well"
    )
    asked = parser.parse_args()
    server, token = Server(asked.address), sign_in(asked.address)
    roots = [listener(urlsplit(asked.address).port or 80), *(asked.tree or [])]
    with ThreadPoolExecutor(16) as threads:
        fleet = list(threads.map(lambda n: server.device(n, token), range(asked.devices)))
        number = int(asked.devices / asked.every * asked.seconds)
        time.sleep(2)
        before, started = [spent(root) for root in roots], time.monotonic()
        dues = [started + place * asked.seconds / number for place in range(number)]
        devices = [fleet[place % len(fleet)] for place in range(number)]
        waits = sorted(threads.map(server.beat, devices, dues))
        took = time.monotonic() - started
        costs = [spent(root) - then for root, then in zip(roots, before, strict=True)]
    cost = sum(costs)
    parts = " + ".join(f"{each / took:.1%}" for each in costs)
    print(
        f"{asked.devices:,} devices, {number / took:.1f} heartbeats a second for {took:.0f} s:"
        f" {parts} = {cost / took:.1%} of one core ({cost / number * 1000:.2f} ms each),"
        f" answered within {statistics.median(waits) * 1000:.1f} ms (median),"
        f" {waits[int(number * 0.99)] * 1000:.1f} ms (99 %)."
    )


if __name__ == "__main__":
    main()
