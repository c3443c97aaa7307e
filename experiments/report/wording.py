"""Words and signs that all reports share, in HTML and in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.metrics.definitions.definition import Direction, Family, Unit
from experiments.report.findings import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

FAMILIES: Mapping[Family, str] = {
    Family.RECALL: "What members played next",
    Family.SIMILARITY: "Likeness to control",
    Family.COMPOSITION: "What is on the pages",
}
VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.BETTER: ("\N{BLACK UP-POINTING TRIANGLE}", "clearly better"),
    Verdict.WORSE: ("\N{BLACK DOWN-POINTING TRIANGLE}", "clearly worse"),
    Verdict.DIFFERENT: ("\N{BLACK DIAMOND}", "clearly different"),
    Verdict.UNCLEAR: ("\N{WHITE CIRCLE}", "may be chance"),
    Verdict.SAME: ("=", "same on every page"),
    Verdict.UNTESTED: ("", "not tested"),
}
"""The sign of each verdict, and what it says."""

CLEAR = frozenset({Verdict.BETTER, Verdict.WORSE, Verdict.DIFFERENT})
"""Verdicts that say that there is a difference."""

BETTER: Mapping[Direction, str] = {
    Direction.HIGHER: "more is better",
    Direction.LOWER: "less is better",
    Direction.NEITHER: "",
}
UNITS: Mapping[Unit, str] = {
    Unit.ROWS: "rows",
    Unit.TITLES: "titles",
    Unit.SHARE: "",
    Unit.SCORE: "from 0 to 1",
    Unit.BITS: "bits",
    Unit.DOUBLINGS: "doublings",
    Unit.STEPS: "scrolls",
}
"""What a figure counts, where the figure does not say so itself."""

PLAYED = "\N{BLACK STAR}"
"""Marks what a member played next."""


def join_names(names: list[str]) -> str:
    """Return names as people list them, e.g. "a, b and c"."""
    if len(names) < 2:  # noqa: PLR2004 - nothing to join
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
