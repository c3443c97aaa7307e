"""The share of the catalogue that a set of pages shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir


def coverage(shown: ir.Table, catalogue_size: int) -> ir.Table:
    """Measure the share of the catalogue that stands on at least one page of the set.

    A set-level figure: it grows with the number of pages, so it can be compared between
    variants, which have the same pages, and not between strata. It is not a mean over pages and
    has no interval.

    Args:
        shown: variant, stratum, video_id; distinct.
        catalogue_size: Videos of the listing at the last as-of.

    Returns:
        variant, stratum, value.
    """
    videos = shown.group_by(["variant", "stratum"]).agg(videos=shown.video_id.nunique())
    return videos.select(
        "variant", "stratum", value=videos.videos.cast("float64") / max(catalogue_size, 1)
    )
