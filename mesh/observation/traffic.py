"""Requests, errors and latency of stacks and replicas, by the metrics of services and Envoy."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mesh.call.addresses import parse_address
from mesh.envoy.envoy import METRICS_PATH
from mesh.observation.samples import read_endpoints, read_samples
from mesh.topology.stack import BASELINE
from mesh.xds.resources import statistics_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client.samples import Sample

    from mesh.call.addresses import Address
    from mesh.topology.stack import Endpoint

_HEALTHY = "envoy_cluster_membership_healthy"
_CALLS = "pagesim_requests_total"
_ERRORS = "pagesim_request_errors_total"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls that services answered, and how many of them with an error."""

    calls: int = 0
    errors: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.calls + other.calls, self.errors + other.errors)


class Counted(NamedTuple):
    """What calls are counted by.

    Attributes:
        owner: Stack whose process answered; empty for the baseline.
        service: Full gRPC name of the service that answered.
        stack: Stack that was called.
    """

    owner: str
    service: str
    stack: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What the metrics of a mesh said at one moment.

    Attributes:
        traffic: Of all processes together. A process counts from its own start, and forgets
            stacks that were silent for long.
        healthy: Replicas that Envoy calls, by owner (empty for the baseline) and the
            service's name in statistics; None if Envoy's endpoint did not answer.
        silent: Addresses of metrics endpoints that did not answer.
    """

    traffic: Mapping[Counted, Traffic]
    healthy: Mapping[tuple[str, str], int] | None
    silent: frozenset[Address]

    def stack_traffic(self, stack_id: str) -> Traffic:
        """Return the stack's traffic, calls between its services included."""
        found = (
            traffic for counted, traffic in self.traffic.items() if counted.stack == stack_id
        )
        return sum(found, Traffic())

    def service_traffic(self, owner: str, service: str) -> Traffic:
        """Return the traffic of the owner's processes of a service, of all stacks."""
        found = (
            traffic
            for counted, traffic in self.traffic.items()
            if (counted.owner, counted.service) == (owner, service)
        )
        return sum(found, Traffic())

    def healthy_replicas(self, stack_id: str, service: str) -> int | None:
        """Return how many replicas of a cluster Envoy calls; None if it does not say."""
        if self.healthy is None:
            return None
        return self.healthy.get((stack_id, statistics_name(service)))


def observe(envoy_metrics_address: str, endpoints: Sequence[Endpoint]) -> Observation:
    """Read the metrics of Envoy and of the processes."""
    samples_by_address = read_endpoints([endpoint.metrics_address for endpoint in endpoints])
    envoy = read_samples(
        parse_address(envoy_metrics_address),
        METRICS_PATH,
        {"filter": r"^cluster\..*\.membership_healthy$"},
    )
    return Observation(
        traffic=sum_traffic(
            (endpoint.stack_id, samples_by_address[endpoint.metrics_address])
            for endpoint in endpoints
        ),
        healthy=None if envoy is None else read_health(envoy),
        silent=frozenset(
            address for address, found in samples_by_address.items() if found is None
        ),
    )


def sum_traffic(
    samples_by_owner: Iterable[tuple[str, Iterable[Sample] | None]],
) -> dict[Counted, Traffic]:
    """Return the traffic in the samples of processes, each with the process's owner."""
    found: defaultdict[Counted, Traffic] = defaultdict(Traffic)
    for owner, samples in samples_by_owner:
        for sample in samples or ():
            if sample.name in (_CALLS, _ERRORS):
                key = Counted(owner, sample.labels["service"], sample.labels["stack"])
                number = int(sample.value)
                found[key] += Traffic(number) if sample.name == _CALLS else Traffic(0, number)
    return dict(found)


def read_health(samples: Iterable[Sample]) -> dict[tuple[str, str], int]:
    """Return how many replicas Envoy calls, by owner and service's name in statistics."""
    healthy = {}
    for sample in samples:
        if sample.name == _HEALTHY:
            stack_id = sample.labels.get("pagesim_stack", BASELINE)
            owner = f"stack/{stack_id}/" if stack_id else "baseline/"
            service = sample.labels["envoy_cluster_name"].removeprefix(owner)
            healthy[stack_id, service] = int(sample.value)
    return healthy
