"""Serve the assembler: python -m services.assembler --mesh-address HOST:PORT."""

from __future__ import annotations

from services.assembler.server import add_assembler
from services.assembler.warm_up import warm_up
from services.page.configuration import ASSEMBLER_SERVICE
from services.process import run_service

if __name__ == "__main__":
    run_service(
        "services.assembler",
        "Assemble homepages, with the help of the other services.",
        ASSEMBLER_SERVICE,
        add_assembler,
        warm_up,
    )
