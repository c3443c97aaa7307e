"""Plans the source of each row's candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.errors import InvalidPages
from services.page.model import RowOrdering, RowType
from services.page.ranges import expand_ranges, starts
from services.ranking.columns import RowPlan
from services.ranking.kernel import FROM_MASK, FROM_ORDER, FROM_REQUEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import BoolArray, Int32Array, Int64Array
    from services.page.model import RowDefinition
    from services.ranking.task import RankingTask
    from services.ranking.view import RankingView

TOP_TEN_SIZE = 10

GIVEN_TYPES = (RowType.CONTINUE_WATCHING, RowType.MY_LIST, RowType.BECAUSE_YOU_WATCHED)
_WHOLE_TYPES = (RowType.TOP_PICKS, RowType.GENRE)


def candidate_source(row: RowDefinition, *, is_given: bool) -> int:
    """Return where a row's candidates come from.

    Raises:
        InvalidPages: They depend on the profile and are not given.
    """
    if is_given:
        return FROM_REQUEST
    if row.type in GIVEN_TYPES:
        raise InvalidPages(
            f"Candidates of the {row.type.label} row {row.row_id!r} depend on the profile.",
            remedy="Give them, and set is_given for the row.",
            field="is_given",
        )
    if row.type in _WHOLE_TYPES and row.ordering is RowOrdering.MODEL:
        return FROM_MASK
    return FROM_ORDER


def order_limit(row: RowDefinition, depth: int, candidate_depth: int) -> int:
    """Return how many candidates a row takes from its own order at most."""
    if row.type is RowType.TOP_TEN:
        return TOP_TEN_SIZE
    return candidate_depth if row.ordering is RowOrdering.MODEL else depth


def plan_rows(
    task: RankingTask,
    view: RankingView,
    indexes: Int64Array,
    countries: Sequence[str],
) -> RowPlan:
    """Return the plan for the pages of one epoch.

    Args:
        task: The whole batch.
        view: The epoch.
        indexes: int64[pages], places of the epoch's pages in the batch.
        countries: Country of each page of the batch.

    Raises:
        InvalidPages: Candidates that depend on the profile are not given.
    """
    sources = row_sources(task.rows, task.is_given)
    orders: list[Int32Array] = []
    order_of = np.full((len(indexes), len(task.rows)), -1, np.int64)
    for row_index in np.flatnonzero(sources == FROM_ORDER).tolist():
        known: dict[str, int] = {}
        for page, index in enumerate(indexes.tolist()):
            country = countries[index]
            if country not in known:
                known[country] = len(orders)
                orders.append(view.order(task.rows[row_index], country))
            order_of[page, row_index] = known[country]
    given_starts, given_positions = _take_given(task, indexes)
    return RowPlan(
        sources=sources,
        by_model=np.array([row.ordering is RowOrdering.MODEL for row in task.rows], np.bool_),
        limits=np.array(
            [order_limit(row, task.depth, view.settings.candidate_depth) for row in task.rows],
            np.int64,
        ),
        priors=np.array([row.prior for row in task.rows], np.float32),
        seen=np.array([row.seen for row in task.rows], np.int64),
        members=view.catalogue.row_members(
            tuple(
                row.genre if source == FROM_MASK else None
                for row, source in zip(task.rows, sources.tolist(), strict=True)
            )
        ),
        order_of=order_of,
        order_offsets=np.cumsum([0, *(len(order) for order in orders)], dtype=np.int64),
        order_positions=np.concatenate([np.empty(0, np.int32), *orders]),
        given_starts=given_starts,
        given_positions=given_positions,
    )


def row_sources(rows: Sequence[RowDefinition], is_given: BoolArray) -> Int64Array:
    """Return where the candidates of each row come from: int64[rows]."""
    return np.array(
        [
            candidate_source(row, is_given=given)
            for row, given in zip(rows, is_given.tolist(), strict=True)
        ],
        np.int64,
    )


def _take_given(task: RankingTask, indexes: Int64Array) -> tuple[Int64Array, Int32Array]:
    rows = len(task.rows)
    counts = task.given_counts[indexes]
    first = task.given_starts[:-1].reshape(-1, rows)[indexes]
    members = expand_ranges(first.ravel(), counts.ravel())
    return starts(counts.ravel()), task.given_positions[members]
