"""Metrics of discovery: pushes, acknowledgements and refusals by kind of resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from mesh.xds.kinds import Kind


class DiscoveryMetrics:
    """Count what passes between the control plane and Envoy."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pushes = Counter(
            "pagesim_mesh_pushes", "Responses sent to Envoy.", ["kind"], registry=registry
        )
        self._acknowledgements = Counter(
            "pagesim_mesh_acknowledgements",
            "Responses that Envoy took.",
            ["kind"],
            registry=registry,
        )
        self._refusals = Counter(
            "pagesim_mesh_refusals",
            "Responses that Envoy refused.",
            ["kind"],
            registry=registry,
        )

    def count_push(self, kind: Kind) -> None:
        """Count a response sent."""
        self._pushes.labels(kind.name.lower()).inc()

    def count_acknowledgement(self, kind: Kind) -> None:
        """Count a response that Envoy took."""
        self._acknowledgements.labels(kind.name.lower()).inc()

    def count_refusal(self, kind: Kind) -> None:
        """Count a response that Envoy refused."""
        self._refusals.labels(kind.name.lower()).inc()
