"""Run one of the processes that `pagesim server` starts: python -m experiments.server ROLE."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from pathlib import Path

from core.errors import PagesimError
from experiments.generation.baseline import start_mesh
from experiments.server.controller import Controller
from experiments.server.doors.administration import Administration
from experiments.server.doors.servicer import serve_doors
from experiments.server.programs import CONTROLLER, DOORS, WORKER
from experiments.server.settings import ServerSettings, open_tables
from experiments.server.steps import STEPS, run_step
from experiments.server.worker import Worker
from mesh.serving import connect
from mesh.serving.logs import configure_logs
from mesh.serving.server import stop_signals
from timetravel.store import Store

_TOKEN_BYTES = 4


def main() -> None:
    """Run the process until it is told to stop, or has done its work."""
    parser = argparse.ArgumentParser(prog="python -m experiments.server")
    parser.add_argument("role", choices=(DOORS, CONTROLLER, WORKER, *STEPS))
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--segments", type=Path, required=True)
    parser.add_argument("--address", default="127.0.0.1:0", help="where doors listen")
    parser.add_argument("--stacks", type=int, default=1)
    parser.add_argument("--logs", type=Path, help="gets the logs of a worker's mesh")
    parser.add_argument("--experiment", default="")
    given = parser.parse_args()
    configure_logs()
    settings = ServerSettings.take_from(os.environ, given.runs, given.segments)
    try:
        sys.exit(_run(given, settings))
    except PagesimError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def _run(given: argparse.Namespace, settings: ServerSettings) -> int:
    with open_tables(settings) as tables:
        if given.role in STEPS:
            return run_step(given.role, given.experiment, settings, tables)
        asked_to_stop = stop_signals()
        if given.role == DOORS:
            with Store.open(settings.store_url) as store:
                administration = Administration(
                    settings,
                    tables,
                    store,
                    draw_token=lambda: secrets.token_hex(_TOKEN_BYTES),
                    environment=os.environ,
                )
                serve_doors(administration, tables.register, given.address, asked_to_stop)
            return 0
        if given.role == CONTROLLER:
            Controller(settings, tables, monotonic_seconds=time.monotonic).run(asked_to_stop)
            return 0
        with (
            start_mesh(settings.store_url, settings.segments, given.logs) as mesh,
            connect(mesh.address, tls=mesh.tls) as channel,
        ):
            Worker(
                settings,
                tables,
                mesh,
                channel,
                given.stacks,
                monotonic_seconds=time.monotonic,
            ).run(asked_to_stop)
        return 0


if __name__ == "__main__":
    main()
