"""Serve filtering: python -m services.filtering --mesh-address HOST:PORT."""

from __future__ import annotations

from services.filtering.server import add_filtering
from services.filtering.warm_up import warm_up
from services.page.configuration import FILTERING_SERVICE
from services.process import run_service

if __name__ == "__main__":
    run_service(
        "services.filtering",
        "Decide which videos each page may show.",
        FILTERING_SERVICE,
        add_filtering,
        warm_up,
    )
