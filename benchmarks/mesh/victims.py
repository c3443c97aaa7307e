"""Which replica may be killed: one whose sibling serves, and is known to."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from benchmarks.mesh.admin import find_unhealthy_clusters
from mesh.topology.topology import Cluster

if TYPE_CHECKING:
    from mesh.client.mesh_process import MeshProcess
    from mesh.topology.stack import Endpoint

_PAUSE_SECONDS = 4.0  # Envoy looks once a second; two looks make an opinion


class Victims:
    """Choose and kill replicas, never the last that serves of two."""

    def __init__(self, mesh: MeshProcess) -> None:
        self._mesh = mesh
        self._killed: dict[str, tuple[int, float]] = {}

    def choose(self) -> list[Endpoint]:
        """Return the replicas that may be killed now."""
        stacks = self._mesh.service.list_stacks()
        owned = [one for status in stacks for one in status.endpoints]
        replicas: dict[str, list[Endpoint]] = {}
        for one in (*self._mesh.service.get_mesh().baseline, *owned):
            replicas.setdefault(_cluster_of(one), []).append(one)
        unhealthy = find_unhealthy_clusters(self._mesh.directory)
        return [
            one
            for cluster, endpoints in replicas.items()
            if cluster not in unhealthy and self._is_whole(cluster, endpoints)
            for one in endpoints
        ]

    def kill(self, victim: Endpoint) -> bool:
        """Kill the replica; return whether it was still there."""
        self._killed[_cluster_of(victim)] = victim.process_id, time.monotonic()
        try:
            os.kill(victim.process_id, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _is_whole(self, cluster: str, endpoints: list[Endpoint]) -> bool:
        process_id, at = self._killed.get(cluster, (0, float("-inf")))
        return (
            len(endpoints) > 1
            and process_id not in {one.process_id for one in endpoints}
            and time.monotonic() - at >= _PAUSE_SECONDS
        )


def _cluster_of(endpoint: Endpoint) -> str:
    return Cluster(endpoint.service, endpoint.stack_id, ()).name
