"""Loads the kernels before the first call, by making one small page in the usual way.

`python -m services.warm_up` compiles them, those of segments included, before anybody waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.in_process import InProcessAssembler
from services.page.inputs import (
    ADDED_AT,
    COUNTRY,
    GENRES,
    MATURITY,
    MATURITY_LIMIT,
    PROFILE_GENRE_AFFINITY,
    PROFILE_TASTE,
    TITLE,
    VIDEO_POPULARITY,
    VIDEO_TRENDING,
    YEAR,
)
from services.page.model import PageRequests
from services.page.production import production_documents
from timetravel.errors import UnknownDocument
from timetravel.facts.model import EntityKind, EventKind, FeatureGroup
from timetravel.reading.reader import (
    AllocationRows,
    AttributeRows,
    AvailabilityBitmaps,
    CatalogueFeatures,
    CatalogueRows,
    DocumentVersion,
    FeatureRows,
    HistoryRows,
    digest_listing,
)
from timetravel.segments import warm_up as segments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import Identities, Moments

_VIDEOS = 8
_OVERLAY: dict[str, JsonValue] = {
    "row_selection": {"policy": "greedy"},
    "dedup": {"minimum_row_size": 1},
}


def warm_up() -> None:
    """Make a page of a world of a few videos, so that every kernel is compiled and loaded.

    Compiling takes 15 seconds, once: the result is kept beside the code, or in a cache
    folder of the user's where the code cannot be written to. Loading takes a second.
    """
    assembler = InProcessAssembler(_FewVideos(), configuration_overlay=_OVERLAY)
    assembler.assemble(PageRequests.of([(1, 0, "")]))


class _FewVideos:
    """Answer with one profile, a few videos that it likes, and production's documents."""

    def __init__(self) -> None:
        self._video_ids = np.arange(_VIDEOS, dtype=np.int64)
        self._version = digest_listing(self._video_ids)
        popularity = ("events_7d", "events_28d", "events_365d", "events_all", "mean_rating")
        self._groups = {
            group.name: group
            for group in (
                FeatureGroup(PROFILE_GENRE_AFFINITY, EntityKind.PROFILE, 1, ("genre:A",)),
                FeatureGroup(PROFILE_TASTE, EntityKind.PROFILE, 1, ("genre:A", "era:2000")),
                FeatureGroup(VIDEO_POPULARITY, EntityKind.VIDEO, 1, popularity),
                FeatureGroup(VIDEO_TRENDING, EntityKind.VIDEO, 1, ("US",)),
            )
        }

    def feature_groups(self) -> Mapping[str, FeatureGroup]:
        return self._groups

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        del at
        known = self._groups[group]
        moments = np.zeros(len(entity_ids), np.int64)
        values = np.ones((len(entity_ids), len(known.fields)), np.float32)
        return FeatureRows(known, values, moments, moments)

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        del kind, at
        values: dict[str, JsonValue] = {COUNTRY: "US", MATURITY_LIMIT: 18}
        rows = len(entity_ids)
        columns = {name: [values.get(name)] * rows for name in names}
        return AttributeRows(columns, np.zeros(rows, np.int64))

    def allocations(
        self, profile_ids: Identities, at: Moments, tests: Sequence[str]
    ) -> AllocationRows:
        del at
        rows = len(profile_ids)
        return AllocationRows(
            {test: [None] * rows for test in tests},
            {test: np.zeros(rows, np.bool_) for test in tests},
            np.zeros(rows, np.int64),
        )

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        del at, kinds, max_events, since
        return HistoryRows(
            offsets=np.array([0, 2], np.int64),
            video_ids=np.array([0, 1], np.int64),
            event_at=np.zeros(2, np.int64),
            kinds=np.array([EventKind.PLAY, EventKind.LIST], np.int8),
            values=np.ones(2, np.float32),
            newest_known_at=np.zeros(len(profile_ids), np.int64),
        )

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        values: dict[str, JsonValue] = {
            ADDED_AT: at,
            GENRES: ["A"],
            MATURITY: 0,
            TITLE: "Title",
            YEAR: 2000,
        }
        columns = {name: [values.get(name)] * _VIDEOS for name in names}
        return CatalogueRows(self._version, self._video_ids, columns, None, 0)

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        del at
        known = self._groups[group]
        values = np.ones((_VIDEOS, len(known.fields)), np.float32)
        return CatalogueFeatures(self._version, known, values, None, 0)

    def availability(self, at: int) -> AvailabilityBitmaps:
        del at
        licensed = np.ones((1, _VIDEOS), np.bool_)
        return AvailabilityBitmaps(self._version, ("US",), licensed, None, 0)

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        del at
        for own in production_documents():
            if (own.collection, own.name) == (collection, name):
                return DocumentVersion(own.body, own.schema_version, None, 0)
        raise UnknownDocument(f"There is no {collection} {name!r}.", remedy="Name another.")


if __name__ == "__main__":
    segments.warm_up()
    warm_up()
