"""The whole catalogue as last read, read again only where something was written.

A catalogue of ten thousand videos takes a tenth of a second to read, and every page needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from timetravel.facts.model import EntityKind
from timetravel.reading.reader import CatalogueFeatures, CatalogueRows
from worlds.features.events import find_places
from worlds.live.changed_entities import Touched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import AttributeFact, FeatureFact, JsonValue
    from timetravel.reading.reader import FactReader


@dataclass(frozen=True, slots=True, eq=False)
class _KeptFeatures:
    video_ids: Int64Array
    answer: CatalogueFeatures


class CatalogueMemory:
    """Answer for the whole catalogue as the store would. Time must not go back."""

    def __init__(self) -> None:
        self._touched_videos = Touched()
        self._touched_vectors: dict[str, Touched] = {}
        self._rows: CatalogueRows | None = None
        self._features: dict[str, _KeptFeatures] = {}

    def learn(self, fact: AttributeFact) -> None:
        """Note an attribute of a video that is written."""
        self._touched_videos.add(fact.entity_id, fact.known_at, fact.valid_from)

    def learn_vector(self, fact: FeatureFact) -> None:
        """Note a feature vector of a video that is written."""
        touched = self._touched_vectors.setdefault(fact.group, Touched())
        touched.add(fact.entity_id, fact.known_at, fact.valid_from)

    def rows(self, store: FactReader, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with the named attributes."""
        kept = self._rows
        if kept is None or tuple(kept.columns) != tuple(names):
            self._touched_videos.take(at)
            self._rows = store.catalogue(at, names)
            return self._rows
        touched = self._touched_videos.take(at)
        if touched:
            kept = self._rows = _refresh_rows(kept, store, at, touched)
        return kept

    def features(self, store: FactReader, group: str, at: int) -> CatalogueFeatures:
        """Return one feature group for the whole listing."""
        listing = self.rows(store, at, () if self._rows is None else tuple(self._rows.columns))
        touched = self._touched_vectors.setdefault(group, Touched()).take(at)
        kept = self._features.get(group)
        if kept is None:
            answer = store.catalogue_features(group, at)
        else:
            answer = _refresh_features(kept, listing, store, at, touched)
        self._features[group] = _KeptFeatures(listing.video_ids, answer)
        return answer


def _refresh_rows(
    kept: CatalogueRows, store: FactReader, at: int, touched: list[int]
) -> CatalogueRows:
    names = tuple(kept.columns)
    listing = store.catalogue(at, ())
    places = find_places(listing.video_ids, kept.video_ids)
    changed = find_places(listing.video_ids, np.array(touched, np.int64))
    found = store.attributes(EntityKind.VIDEO, touched, at, names)
    columns: dict[str, list[JsonValue]] = {}
    for name in names:
        column: list[JsonValue] = [None] * len(listing.video_ids)
        for place, value in zip(places.tolist(), kept.columns[name], strict=True):
            column[place] = value
        for place, value in zip(changed.tolist(), found.columns[name], strict=True):
            column[place] = value
        columns[name] = column
    newest = max(kept.newest_known_at, int(found.newest_known_at.max()))
    return CatalogueRows(listing.catalogue_version, listing.video_ids, columns, at, newest)


def _refresh_features(
    kept: _KeptFeatures, listing: CatalogueRows, store: FactReader, at: int, touched: list[int]
) -> CatalogueFeatures:
    group = kept.answer.group
    values = np.full((len(listing.video_ids), len(group.fields)), np.nan, np.float32)
    values[find_places(listing.video_ids, kept.video_ids)] = kept.answer.values
    newest = kept.answer.newest_known_at
    if touched:
        found = store.features(group.name, touched, at)
        values[find_places(listing.video_ids, np.array(touched, np.int64))] = found.values
        newest = max(newest, found.newest_known_at)
    return CatalogueFeatures(listing.catalogue_version, group, values, at, newest)
