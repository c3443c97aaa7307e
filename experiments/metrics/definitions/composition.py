"""Metrics of what a page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from experiments.metrics.definitions.joins import attach, attach_if_any

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from experiments.metrics.definitions.definition import Definition, MetricTables

FRESH_DAYS = 90
"""A title counts as fresh for so many days after it was added."""
_DAY_MICROS = 86_400_000_000


def rows_per_page(tables: MetricTables) -> ir.Table:
    """Count how many rows a page has."""
    rows = tables.rows
    return rows.group_by("page_digest").agg(value=rows.count().cast("float64"))


def videos_per_page(tables: MetricTables) -> ir.Table:
    """Count how many titles a page has, each as often as it stands there."""
    cells = tables.cells
    return cells.group_by("page_digest").agg(value=cells.count().cast("float64"))


def distinct_videos(tables: MetricTables) -> ir.Table:
    """Count how many different titles a page has."""
    cells = tables.cells
    return cells.group_by("page_digest").agg(value=cells.video_id.nunique().cast("float64"))


def duplicate_share(tables: MetricTables) -> ir.Table:
    """Measure the share of places that repeat a title of the page.

    Counted as 1 - different titles / places: of two places with one title one is a duplicate.
    """
    cells = tables.cells
    return cells.group_by("page_digest").agg(
        value=1.0 - cells.video_id.nunique() / cells.count().cast("float64")
    )


def viewport_duplicates(tables: MetricTables) -> ir.Table:
    """Count how many places in view before scrolling repeat a title that is in view."""
    cells = tables.cells
    visible = cells.in_viewport
    return cells.group_by("page_digest").agg(
        value=(visible.sum() - cells.video_id.nunique(where=visible)).cast("float64")
    )


def row_types(tables: MetricTables) -> ir.Table:
    """Count how many kinds of rows a page has."""
    rows = tables.rows
    return rows.group_by("page_digest").agg(value=rows.row_type.nunique().cast("float64"))


def row_share(label: str) -> Definition:
    """Return the metric of one row type: its share of the rows of a page."""

    def share(tables: MetricTables) -> ir.Table:
        rows = tables.rows
        return rows.group_by("page_digest").agg(
            value=(rows.row_type == label).cast("float64").mean()
        )

    share.__doc__ = f"Measure which share of a page's rows is of type {label}."
    return share


def genre_entropy(tables: MetricTables) -> ir.Table:
    """Measure how evenly a page spreads over genres: Shannon's entropy of its genres.

    Each place weighs 1, split evenly over its title's genres; titles without a genre are left
    out. 0 is one genre; 3 is as varied as 8 genres in equal parts. Source: Shannon, A
    Mathematical Theory of Communication (1948), section 6.
    """
    weighed = _with_videos(tables)
    weighed = weighed.filter(weighed.genres.length() > 0)
    weighed = weighed.select(
        "page_digest",
        genre=weighed.genres.unnest(),
        weight=1.0 / weighed.genres.length().cast("float64"),
    )
    genres = weighed.group_by(["page_digest", "genre"]).agg(weight=weighed.weight.sum())
    total = genres.weight.sum().over(ibis.window(group_by="page_digest"))
    shares = genres.select("page_digest", share=genres.weight / total)
    return shares.group_by("page_digest").agg(
        value=ibis.greatest(-(shares.share * shares.share.log2()).sum(), 0.0)
    )


def intra_list_diversity(tables: MetricTables) -> ir.Table:
    """Measure how unlike the titles in view are: mean distance of their genres.

    The distance of two different titles is 1 - |shared genres| / |genres of either|; titles
    without a genre are left out. Source: Ziegler, McNee, Konstan and Lausen,
    Improving Recommendation Lists Through Topic Diversification (WWW 2005), with Jaccard's
    distance.
    """
    cells = _with_videos(tables)
    cells = cells.filter(cells.in_viewport & (cells.genres.length() > 0))
    left = cells.select("page_digest", "video_id", "genres").distinct()
    right = left.view()
    pairs = left.join(
        right,
        [left.page_digest == right.page_digest, left.video_id < right.video_id],
        rname="{name}_other",
    )
    shared = pairs.genres.intersect(pairs.genres_other).length()
    either = pairs.genres.length() + pairs.genres_other.length() - shared
    pairs = pairs.select("page_digest", distance=1.0 - shared / either.cast("float64"))
    return pairs.group_by("page_digest").agg(value=pairs.distance.mean())


def popularity(tables: MetricTables) -> ir.Table:
    """Measure how much-played a page's titles were: mean of log2(1 + plays in a year).

    Plays are those of the 365 days before the as-of, as known then. 1 more is twice as many
    plays. The self-information of a title, a measure of novelty, is this with its sign
    turned, up to a constant. Source: Zhou et al., Solving the apparent diversity-accuracy
    dilemma of recommender systems (PNAS 2010).
    """
    cells = _with_videos(tables)
    return cells.group_by("page_digest").agg(
        value=(cells.plays.fill_null(0.0) + 1.0).log2().mean()
    )


def fresh_share(tables: MetricTables) -> ir.Table:
    """Measure the share of places whose title was added in the 90 days before."""
    cells = _with_videos(tables)
    age = cells.as_of_micros - cells.added_at_micros
    return cells.group_by("page_digest").agg(
        value=((age >= 0) & (age <= FRESH_DAYS * _DAY_MICROS))
        .fill_null(ibis.literal(value=False))
        .cast("float64")
        .mean()
    )


def unlicensed_videos(tables: MetricTables) -> ir.Table:
    """Count how many places show a title not licensed where and when the page was made."""
    cells, licences = tables.cells, tables.licences.mutate(licensed=ibis.literal(1))
    joined = attach_if_any(cells, licences, ["as_of_micros", "country", "video_id"])
    return joined.group_by("page_digest").agg(
        value=joined.licensed.isnull().sum().cast("float64")
    )


def overmature_videos(tables: MetricTables) -> ir.Table:
    """Count how many places show a title rated above the member's maturity limit.

    Titles without a rating and members without a limit are left out.
    """
    cells = _with_videos(tables)
    contents = tables.contents.select("page_digest", "profile_id", "as_of_micros")
    limits = attach(contents, tables.profiles, ["profile_id", "as_of_micros"])
    limits = limits.select("page_digest", "maturity_limit")
    joined = attach_if_any(cells, limits, ["page_digest"])
    return joined.group_by("page_digest").agg(
        value=(joined.maturity > joined.maturity_limit)
        .fill_null(ibis.literal(value=False))
        .sum()
        .cast("float64")
    )


def _with_videos(tables: MetricTables) -> ir.Table:
    """Return the cells with what was known of their videos; null where nothing was."""
    return attach_if_any(tables.cells, tables.videos, ["as_of_micros", "video_id"])
