"""Envoy's view of the topology, changed one step at a time, each step acknowledged."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from core.errors import PagesimError
from mesh.errors import MeshError
from mesh.xds.kinds import Kind
from mesh.xds.snapshot import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mesh.topology.topology import Cluster, PlacedStack, Topology
    from mesh.xds.consistency import ResourceSet
    from mesh.xds.discovery import DiscoveryServer

_CLUSTERS = frozenset({Kind.CLUSTER, Kind.ENDPOINTS})
_ROUTES = frozenset({Kind.ROUTES})
_EVERYTHING = frozenset(Kind)

_log = structlog.get_logger("mesh.envoy")


class DataPlane:
    """Move Envoy from one topology to the next, or leave it where it was.

    A stack's clusters are there before its routes and go after them, so no call meets a
    route to nowhere. One change is under way at a time, so a refusal has one cause.

    Args:
        discovery: Pushes to Envoy.
        render: Gives the resources of a topology.
        timeout_seconds: How long Envoy may take to acknowledge a step.
        topology: Where Envoy was left by the control plane before this one.
    """

    def __init__(
        self,
        discovery: DiscoveryServer,
        render: Callable[[Topology], ResourceSet],
        *,
        timeout_seconds: float,
        topology: Topology,
    ) -> None:
        self._discovery = discovery
        self._render = render
        self._timeout_seconds = timeout_seconds
        self._encoder = Encoder()
        self._changing = threading.Lock()
        self._topology = topology

    def offer(self) -> int:
        """Publish the present topology before Envoy starts; return its revision."""
        return self._publish(self._topology)

    def wait_taken(self, revision: int) -> None:
        """Wait until Envoy has all of the revision.

        Raises:
            ConfigurationRejected: Envoy refused it.
            Unavailable: It did not answer in time.
        """
        self._discovery.wait_acknowledged(
            revision, _EVERYTHING, timeout_seconds=self._timeout_seconds
        )

    def set_baseline(self, clusters: tuple[Cluster, ...]) -> None:
        """Make the clusters the baseline, if that is news.

        Raises:
            ConfigurationRejected: Envoy refused them.
            Unavailable: Envoy did not answer in time.
        """
        with self._change():
            baseline = {cluster.service: cluster for cluster in clusters}
            if baseline == self._topology.baseline:
                return
            self._apply(replace(self._topology, baseline=baseline), _CLUSTERS | _ROUTES)

    def add(self, placed: PlacedStack) -> None:
        """Route calls to the stack: its clusters first, then its routes.

        Raises:
            ConfigurationRejected: Envoy refused; nothing of the stack remains.
            Unavailable: Envoy did not answer in time; nothing of the stack remains.
        """
        with self._change():
            if placed.clusters:
                unrouted = replace(placed, routed=False)
                self._apply(self._topology.with_stack(unrouted), _CLUSTERS)
            routed = replace(placed, routed=True)
            self._apply(self._topology.with_stack(routed), _ROUTES)

    def refuse(self, stack_id: str) -> None:
        """Refuse new calls to the stack, as one that drains; those in flight go on.

        Raises:
            Unavailable: Envoy did not answer in time.
        """
        with self._change():
            placed = replace(self._topology.stacks[stack_id], draining=True)
            self._apply(self._topology.with_stack(placed), _ROUTES)

    def remove_routes(self, stack_id: str) -> None:
        """Stop routing calls to the stack; those in flight go on.

        Raises:
            Unavailable: Envoy did not answer in time.
        """
        with self._change():
            placed = self._topology.stacks[stack_id]
            self._apply(self._topology.with_stack(replace(placed, routed=False)), _ROUTES)

    def remove(self, stack_id: str) -> None:
        """Forget the stack: its routes, if it has any left, then its clusters.

        Raises:
            Unavailable: Envoy did not answer in time.
        """
        with self._change():
            placed = self._topology.stacks[stack_id]
            if placed.routed:
                unrouted = replace(placed, routed=False)
                self._apply(self._topology.with_stack(unrouted), _ROUTES)
            self._apply(self._topology.without_stack(stack_id), _CLUSTERS)

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._changing:
            before = self._topology
            try:
                yield
            except PagesimError as error:
                _log.warning("change_taken_back", reason=str(error))
                self._topology = before
                self._take_back()
                raise

    def _take_back(self) -> None:
        try:
            self.wait_taken(self._publish(self._topology))
        except MeshError as error:
            # The first error is the one to tell; Envoy gets this state when it is back.
            _log.warning("change_not_taken_back", reason=str(error))

    def _apply(self, topology: Topology, kinds: frozenset[Kind]) -> None:
        revision = self._publish(topology)
        self._discovery.wait_acknowledged(
            revision, kinds, timeout_seconds=self._timeout_seconds
        )
        self._topology = topology

    def _publish(self, topology: Topology) -> int:
        return self._discovery.publish(self._encoder.encode(self._render(topology)))
