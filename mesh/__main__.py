"""Run the mesh until SIGTERM or SIGINT: `python -m mesh --baseline FILE`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from mesh.addresses import parse_address
from mesh.baseline import read_baseline, take_secrets
from mesh.control_plane import ControlPlane, MeshSettings
from mesh.errors import PagesimError
from mesh.launchers.choice import LAUNCHERS, LauncherChoice
from mesh.server import register
from mesh.serving import ServingOptions, start
from mesh.serving.logs import configure_logs
from mesh.serving.readiness import ReadyLine
from mesh.serving.server import stop_signals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_CHECK_SECONDS = 0.5
_GRACE_SECONDS = 5.0
_CALLS_AT_ONCE = 64  # a call that creates a stack lasts as long as its processes start

_log = structlog.get_logger("mesh")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mesh; return the exit code."""
    namespace = _parser().parse_args(arguments)
    configure_logs()
    ready = ReadyLine(namespace.ready_fd)
    signal.signal(signal.SIGTERM, _exit)  # until there is something to drain
    try:
        with ExitStack() as running:
            directory = namespace.directory or Path(
                running.enter_context(tempfile.TemporaryDirectory(prefix="pagesim-mesh-"))
            )
            _run(namespace, directory, ready)
    except PagesimError as error:
        ready.tell_failure(error)
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _run(namespace: argparse.Namespace, directory: Path, ready: ReadyLine) -> None:
    settings = MeshSettings(
        listen=parse_address(namespace.address, field="--address"),
        envoy_metrics=parse_address(
            namespace.envoy_metrics_address, field="--envoy-metrics-address"
        ),
        start_timeout_seconds=namespace.start_timeout_seconds,
        probe_timeout_seconds=namespace.probe_timeout_seconds,
    )
    options = ServingOptions(
        address=namespace.control_address,
        metrics_address=namespace.metrics_address,
        workers=_CALLS_AT_ONCE,
    )
    registry = CollectorRegistry()
    baseline = read_baseline(namespace.baseline) if namespace.baseline else ()
    # Out of our environment, or Envoy and every other process would inherit them.
    secrets = take_secrets(baseline, os.environ)
    choice = LauncherChoice(namespace.launcher, namespace.ray_address, namespace.restarts)
    with (
        choice.open(start_timeout_seconds=settings.start_timeout_seconds) as make_launcher,
        ControlPlane(
            directory=directory,
            baseline=baseline,
            settings=settings,
            registry=registry,
            secrets=secrets,
            make_launcher=make_launcher,
        ) as control_plane,
    ):
        server = start([register(control_plane)], options, registry=registry)
        addresses = {
            "address": str(control_plane.address),
            "control_address": server.address,
            "metrics_address": server.metrics_address,
            "envoy_metrics_address": str(control_plane.envoy_metrics_address),
        }
        asked_to_stop = stop_signals()
        _log.info("mesh_ready", directory=str(directory), **addresses)
        ready.tell_addresses(**addresses)
        try:
            while not asked_to_stop.wait(_CHECK_SECONDS):
                control_plane.check()
        finally:
            _log.info("mesh_stopping")
            server.stop(_GRACE_SECONDS)


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mesh", description=__doc__)
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="JSON list of the processes that serve every stack (default: none)",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        help="where logs go (default: a temporary one, removed at the end)",
    )
    parser.add_argument(
        "--launcher",
        default=LauncherChoice().name,
        choices=LAUNCHERS,
        help="what runs the processes: this machine, or a Ray cluster (%(default)s)",
    )
    parser.add_argument(
        "--ray-address",
        metavar="HOST:PORT",
        help='head of the Ray cluster; "auto" for the one that runs on this machine',
    )
    parser.add_argument(
        "--restarts",
        type=int,
        default=LauncherChoice().restarts,
        metavar="N",
        help="how often a process that ends by itself is started again (%(default)s)",
    )
    for name, what in (
        ("--address", "clients call, through Envoy"),
        ("--control-address", "MeshService listens"),
        ("--metrics-address", "the control plane's Prometheus metrics are, at /metrics"),
        ("--envoy-metrics-address", "Envoy's Prometheus metrics are, at /stats/prometheus"),
    ):
        parser.add_argument(
            name,
            default="127.0.0.1:0",
            metavar="HOST:PORT",
            help=f"where {what}; port 0 means any free one (%(default)s)",
        )
    parser.add_argument(
        "--start-timeout-seconds",
        type=float,
        default=MeshSettings().start_timeout_seconds,
        metavar="SECONDS",
        help="how long a process may take to be ready (%(default)s)",
    )
    parser.add_argument(
        "--probe-timeout-seconds",
        type=float,
        default=MeshSettings().probe_timeout_seconds,
        metavar="SECONDS",
        help="how long the first answer of a new stack may take (%(default)s)",
    )
    parser.add_argument(
        "--ready-fd",
        type=int,
        metavar="N",
        help="file descriptor that gets one line of JSON with the addresses when ready",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
