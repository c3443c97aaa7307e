"""Random look-ups, many at a time: each an entity at a moment of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.facts.dirty_facts import (
    DOCUMENTS,
    POPULARITY,
    START,
    TASTE,
    TESTS,
    Dirt,
    seeded,
)
from tests.support.facts.fact_answers import allocations_of
from timetravel.errors import UnknownDocument
from timetravel.facts.model import EntityKind, EventKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.arrays import Int64Array
    from timetravel.reading.reader import FactReader

Answers = dict[str, list[object]]
"""One answer for each look-up, by kind of question."""

_NEWEST = {kind: f"newest known_at of {kind.name}" for kind in EntityKind}
ATTENDANT = frozenset(_NEWEST.values())
"""Answers that come with others: compared as well, but no look-ups of their own."""


@dataclass(frozen=True)
class RandomLookUps:
    """Asks for random rows; the same seed asks the same.

    Args:
        dirt: What facts are about.
        rows: So many of each kind of entity.
        moments: So many for the catalogue and for documents.
        seed: Decides what is asked.
    """

    dirt: Dirt
    rows: int
    moments: int
    seed: int

    def ask(self, reader: FactReader) -> Answers:
        """Return the answer of each look-up."""
        profiles, videos = self._draw(self.dirt.profiles, 1), self._draw(self.dirt.videos, 2)
        names = [*self.dirt.names, "unheard"]
        answers: Answers = {}
        for group, asked in ((TASTE, profiles), (POPULARITY, videos)):
            rows = reader.features(group.name, *asked)
            answers[group.name] = _tuples(rows.values, rows.known_at, rows.valid_from)
        for kind, asked in ((EntityKind.PROFILE, profiles), (EntityKind.VIDEO, videos)):
            found = reader.attributes(kind, *asked, names)
            answers[f"attributes of {kind.name}"] = [
                (name, value) for name in names for value in found.columns[name]
            ]
            answers[_NEWEST[kind]] = found.newest_known_at.tolist()
        allocations = allocations_of(reader, *profiles, TESTS)
        answers["allocations"] = [
            (test, cell, known)
            for test in TESTS
            for cell, known in zip(
                allocations.cells[test], allocations.is_known[test].tolist(), strict=True
            )
        ]
        answers["history"] = self._histories(reader)
        answers["catalogue"] = self._catalogues(reader, names)
        answers["documents"] = self._documents(reader)
        return answers

    def _histories(self, reader: FactReader) -> list[object]:
        kinds = (EventKind.PLAY, EventKind.LIST, EventKind.IMPRESSION)
        answers: list[object] = []
        for seed, chosen, max_events, window in (
            (3, (), 0, 0),
            (4, kinds, 3, 0),
            (5, (), 0, 9),
        ):
            ids, at = self._draw(self.dirt.profiles, seed, share=3)
            since = at - window if window else None
            rows = reader.history(ids, at, chosen, max_events, since)
            columns = _tuples(rows.video_ids, rows.event_at, rows.kinds, rows.values)
            answers += [
                (columns[first:last], known_at)
                for first, last, known_at in zip(
                    rows.offsets[:-1].tolist(),
                    rows.offsets[1:].tolist(),
                    rows.newest_known_at.tolist(),
                    strict=True,
                )
            ]
        return answers

    def _catalogues(self, reader: FactReader, names: Sequence[str]) -> list[object]:
        answers: list[object] = []
        for at in self._moments(6):
            rows = reader.catalogue(at, names)
            answers += zip(
                rows.video_ids.tolist(), *(rows.columns[name] for name in names), strict=True
            )
            features = reader.catalogue_features(POPULARITY.name, at)
            answers += _tuples(features.values)
            licences = reader.availability(at)
            answers += zip(licences.countries, licences.available.tolist(), strict=True)
            newest = (rows.newest_known_at, features.newest_known_at)
            answers.append((*newest, licences.newest_known_at))
        return answers

    def _documents(self, reader: FactReader) -> list[object]:
        answers: list[object] = []
        for at in self._moments(7):
            for name in DOCUMENTS:
                try:
                    version = reader.document("configuration", name, at)
                except UnknownDocument:
                    answers.append(None)
                else:
                    answers.append((dict(version.body), version.newest_known_at))
        return answers

    def _draw(
        self, entities: Sequence[int], seed: int, *, share: int = 1
    ) -> tuple[Int64Array, Int64Array]:
        chance = np.random.default_rng((self.seed, seed))
        rows = self.rows // share
        ids = chance.choice(np.array([*entities, 999_999], np.int64), rows)
        return ids, chance.integers(START - 1, START + self.dirt.span + 2, rows)

    def _moments(self, seed: int) -> list[int]:
        chance = seeded(self.seed + seed)
        return [START - 1 + chance.randrange(self.dirt.span + 3) for _ in range(self.moments)]


def _tuples(*columns: NDArray[Any]) -> list[object]:
    plain = [column.astype(object) for column in columns]
    for column, own in zip(columns, plain, strict=True):
        if column.dtype.kind == "f":
            own[np.isnan(column)] = None
    return list(zip(*(own.tolist() for own in plain), strict=True))
