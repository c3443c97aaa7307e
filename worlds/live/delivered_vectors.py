"""The feature vectors that jobs have delivered: the newest of each entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.moments import EARLIEST_MICROS
from timetravel.facts.model import FeatureFact, LoggedFeatures
from worlds.features.schedule import JOB_MICROS

if TYPE_CHECKING:
    from core.arrays import Float32Array, Int64Array
    from timetravel.facts.model import FeatureGroup
    from timetravel.reading.reader import FactReader


class DeliveredGroup:
    """Keep one feature group's newest vector of each entity.

    Args:
        group: The feature group.
    """

    def __init__(self, group: FeatureGroup) -> None:
        self._group = group
        self._places: dict[int, int] = {}
        self._values = np.empty((0, len(group.fields)), np.float32)
        self._valid_from = np.empty(0, np.int64)
        self._known_at = np.empty(0, np.int64)

    def restore(self, reader: FactReader, entity_ids: Int64Array, at: int) -> None:
        """Take what a store holds of the entities."""
        rows = reader.features(self._group.name, entity_ids, at)
        delivered = rows.known_at > EARLIEST_MICROS
        ids = entity_ids[delivered].tolist()
        self._places = {entity_id: place for place, entity_id in enumerate(ids)}
        self._values = rows.values[delivered].copy()
        self._valid_from = rows.valid_from[delivered].copy()
        self._known_at = rows.known_at[delivered].copy()

    def changes(
        self, entity_ids: Int64Array, values: Float32Array, at: int
    ) -> list[FeatureFact]:
        """Return facts for the vectors that differ from those delivered, bit for bit.

        Args:
            entity_ids: int64[entities].
            values: float32[entities, fields], as computed.
            at: When the job ran, microseconds.
        """
        places = self._find(entity_ids)
        differs = places < 0
        known = ~differs
        before = self._values[places[known]].view(np.uint32)
        differs[known] = np.any(before != values[known].view(np.uint32), axis=1)
        return [
            FeatureFact(self._group.name, entity_id, at, at + JOB_MICROS, values[place])
            for place, entity_id in zip(
                np.flatnonzero(differs).tolist(), entity_ids[differs].tolist(), strict=True
            )
        ]

    def deliver(self, facts: list[FeatureFact]) -> None:
        """Take in what a job found changed."""
        if not facts:
            return
        ids = [fact.entity_id for fact in facts]
        for entity_id in ids:
            self._places.setdefault(entity_id, len(self._places))
        self._grow()
        places = self._find(np.array(ids, np.int64))
        self._values[places] = np.stack(
            [fact.values for fact in facts if fact.values is not None]
        )
        self._valid_from[places] = [fact.valid_from for fact in facts]
        self._known_at[places] = [fact.known_at for fact in facts]

    def log(self, entity_ids: Int64Array) -> LoggedFeatures:
        """Return the vectors of entities with their times; NaN where none was delivered."""
        places = self._find(entity_ids)
        found = places >= 0
        values = np.full((len(places), len(self._group.fields)), np.nan, np.float32)
        known_at, valid_from = (np.full(len(places), EARLIEST_MICROS) for _ in range(2))
        values[found] = self._values[places[found]]
        known_at[found] = self._known_at[places[found]]
        valid_from[found] = self._valid_from[places[found]]
        return LoggedFeatures(self._group.name, entity_ids, values, known_at, valid_from)

    def _find(self, entity_ids: Int64Array) -> Int64Array:
        found = [self._places.get(entity_id, -1) for entity_id in entity_ids.tolist()]
        return np.array(found, np.int64)

    def _grow(self) -> None:
        capacity = len(self._valid_from)
        if len(self._places) > capacity:
            capacity = max(len(self._places), 2 * capacity)
            self._values = np.resize(self._values, (capacity, self._values.shape[1]))
            self._valid_from = np.resize(self._valid_from, capacity)
            self._known_at = np.resize(self._known_at, capacity)
