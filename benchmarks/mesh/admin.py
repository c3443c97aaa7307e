"""What Envoy says about itself, on its admin socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import TYPE_CHECKING

from mesh.envoy.envoy import ADMIN_SOCKET

if TYPE_CHECKING:
    from pathlib import Path


def ask_admin(directory: Path, path: str) -> dict[str, list[dict[str, object]]]:
    """Return the JSON of a page of Envoy's admin interface."""
    opened = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    connection = http.client.HTTPConnection("localhost")
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(f"/proc/self/fd/{opened}/{ADMIN_SOCKET}")
        os.close(opened)
        connection.sock = admin
        connection.request("GET", path)
        found: dict[str, list[dict[str, object]]] = json.loads(connection.getresponse().read())
    return found


def read_configuration(directory: Path) -> dict[str, object]:
    """Return what Envoy was given by discovery: names, versions, contents, times."""
    return {
        f"{part['@type']} {kind}": resources
        for part in ask_admin(directory, "/config_dump?include_eds")["configs"]
        for kind, resources in part.items()
        if kind.startswith("dynamic_")
    }


def find_unhealthy_clusters(directory: Path) -> set[str]:
    """Return the names of clusters of which Envoy calls some replica not or no longer."""
    clusters = ask_admin(directory, "/clusters?format=json")["cluster_statuses"]
    return {
        str(cluster["name"])
        for cluster in clusters
        if not all(_is_healthy(host) for host in _hosts(cluster))
    }


def _hosts(cluster: dict[str, object]) -> list[dict[str, object]]:
    hosts = cluster.get("host_statuses", [])
    return hosts if isinstance(hosts, list) else []


def _is_healthy(host: dict[str, object]) -> bool:
    return host["health_status"] == {"eds_health_status": "HEALTHY"}
