"""Compiles every kernel before anybody waits: `python -m services.warm_up`.

Compiling takes about a minute, once: the result is kept beside the code, or in a cache folder
of the user's where the code cannot be written to. A service that starts loads its own kernels
from there, in a fraction of a second.
"""

from __future__ import annotations

from services.assembler.warm_up import warm_up as warm_up_assembler
from services.dedup.warm_up import warm_up as warm_up_dedup
from services.filtering.warm_up import warm_up as warm_up_filtering
from services.ranking.warm_up import warm_up as warm_up_ranking
from timetravel.segments.warm_up import warm_up as warm_up_segments


def warm_up() -> None:
    """Compile or load the kernels of every service, and of segments."""
    warm_up_segments()
    warm_up_filtering()
    warm_up_ranking()
    warm_up_dedup()
    warm_up_assembler()


if __name__ == "__main__":
    warm_up()
