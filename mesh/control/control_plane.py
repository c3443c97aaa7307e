"""The control plane: starts discovery, Envoy, the baseline and the stacks, in that order.

What a host runs already, for a control plane that died, is taken over.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import structlog

from mesh.envoy.access_log import AccessLog
from mesh.envoy.data_plane import DataPlane
from mesh.envoy.envoy import ACCESS_LOG, DISCOVERY_SOCKET, Envoy
from mesh.security.certificates import Role
from mesh.security.tls import Tls
from mesh.serving.server import SERVER_OPTIONS
from mesh.stacks.journal import JOURNAL, Journal
from mesh.stacks.metrics import StackMetrics
from mesh.stacks.probes import Prober
from mesh.stacks.recovery import recover
from mesh.stacks.replicas import Launcher
from mesh.stacks.stacks import Stacks
from mesh.topology.service_process import ServiceProcess, check_each_once
from mesh.topology.stack import BASELINE
from mesh.xds.discovery import DiscoveryServer
from mesh.xds.discovery_metrics import DiscoveryMetrics
from mesh.xds.resources import render
from mesh.xds.transport_sockets import render_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from prometheus_client import CollectorRegistry

    from mesh.call.addresses import Address
    from mesh.host.client import HostClient
    from mesh.security.call_origin import CallKey
    from mesh.topology.topology import Topology
    from mesh.xds.consistency import ResourceSet

_DISCOVERY_WORKERS = 4  # an Envoy occupies one

_log = structlog.get_logger("mesh.control")


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """Where the mesh listens, and how patient it is.

    Attributes:
        listen: Where clients call.
        envoy_metrics: Where Envoy's Prometheus endpoint is offered.
        start_timeout_seconds: How long a process may take to be ready.
        acknowledge_timeout_seconds: How long Envoy may take to acknowledge a change.
        probe_timeout_seconds: How long the first answer of a stack may take.
        access_log_bytes: Size at which the access log begins anew.
        tls: Directory of the certificates that calls are proved by, as an absolute path.
    """

    listen: Address
    envoy_metrics: Address
    start_timeout_seconds: float = 60.0
    acknowledge_timeout_seconds: float = 10.0
    probe_timeout_seconds: float = 10.0
    access_log_bytes: int = 64 << 20
    tls: Path | None = None

    @property
    def identity(self) -> Tls | None:
        """Who Envoy and the control plane are."""
        return None if self.tls is None else Tls(self.tls, Role.MESH)


class ControlPlane:
    """Run the mesh within a `with` block; Envoy and all processes stay when it ends.

    Args:
        host: Runs them.
        directory: Gets logs and sockets.
        baseline: What runs for every stack.
        settings: Where and how.
        call_key: Gives the secrets by which services know Envoy's calls; with `settings.tls`
            certificates do.
        registry: Where metrics are collected.
        render: Gives Envoy's resources of a topology.

    Raises:
        AddressInUse: Somebody else listens where Envoy should.
        ProcessFailed: Envoy or a process of the baseline did not start.
    """

    def __init__(
        self,
        *,
        host: HostClient,
        directory: Path,
        baseline: Sequence[ServiceProcess],
        settings: MeshSettings,
        call_key: CallKey,
        registry: CollectorRegistry,
        render: Callable[..., ResourceSet] = render,
    ) -> None:
        check_each_once(tuple(baseline), field="baseline")
        self._host = host
        self._directory = directory
        self._baseline = baseline
        self._settings = settings
        self._call_key = call_key if settings.tls is None else None
        self._registry = registry
        self._render_resources = render
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._start(starting)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._running.close()

    @property
    def address(self) -> Address:
        """Where clients call."""
        return self._address

    @property
    def envoy_metrics_address(self) -> Address:
        """Where Envoy's Prometheus endpoint is offered, under /stats/prometheus."""
        return self._envoy_metrics_address

    @property
    def stacks(self) -> Stacks:
        """The stacks and the baseline."""
        return self._stacks

    def check(self) -> None:
        """Start dead processes again, end stacks whose lease is over, trim the access log."""
        self._stacks.check()
        self._access_log.check()

    def _start(self, running: ExitStack) -> None:
        settings = self._settings
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        running.callback(os.close, directory)
        journal = Journal(
            self._directory / JOURNAL, host_id=self._host.host_id, baseline=self._baseline
        )
        running.callback(journal.close)
        launcher = Launcher(
            self._host,
            mesh_address=str(settings.listen),
            logs=self._directory / "logs",
            call_key=self._call_key,
            tls=settings.tls,
        )
        remains = recover(journal, launcher)
        discovery = DiscoveryServer(DiscoveryMetrics(self._registry))
        data_plane = DataPlane(
            discovery,
            self._render,
            timeout_seconds=settings.acknowledge_timeout_seconds,
            topology=remains.topology(),
        )
        revision = data_plane.offer()
        self._serve_discovery(discovery, directory, running)
        if settings.tls is not None:
            for name, secret in render_secrets(settings.tls).items():
                (self._directory / name).write_text(json.dumps(secret, indent=1))
        envoy = Envoy(self._host, directory=self._directory, metrics=settings.envoy_metrics)
        self._access_log = AccessLog(
            self._directory,
            limit_bytes=settings.access_log_bytes,
            reopen=envoy.reopen_logs,
        )
        self._address = envoy.wait_listening(
            settings.listen, timeout_seconds=settings.acknowledge_timeout_seconds
        )
        data_plane.wait_taken(revision)
        self._envoy_metrics_address = envoy.metrics_address
        _log.info("envoy_ready", address=str(self._address), pid=envoy.process_id)
        prober = Prober(self._address, settings.identity)
        running.callback(prober.close)
        self._stacks = Stacks(
            launcher=launcher,
            data_plane=data_plane,
            prober=prober,
            metrics=StackMetrics(self._registry),
            journal=journal,
            start_timeout_seconds=settings.start_timeout_seconds,
            probe_timeout_seconds=settings.probe_timeout_seconds,
        )
        running.callback(self._stacks.close)
        self._stacks.adopt(remains)
        self._stacks.start_baseline(journal.baseline)
        _log.info("baseline_ready", processes=len(self._stacks.baseline), stack=BASELINE)

    def _serve_discovery(
        self, discovery: DiscoveryServer, directory: int, running: ExitStack
    ) -> None:
        server = grpc.server(
            ThreadPoolExecutor(_DISCOVERY_WORKERS, thread_name_prefix="discovery"),
            options=SERVER_OPTIONS,
        )
        discovery.add_to_server(server)
        (self._directory / DISCOVERY_SOCKET).unlink(missing_ok=True)
        # Through the open directory, the path is short however long the directory's is.
        server.add_insecure_port(f"unix:/proc/self/fd/{directory}/{DISCOVERY_SOCKET}")
        (self._directory / DISCOVERY_SOCKET).chmod(0o600)
        server.start()
        running.callback(lambda: server.stop(0).wait())

    def _render(self, topology: Topology) -> ResourceSet:
        return self._render_resources(
            topology,
            listen=self._settings.listen,
            access_log=ACCESS_LOG,
            call_key=self._call_key,
        )
