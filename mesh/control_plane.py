"""The running mesh: discovery, Envoy, the baseline and the stacks, started in that order."""

from __future__ import annotations

import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import grpc
import structlog

from mesh.addresses import Address
from mesh.certificates import Role
from mesh.data_plane import DataPlane
from mesh.envoy import ACCESS_LOG, DISCOVERY_SOCKET, Envoy
from mesh.errors import InvalidInput, WrongState
from mesh.launchers import LocalLauncher
from mesh.probes import Prober
from mesh.processes import Spawner
from mesh.stack_metrics import StackMetrics
from mesh.stacks import Stacks
from mesh.tls import Tls
from mesh.topology import BASELINE, ServiceProcess, check_each_once
from mesh.xds.discovery import DiscoveryServer
from mesh.xds.discovery_metrics import DiscoveryMetrics
from mesh.xds.resources import SHARED_CALLS, render
from mesh.xds.transport_sockets import render_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from prometheus_client import CollectorRegistry

    from mesh.topology import Topology
    from mesh.xds.consistency import ResourceSet

MAX_SHARED_CALLS = 4096

_DISCOVERY_WORKERS = 4  # an Envoy occupies one
_LOOPBACK = Address("127.0.0.1", 0)

_log = structlog.get_logger("mesh.control_plane")


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """Where the mesh listens, and how patient it is.

    Attributes:
        listen: Where clients call; port 0 means any free one.
        envoy_metrics: Where Envoy's Prometheus page is offered.
        start_timeout_seconds: How long a process may take to be ready.
        acknowledge_timeout_seconds: How long Envoy may take to acknowledge a change.
        probe_timeout_seconds: How long the first answer of a stack may take.
        shared_calls: Calls that one stack may have under way at one service of the baseline.
        tls: Directory of the certificates that calls are proved by, as an absolute path.
    """

    listen: Address = _LOOPBACK
    envoy_metrics: Address = _LOOPBACK
    start_timeout_seconds: float = 60.0
    acknowledge_timeout_seconds: float = 10.0
    probe_timeout_seconds: float = 10.0
    shared_calls: int = SHARED_CALLS
    tls: Path | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.shared_calls <= MAX_SHARED_CALLS:
            raise InvalidInput(
                f"{self.shared_calls} calls at once are no share of the baseline.",
                remedy=f"Give 1 to {MAX_SHARED_CALLS}.",
                field="--shared-calls",
            )

    @property
    def identity(self) -> Tls | None:
        """Who Envoy and the control plane are."""
        return None if self.tls is None else Tls(self.tls, Role.MESH)


class ControlPlane:
    """Run the mesh within a `with` block.

    Args:
        directory: Gets logs and sockets; one mesh at a time may use it.
        baseline: What runs for every stack.
        settings: Where and how.
        registry: Where metrics are collected.
        secrets: Environment variables for the processes of the baseline that ask for them.
        render: Gives Envoy's resources of a topology.

    Raises:
        AddressInUse: Somebody else listens where Envoy should.
        ProcessFailed: Envoy or a process of the baseline did not start.
        WrongState: Another mesh uses the directory.
    """

    def __init__(
        self,
        *,
        directory: Path,
        baseline: Sequence[ServiceProcess],
        settings: MeshSettings,
        registry: CollectorRegistry,
        secrets: Mapping[str, str] = MappingProxyType({}),
        render: Callable[..., ResourceSet] = render,
    ) -> None:
        check_each_once(tuple(baseline), field="baseline")
        self._directory = directory
        self._baseline = baseline
        self._settings = settings
        self._registry = registry
        self._secrets = secrets
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
        """Where Envoy's Prometheus page is offered, under /stats/prometheus."""
        return self._envoy_metrics_address

    @property
    def stacks(self) -> Stacks:
        """The stacks and the baseline."""
        return self._stacks

    def check(self) -> None:
        """Look after the processes: log those that died.

        Raises:
            ProcessFailed: Envoy is among them, so there is no mesh.
        """
        self._stacks.report_dead()
        if self._envoy.exit_reason() is not None:
            raise self._envoy.failure()

    def _start(self, running: ExitStack) -> None:
        settings = self._settings
        self._directory.mkdir(parents=True, exist_ok=True)
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        running.callback(os.close, directory)
        self._claim(directory)
        discovery = DiscoveryServer(DiscoveryMetrics(self._registry))
        data_plane = DataPlane(
            discovery, self._render, timeout_seconds=settings.acknowledge_timeout_seconds
        )
        revision = data_plane.offer()
        self._serve_discovery(discovery, directory, running)
        if settings.tls is not None:
            for name, secret in render_secrets(settings.tls).items():
                (self._directory / name).write_text(json.dumps(secret, indent=1))
        spawner = Spawner()
        self._envoy = Envoy(spawner, directory=self._directory, metrics=settings.envoy_metrics)
        running.callback(self._envoy.stop)
        self._address = self._envoy.wait_listening(
            settings.listen, timeout_seconds=settings.acknowledge_timeout_seconds
        )
        data_plane.wait_taken(revision)
        self._envoy_metrics_address = self._envoy.metrics_address
        _log.info("envoy_ready", address=str(self._address), pid=self._envoy.process_id)
        prober = Prober(self._address, settings.identity)
        running.callback(prober.close)
        self._stacks = Stacks(
            launcher=LocalLauncher(
                spawner,
                mesh_address=str(self._address),
                logs=self._directory / "logs",
                secrets=self._secrets,
                tls=settings.tls,
            ),
            data_plane=data_plane,
            prober=prober,
            metrics=StackMetrics(self._registry),
            start_timeout_seconds=settings.start_timeout_seconds,
            probe_timeout_seconds=settings.probe_timeout_seconds,
        )
        running.callback(self._stacks.close)
        self._stacks.start_baseline(self._baseline)
        _log.info("baseline_ready", processes=len(self._stacks.baseline), stack=BASELINE)

    def _claim(self, directory: int) -> None:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WrongState(
                f"Another mesh uses {self._directory}.",
                remedy="Stop it, or give this one a directory of its own.",
                field="--directory",
            ) from None

    def _serve_discovery(
        self, discovery: DiscoveryServer, directory: int, running: ExitStack
    ) -> None:
        server = grpc.server(
            ThreadPoolExecutor(_DISCOVERY_WORKERS, thread_name_prefix="discovery")
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
            tls=self._settings.tls is not None,
            shared_calls=self._settings.shared_calls,
        )
