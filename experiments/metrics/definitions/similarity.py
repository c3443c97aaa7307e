"""Similarity of a page to its reference, from 0 (disjoint) to 1 (equal)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from experiments.metrics.definitions.joins import attach, attach_if_any
from experiments.metrics.definitions.weights import PERSISTENCE

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from experiments.metrics.definitions.definition import MetricTables

_PAIR = ["page_digest", "reference_digest"]


def identical_pages(tables: MetricTables) -> ir.Table:
    """Measure the share of pages whose bytes equal their reference's, scores included."""
    pairs = tables.pairs
    return pairs.mutate(value=(pairs.page_digest == pairs.reference_digest).cast("float64"))


def changed_pages(tables: MetricTables) -> ir.Table:
    """Measure the share of pages that look different: other rows, titles or order.

    Scores, which no member sees, do not count.
    """
    contents = tables.contents.select("page_digest", "fingerprint")
    references = contents.select(
        reference_digest=contents.page_digest, reference_fingerprint=contents.fingerprint
    )
    joined = attach(tables.pairs, contents, ["page_digest"])
    joined = attach(joined, references, ["reference_digest"])
    return joined.select(
        *_PAIR, value=(joined.fingerprint != joined.reference_fingerprint).cast("float64")
    )


def row_overlap(tables: MetricTables) -> ir.Table:
    """Compare which rows stand where: rank-biased overlap of the two pages' rows.

    Rows are the same when their ids are; persistence is 0.9, so that the first rows count
    most. Source: Webber, Moffat and Zobel, A Similarity Measure for Indefinite Rankings (ACM
    TOIS 2010), equation 32 (extrapolated, lists of uneven length).
    """
    rows = tables.rows
    ranked = rows.select("page_digest", item=rows.row_id, rank=rows.row_index + 1)
    left = attach(tables.pairs, ranked, ["page_digest"])
    right = attach(
        tables.pairs, ranked.rename(reference_digest="page_digest"), ["reference_digest"]
    )
    return rank_biased_overlap(left, right, tables.depths, _PAIR)


def in_row_overlap(tables: MetricTables) -> ir.Table:
    """Compare the titles inside the rows that both pages have: mean rank-biased overlap.

    Pairs without a common row have no value. Persistence and source as for `row_overlap`.
    """
    rows = tables.rows.select("page_digest", "row_id", "videos")
    references = rows.select(
        reference_digest=rows.page_digest, row_id=rows.row_id, reference_videos=rows.videos
    )
    shared = attach(tables.pairs, rows, ["page_digest"])
    shared = attach(shared, references, ["reference_digest", "row_id"])
    key = [*_PAIR, "row_id"]
    same = shared.filter(shared.videos == shared.reference_videos).select(*key, value=1.0)
    other = shared.filter(shared.videos != shared.reference_videos)
    overlaps = rank_biased_overlap(
        _ranked(other, key, "videos"),
        _ranked(other, key, "reference_videos"),
        tables.depths,
        key,
    )
    both = ibis.union(same, overlaps)
    return both.group_by(_PAIR).agg(value=both.value.mean())


def viewport_overlap(tables: MetricTables) -> ir.Table:
    """Compare what is in view before scrolling: Jaccard's index weighed by exposure.

    The sum over titles of the smaller exposure on either page, divided by the sum of the
    larger. A place exposes its title by 1 / log2(row + column), counted from 1; places of one
    title add up. Source: Ruzicka's generalisation of Jaccard (1958) to weights.
    """
    cells = tables.cells.filter(tables.cells.in_viewport)
    exposed = cells.group_by(["page_digest", "video_id"]).agg(exposure=cells.exposure.sum())
    left = attach(tables.pairs, exposed, ["page_digest"])
    right = attach(
        tables.pairs, exposed.rename(reference_digest="page_digest"), ["reference_digest"]
    )
    sides = ibis.union(
        left.select(*_PAIR, "video_id", here=left.exposure, there=0.0),
        right.select(*_PAIR, "video_id", here=0.0, there=right.exposure),
    )
    titles = sides.group_by([*_PAIR, "video_id"]).agg(
        here=sides.here.sum(), there=sides.there.sum()
    )
    return titles.group_by(_PAIR).agg(
        value=ibis.least(titles.here, titles.there).sum()
        / ibis.greatest(titles.here, titles.there).sum()
    )


def rank_biased_overlap(
    left: ir.Table, right: ir.Table, depths: ir.Table, key: list[str]
) -> ir.Table:
    """Return the extrapolated rank-biased overlap of pairs of lists, `key` and value.

    With s <= l the lengths, X_d the number of common entries in the first d of both, and
    W(d) the sum of p^e / e up to d (Webber, Moffat and Zobel 2010, equation 32)::

        (1 - p) / p * (sum over d <= l of X_d / d * p^d
                       + sum over s < d <= l of X_s (d - s) / (s d) * p^d)
        + ((X_l - X_s) / l + X_s / s) * p^l

    A common entry is in X_d from the deeper of its two ranks on, so the first sum needs no
    loop over depths: it is the sum over common entries of W(l) - W(rank - 1).

    Args:
        left: `key`, item, rank (from 1); entries of a list are distinct.
        right: The same.
        depths: depth, weight: W.
        key: Names the pair; present in both.
    """
    lengths = attach(_length(left, key), _length(right, key).rename(other="length"), key)
    lengths = lengths.select(
        *key,
        shorter=ibis.least(lengths.length, lengths.other),
        longer=ibis.greatest(lengths.length, lengths.other),
    )
    common = attach(
        left.select(*key, "item", "rank"),
        right.select(*key, "item", other="rank"),
        [*key, "item"],
    )
    common = common.select(*key, rank=ibis.greatest(common["rank"], common.other))
    before = depths.select(rank=depths.depth + 1, weight_before=depths.weight)
    common = attach(attach(common, before, ["rank"]), lengths, key)
    sums = common.group_by(key).agg(
        shared=common.count().cast("float64"),
        shared_early=(common["rank"] <= common.shorter).sum().cast("float64"),
        weight_before=common.weight_before.sum(),
    )
    whole = attach_if_any(lengths, sums, key)
    of_shorter = depths.select(shorter=depths.depth, weight_shorter=depths.weight)
    of_longer = depths.select(longer=depths.depth, weight_longer=depths.weight)
    whole = attach(attach(whole, of_shorter, ["shorter"]), of_longer, ["longer"])
    shared, early = whole.shared.fill_null(0.0), whole.shared_early.fill_null(0.0)
    p, s, l = PERSISTENCE, whole.shorter.cast("float64"), whole.longer.cast("float64")  # noqa: E741 - the paper's letters
    agreement = shared * whole.weight_longer - whole.weight_before.fill_null(0.0)
    missing = (early / s) * (
        (ibis.literal(p) ** (s + 1) - ibis.literal(p) ** (l + 1)) / (1 - p)
        - s * (whole.weight_longer - whole.weight_shorter)
    )
    tail = ((shared - early) / l + early / s) * ibis.literal(p) ** l
    value = (1 - p) / p * (agreement + missing) + tail
    return whole.select(*key, value=ibis.least(ibis.greatest(value, 0.0), 1.0))


def _length(ranked: ir.Table, key: list[str]) -> ir.Table:
    return ranked.group_by(key).agg(length=ranked.count())


def _ranked(rows: ir.Table, key: list[str], column: str) -> ir.Table:
    videos = rows[column]
    return rows.select(
        *key, item=videos.unnest(), rank=ibis.range(1, videos.length() + 1, 1).unnest()
    )
