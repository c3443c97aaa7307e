"""Chooses the pages that a report shows side by side, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.metrics.compute import PAGE_METRICS_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_LIKENESS = ("row_overlap", "in_row_overlap", "viewport_overlap")
_GAIN = "recall_in_view"
_KEYS = ["page_id", "profile_id", "stratum"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Name a page that is worth a look, and why.

    Args:
        page_id: Which page.
        profile_id: Whose.
        stratum: The member's.
        change: From 0 (none) to 1, over the treatments.
        reason: Why it was chosen, as a heading.
        treatments: Which treatments to show beside control.
    """

    page_id: str
    profile_id: int
    stratum: str
    change: float
    reason: str
    treatments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Order:
    """Pages from the one that shows a thing best to the one that shows it worst."""

    reason: str
    treatments: tuple[str, ...]
    pages: pa.Table
    places: Sequence[int]


def choose_pages(directory: Path, variants: Sequence[str]) -> list[Choice]:
    """Return pages of distinct profiles that show what treatments do, each with its reason.

    First the page that treatments change typically; then for each treatment the page on
    which it brings into view most, and the one on which it loses most, of what the member
    played next; then the pages that are changed most and least. Change is 1 less the mean
    likeness (of rows, inside rows, in view).

    Args:
        directory: The run's, measured.
        variants: Control first.
    """
    control, *treatments = variants
    table = pq.read_table(
        directory / PAGE_METRICS_FILE, columns=["variant", *_KEYS, *_LIKENESS, _GAIN]
    )
    changes = _with_change(table.filter(pc.field("variant").isin(treatments)))
    if not len(changes):
        return []
    gains = [
        order
        for treatment in treatments
        for order in _orders_by_gain(table, changes, control, treatment)
    ]
    typical, most, least = _orders_by_change(changes, tuple(treatments))
    taken: set[int] = set()
    choices = []
    for order in (typical, *gains, most, least):
        choice = next(_untaken(order, taken), None)
        if choice is not None:
            taken.add(choice.profile_id)
            choices.append(choice)
    return choices


def _with_change(table: pa.Table) -> pa.Table:
    likeness = [
        pc.fill_null(table[name], 0.0).to_numpy(zero_copy_only=False) for name in _LIKENESS
    ]
    return table.append_column("change", [1.0 - np.mean(likeness, axis=0)])


def _orders_by_change(changes: pa.Table, treatments: tuple[str, ...]) -> list[_Order]:
    pages = changes.group_by(_KEYS).aggregate([("change", "mean")])
    pages = pages.rename_columns([*_KEYS, "change"])
    pages = pages.sort_by([("change", "descending"), ("page_id", "ascending")])
    count = len(pages)
    middle = count // 2
    typical = sorted(range(count), key=lambda place: (abs(place - middle), place))
    return [
        _Order("Changed typically", treatments, pages, typical),
        _Order("Changed most", treatments, pages, range(count)),
        _Order("Changed least", treatments, pages, range(count - 1, -1, -1)),
    ]


def _orders_by_gain(
    table: pa.Table, changes: pa.Table, control: str, treatment: str
) -> Iterator[_Order]:
    before = table.filter(pc.field("variant") == control).select(["page_id", _GAIN])
    pages = changes.filter(pc.field("variant") == treatment).join(
        before.rename_columns(["page_id", "before"]), "page_id", join_type="inner"
    )
    pages = pages.append_column("gain", pc.subtract(pages[_GAIN], pages["before"]))
    for reason, best, wanted in (
        (f"Where {treatment} gains", "descending", pc.field("gain") > 0),
        (f"Where {treatment} loses", "ascending", pc.field("gain") < 0),
    ):
        found = pages.filter(wanted).sort_by([("gain", best), ("page_id", "ascending")])
        yield _Order(reason, (treatment,), found, range(len(found)))


def _untaken(order: _Order, taken: set[int]) -> Iterator[Choice]:
    for place in order.places:
        record = {name: order.pages[name][place].as_py() for name in (*_KEYS, "change")}
        if record["profile_id"] not in taken:
            yield Choice(reason=order.reason, treatments=order.treatments, **record)
