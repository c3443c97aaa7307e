"""A world of a few videos and one profile, for warming up a service before its first call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
from services.shared_facts.facts import SharedFacts
from timetravel.errors import UnknownDocument
from timetravel.facts.model import EntityKind, EventKind, FeatureGroup
from timetravel.reading.reader import (
    AttributeRows,
    AvailabilityBitmaps,
    CatalogueFeatures,
    CatalogueRows,
    DocumentVersion,
    FeatureRows,
    HistoryRows,
    digest_listing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import Identities, Moments

FEW_VIDEOS = 8
ONE_PAGE = PageRequests.of([(1, 0, "")])
"""Of the profile, at a moment when all of it is known."""

_OVERLAY: dict[str, JsonValue] = {
    "row_selection": {"policy": "greedy"},
    "dedup": {"minimum_row_size": 1},
}


def few_facts(attributes: Sequence[str] = ()) -> SharedFacts:
    """Return the facts of the world, read as a service reads its own.

    Args:
        attributes: Names of the video attributes to read.
    """
    return SharedFacts(_FewVideos(), attributes=attributes, configuration_overlay=_OVERLAY)


class _FewVideos:
    """Answer with one profile, a few videos that it likes, and production's documents."""

    def __init__(self) -> None:
        self._video_ids = np.arange(FEW_VIDEOS, dtype=np.int64)
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
        columns = {name: [values.get(name)] * FEW_VIDEOS for name in names}
        return CatalogueRows(self._version, self._video_ids, columns, None, 0)

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        del at
        known = self._groups[group]
        values = np.ones((FEW_VIDEOS, len(known.fields)), np.float32)
        return CatalogueFeatures(self._version, known, values, None, 0)

    def availability(self, at: int) -> AvailabilityBitmaps:
        del at
        licensed = np.ones((1, FEW_VIDEOS), np.bool_)
        return AvailabilityBitmaps(self._version, ("US",), licensed, None, 0)

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        del at
        for document in production_documents():
            if (document.collection, document.name) == (collection, name):
                return DocumentVersion(document.body, document.schema_version, None, 0)
        raise UnknownDocument(f"There is no {collection} {name!r}.", remedy="Name another.")
