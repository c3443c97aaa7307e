"""Serve ranking: python -m services.ranking --mesh-address HOST:PORT."""

from __future__ import annotations

from services.page.configuration import RANKING_SERVICE
from services.process import run_service
from services.ranking.server import add_ranking
from services.ranking.warm_up import warm_up

if __name__ == "__main__":
    run_service(
        "services.ranking",
        "Order the videos of rows by a model, and score the rows.",
        RANKING_SERVICE,
        add_ranking,
        warm_up,
    )
