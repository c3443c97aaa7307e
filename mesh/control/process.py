"""The control plane as a process, started by the host with the host's own arguments."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from core.errors import PagesimError
from mesh.control.arguments import mesh_parser, read_settings
from mesh.control.control_plane import ControlPlane
from mesh.control.server import register
from mesh.host.client import HostClient
from mesh.security.authorisation import TOKEN, PermittedIdentities, TokenHolders, read_token
from mesh.security.call_origin import CallKey
from mesh.security.certificates import Role
from mesh.serving import ServingOptions, start
from mesh.serving.logs import configure_logs
from mesh.serving.readiness import ReadyLine
from mesh.serving.server import stop_signals
from mesh.topology.baseline_file import read_baseline

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import FrameType

    from mesh.security.authorisation import Authorisation

_CHECK_SECONDS = 0.25
_GRACE_SECONDS = 5.0
_CALLS_AT_ONCE = 64  # a call that creates a stack lasts as long as its processes start

_log = structlog.get_logger("mesh")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the control plane until SIGTERM; return the exit code."""
    namespace = mesh_parser().parse_args(arguments)
    configure_logs()
    ready = ReadyLine(namespace.ready_fd)
    signal.signal(signal.SIGTERM, _exit)  # until there is something to drain
    try:
        with ExitStack() as running:
            _run(namespace, ready, running)
    except PagesimError as error:
        ready.report_failure(error)
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _run(namespace: argparse.Namespace, ready: ReadyLine, running: ExitStack) -> None:
    options = ServingOptions(
        address=namespace.control_address,
        metrics_address=namespace.metrics_address,
        workers=_CALLS_AT_ONCE,
    )
    settings = read_settings(namespace)
    registry = CollectorRegistry()
    host = HostClient(namespace.directory)
    running.callback(host.close)
    control_plane = running.enter_context(
        ControlPlane(
            host=host,
            directory=namespace.directory,
            baseline=read_baseline(namespace.baseline) if namespace.baseline else (),
            settings=settings,
            call_key=CallKey.take(os.environ),
            registry=registry,
        )
    )
    server = start(
        [register(control_plane, _authorise(namespace))],
        options,
        registry=registry,
        identity=settings.identity,
    )
    asked_to_stop = stop_signals()
    addresses = {
        "address": str(control_plane.address),
        "control_address": server.address,
        "metrics_address": server.metrics_address,
        "envoy_metrics_address": str(control_plane.envoy_metrics_address),
    }
    _log.info("control_plane_ready", **addresses)
    ready.report_addresses(**addresses)
    try:
        while not asked_to_stop.wait(_CHECK_SECONDS):
            control_plane.check()
    finally:
        _log.info("control_plane_stopping")
        server.stop(_GRACE_SECONDS)


def _authorise(namespace: argparse.Namespace) -> Authorisation:
    """Return who may change the mesh: with certificates some identities, else token holders."""
    if namespace.tls:
        return PermittedIdentities(frozenset(namespace.permit or [Role.CLIENT.identity]))
    return TokenHolders(read_token(namespace.directory), namespace.directory / TOKEN)


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
