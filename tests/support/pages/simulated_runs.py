"""Small finished runs to measure and report on: real facts, real pages, no processes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

import numpy as np

from experiments.generation.external_ids import PageIds
from experiments.generation.pages import ChunkTables, PartitionPath
from experiments.scope.strata import describe_keys
from services.in_process import InProcessAssembler
from services.page.canonical import canonical_bytes
from services.page.inputs import PROFILE_FEATURE_GROUPS
from tests.support.pages.page_keys import keys_of, requests_of
from tests.support.pages.page_worlds import DAY, START, make_world
from timetravel.database.migrate import upgrade
from timetravel.facts.model import EventFact, EventKind, LoggedFeatures, LoggedPageFact
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from services.page.model import AssembledPages, PageRequests
    from timetravel.facts.model import Fact, JsonValue
    from timetravel.queries.as_of_reader import AsOfReader

EXPERIMENT: Final = "popularity-or-diversity"
OVERLAYS: Final[Mapping[str, Mapping[str, JsonValue]]] = {
    "control": {},
    "popularity": {"ranking": {"model": "popularity"}},
    "diversity": {"row_selection": {"policy": "greedy"}},
}
"""What each variant lays over the configuration."""


@dataclass(frozen=True)
class SimulatedRun:
    """A finished run: its directory, the store it read, and the snapshot it pinned."""

    directory: Path
    store_url: str
    snapshot: int
    variants: tuple[str, ...] = tuple(OVERLAYS)


def make_run(directory: Path, *, seed: int = 5, profiles: int = 12) -> SimulatedRun:
    """Fill a store, log pages in it, simulate variants, and write what a run writes.

    Every profile has two logged pages; those of the last profile were logged from an older
    configuration, so control does not equal them.
    """
    random = Random(seed)  # noqa: S311 - a test world, not a secret
    url = f"sqlite:///{directory / 'store.db'}"
    upgrade(url)
    world = make_world(seed, profiles=profiles)
    members = world.profile_ids
    moments = sorted(
        (START + random.randrange(8, 20) * DAY + random.randrange(DAY), profile)
        for profile in members
        for _ in range(2)
    )
    asked = keys_of(
        (moment, profile, random.choice(("tv", "phone"))) for moment, profile in moments
    )
    requests = requests_of(asked)
    with Store.open(url) as store:
        with store.begin(START) as writer:
            for group in world.groups:
                writer.register(group)
            writer.append(world.facts, source="test", synthetic=True)
        _live_on(store, requests, odd_one=members[-1])
        snapshot = store.snapshot()
        keys = describe_keys(store.as_of(snapshot), asked, ["country"])
        for variant, overlay in OVERLAYS.items():
            pages = InProcessAssembler(
                store.as_of(snapshot), configuration_overlay=overlay
            ).assemble(requests)
            path = PartitionPath(directory, EXPERIMENT, variant, "000")
            tables = ChunkTables(PageIds.by_numbers())
            tables.add(keys, pages)
            tables.write(path, 0)
    return SimulatedRun(directory, url, snapshot)


def _live_on(store: Store, requests: PageRequests, *, odd_one: int) -> None:
    """Log one page after the other, each with what its member then did."""
    for index in range(len(requests)):
        request = requests.take(np.array([index]))
        overlay: Mapping[str, JsonValue] = {}
        if int(request.profile_ids[0]) == odd_one:
            overlay = {"dedup": {"policy": "row"}}
        reader = store.as_of()
        pages = InProcessAssembler(reader, configuration_overlay=overlay).assemble(request)
        with store.begin(START) as writer:
            writer.append(_facts_of(reader, pages), source="test", synthetic=True)


def _facts_of(reader: AsOfReader, pages: AssembledPages) -> list[Fact]:
    page = pages.page(0)
    profile, moment = page.profile_id, page.as_of_micros
    features = []
    for group in PROFILE_FEATURE_GROUPS:
        rows = reader.features(group, [profile], moment)
        features.append(
            LoggedFeatures(
                group, np.array([profile]), rows.values, rows.known_at, rows.valid_from
            )
        )
    logged = LoggedPageFact(
        profile,
        moment,
        moment,
        page.device,
        {},
        canonical_bytes(page),
        pages.digests[0],
        tuple(features),
    )
    # The member plays the third title of the second row, and another one much later.
    played = ((1, page.rows[1].videos[2]), (400, page.rows[0].videos[0]))
    return [
        logged,
        *(
            EventFact(
                f"{profile}-{moment}-{hours}",
                profile,
                moment + hours * DAY // 24,
                EventKind.PLAY,
                video.video_id,
                1.0,
                moment + hours * DAY // 24,
            )
            for hours, video in played
        ),
    ]
