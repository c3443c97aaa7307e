"""Serve dedup: python -m services.dedup --mesh-address HOST:PORT."""

from __future__ import annotations

from services.dedup.server import add_dedup
from services.dedup.warm_up import warm_up
from services.page.configuration import DEDUP_SERVICE
from services.process import run_service

if __name__ == "__main__":
    run_service(
        "services.dedup",
        "Remove repeated videos from pages, and refill what is left.",
        DEDUP_SERVICE,
        add_dedup,
        warm_up,
    )
