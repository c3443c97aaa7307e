"""A Ray cluster of several nodes on this machine, small and quick to notice a dead node."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from mesh.launchers.ray import connect_ray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ray.cluster_utils import Cluster

_OBJECT_STORE_BYTES = 80 << 20
_NODE_MEMORY_BYTES = 1 << 30
_ENVIRONMENT = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    # Other programs of this machine must not make Ray end ours.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}

RAY_WARNINGS = [
    # Ray leaves the files and pipes of the daemons that it starts to the collector.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]


@contextmanager
def start_cluster(nodes: int) -> Iterator[Cluster]:
    """Run a head without CPUs and nodes with two each, and join them."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - reads the environment

    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        small: dict[str, Any] = {
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
            "memory": _NODE_MEMORY_BYTES,
        }
        cluster = Cluster(initialize_head=True, head_node_args={**small, "num_cpus": 0})
        try:
            for _ in range(nodes):
                cluster.add_node(**small, num_cpus=2)
            cluster.wait_for_nodes()
            with connect_ray(cluster.address):
                yield cluster
        finally:
            cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray's


def raylets(cluster: Cluster) -> dict[int, Any]:
    """Return the nodes by the process id of their raylet, which starts what runs there."""
    nodes: list[Any] = cluster.list_all_nodes()  # type: ignore[no-untyped-call]  # Ray's
    return {node.all_processes["raylet"][0].process.pid: node for node in nodes}
