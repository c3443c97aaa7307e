"""Serve a store: python -m timetravel --store URL."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from core.errors import PagesimError
from mesh.serving import Registration, add_serving_arguments, serve, serving_options
from timetravel.ingest.stream.server import SERVICE as INGEST
from timetravel.ingest.stream.server import add_ingest
from timetravel.rpc.server import add_time_travel
from timetravel.segments.directory import SegmentDirectory
from timetravel.segments.warm_up import warm_up
from timetravel.store import Store

STORE_VARIABLE = "PAGESIM_STORE"
SERVICE = "pagesim.timetravel.v1.TimeTravelService"


def main() -> None:
    """Serve a store's facts until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m timetravel", description="Answer what was true and known at a moment."
    )
    add_serving_arguments(parser)
    parser.add_argument(
        "--store",
        metavar="URL",
        help="sqlite:///path/to/store.db or postgresql+psycopg://user@host/database; without "
        f"it the environment's {STORE_VARIABLE}, which nobody sees who lists processes",
    )
    parser.add_argument(
        "--segments",
        type=Path,
        metavar="FOLDER",
        help="read pinned snapshots from the segments in this folder, where it has them",
    )
    parser.add_argument(
        "--ingest",
        action="store_true",
        help="also take facts into the store; never for a process that experiments use",
    )
    namespace = parser.parse_args()
    store_url = namespace.store or os.environ.get(STORE_VARIABLE)
    if not store_url:
        parser.error(f"no store is named: give --store or set {STORE_VARIABLE}")
    segments = SegmentDirectory(namespace.segments) if namespace.segments else None
    if segments:
        warm_up()
    try:
        options = serving_options(namespace)
        with Store.open(store_url) as store:
            services = [
                Registration(SERVICE, lambda server: add_time_travel(server, store, segments))
            ]
            if namespace.ingest:
                services.append(
                    Registration(
                        INGEST,
                        lambda server: add_ingest(server, store, now_micros=_now_micros),
                        needs_context=False,
                    )
                )
            serve(services, options)
    except PagesimError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def _now_micros() -> int:
    return time.time_ns() // 1_000


if __name__ == "__main__":
    main()
