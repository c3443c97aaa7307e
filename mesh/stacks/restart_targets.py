"""The replicas that are restarted when they die: the baseline's, and those of each stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.stacks.deployment import endpoints_of
from mesh.topology.stack import StackState
from mesh.topology.topology import group_endpoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.envoy.data_plane import DataPlane
    from mesh.stacks.deployment import Deployment
    from mesh.stacks.replicas import Replica


class Baseline:
    """The replicas that serve every stack."""

    def __init__(self, data_plane: DataPlane) -> None:
        self._data_plane = data_plane
        self.processes: list[Replica] = []

    def is_wanted(self) -> bool:
        """Return whether its replicas are to be started again."""
        return True

    def report_serving(self) -> None:
        """Tell Envoy where the replicas are; some may never have served before."""
        self._data_plane.set_baseline(group_endpoints(endpoints_of(self.processes)))

    def report_given_up(self, reason: str) -> None:
        """Hear that a replica will not be started again."""
        raise AssertionError(f"the baseline is never given up: {reason}")


class OwnedReplicas:
    """The replicas of one stack."""

    def __init__(self, deployment: Deployment, publish: Callable[[Deployment], None]) -> None:
        self._deployment = deployment
        self._publish = publish

    def is_wanted(self) -> bool:
        """Return whether its replicas are to be started again."""
        return self._deployment.live

    def report_serving(self) -> None:
        """Hear that a replica serves again, where it did before."""
        self._publish(self._deployment)

    def report_given_up(self, reason: str) -> None:
        """Hear that a replica will not be started again."""
        self._deployment.state = StackState.FAILED
        self._deployment.reason = reason
        self._publish(self._deployment)
