"""Run a mesh until SIGTERM or SIGINT: `python -m mesh --baseline FILE`.

This process is the host: it owns Envoy and the service processes, and starts the control
plane again when that dies.
"""

from __future__ import annotations

import os
import secrets as randomness
import signal
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from core.errors import PagesimError
from mesh.call.addresses import parse_address
from mesh.client.announcement import Announcement, announce, announcement_folder
from mesh.control.arguments import mesh_parser
from mesh.host.directory import claim_directory
from mesh.host.keeper import Keeper
from mesh.host.ports import ReservedPort
from mesh.host.programs import Programs
from mesh.host.server import serve_programs
from mesh.process.child_process import Program, Spawner
from mesh.security.authorisation import make_token
from mesh.security.call_origin import CallKey
from mesh.security.certificates import Role, check_certificates
from mesh.serving.logs import configure_logs
from mesh.serving.readiness import ReadyLine
from mesh.serving.server import stop_signals
from mesh.topology.baseline_file import read_baseline, take_secrets

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import FrameType

_CHECK_SECONDS = 0.1
_START_SECONDS = 110.0
_GRACE_SECONDS = 10.0
_ADDRESSES = ("address", "control_address", "metrics_address", "envoy_metrics_address")

_log = structlog.get_logger("mesh")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mesh; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    namespace = mesh_parser().parse_args(given)
    configure_logs()
    ready = ReadyLine(namespace.ready_fd)
    signal.signal(signal.SIGTERM, _exit)  # until there is something to stop
    try:
        with ExitStack() as running:
            directory = namespace.directory or Path(
                running.enter_context(tempfile.TemporaryDirectory(prefix="pagesim-mesh-"))
            )
            _run(namespace, given, directory.absolute(), ready, running)
    except PagesimError as error:
        ready.report_failure(error)
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _run(
    namespace: argparse.Namespace,
    given: Sequence[str],
    directory: Path,
    ready: ReadyLine,
    running: ExitStack,
) -> None:
    baseline = read_baseline(namespace.baseline) if namespace.baseline else ()
    # Out of our environment, or Envoy and every other process would inherit them.
    secrets = take_secrets(baseline, os.environ)
    tls = namespace.tls.absolute() if namespace.tls else None
    if tls is not None:
        check_certificates(tls, tuple(Role), now=datetime.now(UTC))
    claimed = running.enter_context(claim_directory(directory))
    if tls is None:
        make_token(directory)  # here, so that it outlives the control plane
    reserved = [
        *("--directory", str(directory), "--ready-fd", "{ready_fd}"),
        *_reserve_ports(namespace, running),
    ]
    spawner = Spawner()
    programs = Programs(spawner, host_id=randomness.token_hex(8), secrets=secrets)
    running.callback(programs.stop_all, _GRACE_SECONDS)
    server = serve_programs(programs, claimed)
    running.callback(lambda: server.stop(0).wait())
    keeper = Keeper(
        spawner,
        Program(
            name="The control plane",
            # What stands last on a command line counts.
            command=(sys.executable, "-m", "mesh.control.process", *given, *reserved),
            log=None,
            environment=CallKey.make().variables(),  # the same whenever it starts again
        ),
    )
    running.callback(keeper.stop)
    addresses = keeper.start(_START_SECONDS)
    asked_to_stop = stop_signals()
    _log.info("mesh_ready", directory=str(directory), **addresses)
    announcement = Announcement(
        **addresses, directory=directory, process_id=os.getpid(), tls=tls
    )
    running.enter_context(announce(announcement, announcement_folder(os.environ)))
    ready.report_addresses(**addresses)
    while not asked_to_stop.wait(_CHECK_SECONDS):
        programs.check()
        keeper.check()
    _log.info("mesh_stopping")


def _reserve_ports(namespace: argparse.Namespace, running: ExitStack) -> list[str]:
    arguments = []
    for name in _ADDRESSES:
        option = f"--{name.replace('_', '-')}"
        asked = parse_address(getattr(namespace, name), field=option)
        port = running.enter_context(ReservedPort(asked, field=option))
        arguments += [option, str(port.address)]
    return arguments


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
