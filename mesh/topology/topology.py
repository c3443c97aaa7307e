"""Clusters and routes, as each stack sees them: pure data and pure functions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mesh.call.addresses import Address
    from mesh.topology.stack import Endpoint, Stack


@dataclass(frozen=True, slots=True)
class Cluster:
    """The replicas that serve one service, for a stack or for the baseline."""

    service: str
    stack_id: str
    addresses: tuple[Address, ...]

    @property
    def name(self) -> str:
        """Name in Envoy; stack ids hold no '/', so no two clusters share one."""
        return cluster_name(self.service, self.stack_id)


@dataclass(frozen=True, slots=True)
class PlacedStack:
    """A stack whose processes run; calls reach it once it is routed, until it drains."""

    stack: Stack
    clusters: tuple[Cluster, ...]
    routed: bool = False
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that Envoy has to know.

    Attributes:
        baseline: Cluster by service.
        stacks: Placed stack by id.
    """

    baseline: Mapping[str, Cluster] = field(default_factory=dict)
    stacks: Mapping[str, PlacedStack] = field(default_factory=dict)

    def with_stack(self, placed: PlacedStack) -> Topology:
        """Return the topology with the stack added, or put in place of its former self."""
        return replace(self, stacks={**self.stacks, placed.stack.stack_id: placed})

    def without_stack(self, stack_id: str) -> Topology:
        """Return the topology without the stack."""
        return replace(
            self,
            stacks={name: placed for name, placed in self.stacks.items() if name != stack_id},
        )

    def clusters(self) -> tuple[Cluster, ...]:
        """Return all clusters, the baseline's first."""
        return (
            *self.baseline.values(),
            *(cluster for placed in self.stacks.values() for cluster in placed.clusters),
        )

    def routes(self, placed: PlacedStack) -> Mapping[str, Cluster]:
        """Return which cluster serves each service for the stack, by service."""
        own = {cluster.service: cluster for cluster in placed.clusters}
        return dict(sorted({**self.baseline, **own}.items()))


def cluster_name(service: str, stack_id: str) -> str:
    """Return what Envoy calls the cluster of a service, of a stack or of the baseline."""
    owner = f"stack/{stack_id}" if stack_id else "baseline"
    return f"{owner}/{service}"


def group_endpoints(endpoints: tuple[Endpoint, ...]) -> tuple[Cluster, ...]:
    """Return the clusters that the endpoints form, ordered by service."""
    replicas: dict[tuple[str, str], list[Address]] = {}
    for endpoint in endpoints:
        replicas.setdefault((endpoint.service, endpoint.stack_id), []).append(endpoint.address)
    return tuple(
        Cluster(service, stack_id, tuple(sorted(addresses)))
        for (service, stack_id), addresses in sorted(replicas.items())
    )
