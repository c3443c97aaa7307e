"""Metrics of whether a page showed what the member played next.

"Played" is every different title that the member played or rated after the page, within
the engagement window (see `facts`). Pages after which nothing was played have no value.

These figures say where the page had put titles that were found on *another* page, the logged
one; a page that repeats the logged page has an edge (presentation bias).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from experiments.metrics.definitions.joins import attach, attach_if_any

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from experiments.metrics.definitions.definition import MetricTables


def recall_in_view(tables: MetricTables) -> ir.Table:
    """Measure the share of the titles played next that were in view before scrolling.

    Source: Alvino and Basilico, Learning a Personalized Homepage (Netflix Technology Blog,
    2015): Recall at m by n, with the viewport as m by n.
    """
    places = _places(tables)
    return places.group_by("page_digest").agg(
        value=places.in_viewport.fill_null(ibis.literal(value=False)).cast("float64").mean()
    )


def recall_on_page(tables: MetricTables) -> ir.Table:
    """Measure the share of the titles played next that were anywhere on the page.

    Source: as for `recall_in_view`, with the whole page as m by n.
    """
    places = _places(tables)
    return places.group_by("page_digest").agg(
        value=places.exposure.notnull().cast("float64").mean()
    )


def page_ndcg(tables: MetricTables) -> ir.Table:
    """Measure how near to the top left the titles played next were, against the best page.

    Each played title gains 1 / log2(row + column) of its best place, counted from 1; the sum
    is divided by that of a page of the same geometry with the played titles first along the
    anti-diagonals. Source: Jarvelin and Kekalainen, Cumulated Gain-Based Evaluation of IR
    Techniques (ACM TOIS 2002), in two dimensions.
    """
    places = _places(tables)
    gains = places.group_by("page_digest").agg(
        gain=places.exposure.fill_null(0.0).sum(), titles=places.count()
    )
    shaped = attach(gains, tables.contents, ["page_digest"])
    shaped = attach(shaped, tables.ideals, ["geometry_rows", "geometry_columns", "titles"])
    return shaped.select("page_digest", value=ibis.least(shaped.gain / shaped.ideal_gain, 1.0))


def scroll_effort(tables: MetricTables) -> ir.Table:
    """Count the scrolls, a row down or a title across, to the first title played next.

    A page that shows none of them costs a step more than its farthest place, so that losing
    a title never looks like an improvement. Source: the number of scrolls to a play, as in
    Learning a Personalized Homepage (Netflix Technology Blog, 2015).
    """
    places = _places(tables)
    nearest = places.group_by("page_digest").agg(steps=places.steps.min())
    shaped = attach(nearest, tables.contents, ["page_digest"])
    all_of_it = (
        shaped.geometry_rows
        - shaped.viewport_rows
        + shaped.geometry_columns
        - shaped.viewport_columns
        + 1
    )
    return shaped.select("page_digest", value=shaped.steps.fill_null(all_of_it).cast("float64"))


def _places(tables: MetricTables) -> ir.Table:
    """Return one record per content and played title: its best place, null without one."""
    contents = tables.contents.select("page_digest", "page_id")
    wanted = attach(contents, tables.engagement, ["page_id"]).select("page_digest", "video_id")
    cells = attach(tables.cells, wanted, ["page_digest", "video_id"])
    best = cells.group_by(["page_digest", "video_id"]).agg(
        exposure=cells.exposure.max(),
        steps=cells.steps.min(),
        in_viewport=cells.in_viewport.any(),
    )
    return attach_if_any(wanted, best, ["page_digest", "video_id"])
