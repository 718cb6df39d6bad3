"""Devices with keys, and their heartbeats."""

from typing import Any

from support.service import Service

DEVICES = "/api/v1/devices"


def keyed(service: Service, **members: Any) -> tuple[str, str]:
    """Return the path of a new device, and its key."""
    with service.client() as client:
        path = client.post(DEVICES, json={"name": "Lathe", **members}).headers["location"]
        return path, client.post(f"{path}/key").json()["key"]


def beat(service: Service, path: str, key: str, **told: Any) -> int:
    """Send a heartbeat on a connection of its own; return the status of the answer."""
    with service.client() as client:
        return client.as_(key).post(f"{path}/heartbeat", json=told).status_code
