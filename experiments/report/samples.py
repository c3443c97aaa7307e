"""Chooses the pages that a report shows side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.metrics.compute import PAGE_METRICS_FILE
from experiments.metrics.facts import find_played_next
from experiments.metrics.logged import SHOWN_SCHEMA
from experiments.stored_pages import add_titles, read_logged, read_simulated
from timetravel.model import LAST_MICROS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from experiments.metrics.facts import EngagementWindow
    from experiments.metrics.options import MeasuredRun
    from services.page.model import Page
    from timetravel.store import Store

_LIKENESS = ("row_overlap", "in_row_overlap", "viewport_overlap")


@dataclass(frozen=True, slots=True)
class Choice:
    """Name a page that is worth a look, and why; `change` is from 0 (none) to 1."""

    page_id: str
    profile_id: int
    stratum: str
    change: float
    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold one page in every version, with titles; failed ones are missing.

    Args:
        choice: Which page, and why.
        logged: What was really shown, None if nothing was.
        simulated: By variant.
        played: Videos that the member played next.
    """

    choice: Choice
    logged: Page | None
    simulated: Mapping[str, Page]
    played: frozenset[int]


def choose_pages(directory: Path, treatments: Sequence[str], *, each: int = 2) -> list[Choice]:
    """Return the pages that treatments change most, typically and least, of distinct profiles.

    Change is 1 less the mean likeness (of rows, inside rows, in view) over all treatments.

    Args:
        directory: The run's, measured.
        treatments: Variants without control.
        each: How many pages of each kind.
    """
    table = pq.read_table(
        directory / PAGE_METRICS_FILE,
        columns=["variant", "page_id", "profile_id", "stratum", *_LIKENESS],
        filters=pc.field("variant").isin(list(treatments)),
    )
    if not len(table):
        return []
    likeness = np.mean(
        [pc.fill_null(table[name], 0.0).to_numpy(zero_copy_only=False) for name in _LIKENESS],
        axis=0,
    )
    change = table.append_column("change", [1.0 - likeness])
    pages = change.group_by(["page_id", "profile_id", "stratum"]).aggregate(
        [("change", "mean")]
    )
    ranked = pages.sort_by(
        [("change_mean", "descending"), ("page_id", "ascending")]
    ).to_pylist()
    middle = len(ranked) // 2
    typical = sorted(range(len(ranked)), key=lambda place: (abs(place - middle), place))
    orders = (
        ("Changed most", range(len(ranked))),
        ("Changed typically", typical),
        ("Changed least", range(len(ranked) - 1, -1, -1)),
    )
    taken: set[int] = set()
    choices = []
    for reason, order in orders:
        chosen = 0
        for place in order:
            record = ranked[place]
            if chosen == each or record["profile_id"] in taken:
                continue
            taken.add(record["profile_id"])
            chosen += 1
            choices.append(
                Choice(
                    page_id=record["page_id"],
                    profile_id=record["profile_id"],
                    stratum=record["stratum"],
                    change=record["change_mean"],
                    reason=reason,
                )
            )
    return choices


def read_samples(
    run: MeasuredRun, store: Store, choices: Sequence[Choice], window: EngagementWindow
) -> list[Sample]:
    """Return the chosen pages in every version.

    Args:
        run: Where the simulated ones are, and the snapshot it pinned.
        store: Holds the logged ones, the titles and what was played.
        choices: Which pages.
        window: Which plays belong to a page.
    """
    reader = store.as_of(run.snapshot, run.known_by)
    page_ids = [choice.page_id for choice in choices]
    pages = {
        variant: read_simulated(run.directory, variant, page_ids) for variant in run.variants
    }
    samples = []
    for choice in choices:
        simulated = {
            variant: own[choice.page_id]
            for variant, own in pages.items()
            if choice.page_id in own
        }
        moment = next(iter(simulated.values())).as_of_micros
        logged = read_logged(store, choice.profile_id, moment, run.snapshot)
        known = [page for page in (logged, *simulated.values()) if page is not None]
        entitled = add_titles(reader, known)
        samples.append(
            Sample(
                choice=choice,
                logged=None if logged is None else entitled[0],
                simulated=dict(zip(simulated, entitled[-len(simulated) :], strict=True)),
                played=read_played_next(store, entitled[-1], run.snapshot, window),
            )
        )
    return samples


def read_played_next(
    store: Store, page: Page, snapshot: int, window: EngagementWindow
) -> frozenset[int]:
    """Return the videos that the member played after a page, as known by now."""
    later = store.logged_pages(
        since=page.as_of_micros,
        until=page.as_of_micros + window.horizon_micros + 1,
        profile_ids=[page.profile_id],
        snapshot=snapshot,
        with_features=False,
    )
    shown = [(own.profile_id, own.shown_at) for own in later]
    played = find_played_next(
        store.as_of(snapshot, LAST_MICROS),
        pa.table(
            {
                "page_id": ["this"],
                "profile_id": [page.profile_id],
                "as_of_micros": [page.as_of_micros],
            }
        ),
        pa.table(
            [[profile for profile, _ in shown], [moment for _, moment in shown]],
            schema=SHOWN_SCHEMA,
        ),
        window,
    )
    return frozenset(played["video_id"].to_pylist())
