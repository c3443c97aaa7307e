"""Serves a store by itself: python -m timetravel --store URL."""

from __future__ import annotations

import argparse
from pathlib import Path

from mesh.errors import PagesimError
from mesh.serving import Registration, add_serving_arguments, serve, serving_options
from timetravel.segments.directory import SegmentDirectory
from timetravel.server import add_time_travel
from timetravel.store import Store

SERVICE = "pagesim.timetravel.v1.TimeTravelService"


def main() -> None:
    """Serve a store's facts until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m timetravel", description="Answer what was true and known at a moment."
    )
    add_serving_arguments(parser)
    parser.add_argument(
        "--store",
        required=True,
        metavar="URL",
        help="sqlite:///path/to/store.db or postgresql+psycopg://user@host/database",
    )
    parser.add_argument(
        "--segments",
        type=Path,
        metavar="FOLDER",
        help="read pinned snapshots from the segments in this folder, where it has them",
    )
    namespace = parser.parse_args()
    segments = SegmentDirectory(namespace.segments) if namespace.segments else None
    try:
        options = serving_options(namespace)
        with Store.open(namespace.store) as store:
            service = Registration(
                SERVICE, lambda server: add_time_travel(server, store, segments)
            )
            serve([service], options)
    except PagesimError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
