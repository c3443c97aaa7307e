"""Reads the pages that a report shows side by side, in every variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.moments import LAST_MICROS
from experiments.generation.stored_pages import (
    add_titles,
    read_logged,
    read_simulated,
    read_titles,
)
from experiments.metrics.inputs.played import find_played_next
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.metrics.inputs.played import EngagementWindow
    from experiments.metrics.options import MeasuredRun
    from experiments.report.pages.choices import Choice
    from services.page.model import Page
    from timetravel.store import Store


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold one page in every version, with titles; failed ones are missing.

    Args:
        choice: Which page, and why.
        member: Id of the member, as the store was told of it.
        logged: What was really shown, None if nothing was.
        simulated: By variant.
        played: Titles that the member played next, by video id.
    """

    choice: Choice
    member: int | str
    logged: Page | None
    simulated: Mapping[str, Page]
    played: Mapping[int, str]


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
            if choice.page_id in own and variant in (run.variants[0], *choice.treatments)
        }
        moment = next(iter(simulated.values())).as_of_micros
        logged = read_logged(store, choice.profile_id, moment, run.snapshot)
        known = [page for page in (logged, *simulated.values()) if page is not None]
        entitled = add_titles(store, reader, known)
        played = read_played_next(store, entitled[-1], run.snapshot, window)
        titles = read_titles(store, reader, [(moment, video_id) for video_id in played])
        samples.append(
            Sample(
                choice=choice,
                member=store.external_id(EntityKind.PROFILE, choice.profile_id),
                logged=None if logged is None else entitled[0],
                simulated=dict(zip(simulated, entitled[-len(simulated) :], strict=True)),
                played={video_id: title for (_, video_id), title in titles.items()},
            )
        )
    return samples


def read_played_next(
    store: Store, page: Page, snapshot: int, window: EngagementWindow
) -> frozenset[int]:
    """Return the videos that the member played after a page, as known by now."""
    later = store.logged_digests(
        since=page.as_of_micros,
        until=page.as_of_micros + window.horizon_micros + 1,
        profile_ids=[page.profile_id],
        snapshot=snapshot,
    )
    played = find_played_next(
        store.as_of(snapshot, LAST_MICROS),
        np.array([page.profile_id], np.int64),
        np.array([page.as_of_micros], np.int64),
        later.profile_ids,
        later.shown_at,
        window,
    )
    return frozenset(played.video_ids.tolist())
