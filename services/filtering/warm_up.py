"""Loads the kernels of filtering before the first call."""

from __future__ import annotations

from services.filtering.catalogue import CATALOGUE_ATTRIBUTES
from services.filtering.stage import FilteringStage
from services.shared_facts.warm_up_world import ONE_PAGE, few_facts


def warm_up() -> None:
    """Filter one small page."""
    FilteringStage(few_facts(CATALOGUE_ATTRIBUTES)).filter(ONE_PAGE)
