"""Run the mesh until SIGTERM or SIGINT: `python -m mesh --baseline FILE`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from mesh.addresses import parse_address
from mesh.authorisation import PermittedIdentities, make_token
from mesh.baseline import read_baseline, take_secrets
from mesh.certificates import Role, check_certificates
from mesh.control_plane import ControlPlane, MeshSettings
from mesh.errors import PagesimError
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
    tls = namespace.tls.absolute() if namespace.tls else None
    if tls is not None:
        check_certificates(tls, tuple(Role), now=datetime.now(UTC))
    settings = MeshSettings(
        listen=parse_address(namespace.address, field="--address"),
        envoy_metrics=parse_address(
            namespace.envoy_metrics_address, field="--envoy-metrics-address"
        ),
        start_timeout_seconds=namespace.start_timeout_seconds,
        probe_timeout_seconds=namespace.probe_timeout_seconds,
        shared_calls=namespace.shared_calls,
        tls=tls,
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
    with ControlPlane(
        directory=directory,
        baseline=baseline,
        settings=settings,
        registry=registry,
        secrets=secrets,
    ) as control_plane:
        authorisation = (
            make_token(directory)
            if tls is None
            else PermittedIdentities(frozenset(namespace.permit or [Role.CLIENT.identity]))
        )
        server = start(
            [register(control_plane, authorisation)],
            options,
            registry=registry,
            identity=settings.identity,
        )
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
        "--tls",
        type=Path,
        metavar="DIRECTORY",
        help="certificates with which all prove who they are (default: none, plain calls)",
    )
    parser.add_argument(
        "--shared-calls",
        type=int,
        default=MeshSettings().shared_calls,
        metavar="N",
        help="calls that one stack may have under way at one service of the baseline; "
        "further ones are answered UNAVAILABLE at once (%(default)s)",
    )
    parser.add_argument(
        "--permit",
        action="append",
        metavar="URI",
        help="with --tls, an identity that may create and delete stacks; may be given more "
        f"than once (default: {Role.CLIENT.identity})",
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
