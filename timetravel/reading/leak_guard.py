"""A reader that refuses results made of facts that were not yet known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from timetravel.facts.model import EntityKind, FactKind
from timetravel.reading.allocations import allocated_test
from timetravel.reading.forwarding import ForwardingReader
from timetravel.reading.lineage import CATALOGUE, find_leak, find_leaks, refuse_leaks
from timetravel.reading.reader import moments_per_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import EventKind
    from timetravel.reading.lineage import Leak
    from timetravel.reading.reader import (
        AttributeRows,
        AvailabilityBitmaps,
        CatalogueFeatures,
        CatalogueRows,
        DocumentVersion,
        FactReader,
        FeatureRows,
        HistoryRows,
        Identities,
        Moments,
    )

_SEVERAL: Final = ", "


class GuardedReader(ForwardingReader):
    """Checks the lineage of another reader's answers.

    Every method raises LeakedFact for an answer that holds a fact which became known after
    the row's own moment, or after the fixed known-by where there is one.

    Args:
        reader: Answers.
        known_by: Returns what the reader's facts are read by, None for each row's own moment.
    """

    def __init__(self, reader: FactReader, known_by: Callable[[], int | None]) -> None:
        super().__init__(reader)
        self._known_by = known_by

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        """Return one vector per row."""
        rows = self._reader.features(group, entity_ids, at)
        refuse_leaks(
            find_leaks(
                FactKind.FEATURES,
                group,
                rows.group.entity_kind,
                entity_ids,
                rows.known_at,
                self._bounds(at, len(entity_ids)),
            )
        )
        return rows

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return the named attributes of each row."""
        rows = self._reader.attributes(kind, entity_ids, at, names)
        refuse_leaks(self._leaked_attributes(kind, entity_ids, at, names, rows.newest_known_at))
        return rows

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row."""
        rows = self._reader.history(profile_ids, at, kinds, max_events, since)
        bounds = self._bounds(at, len(profile_ids))
        profile = EntityKind.PROFILE
        refuse_leaks(
            find_leaks(FactKind.EVENT, "", profile, profile_ids, rows.newest_known_at, bounds)
        )
        return rows

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with the named attributes."""
        rows = self._reader.catalogue(at, names)
        whole = self._leak_of_catalogue(
            FactKind.ATTRIBUTE, _SEVERAL.join(names), at, rows.newest_known_at
        )
        if whole:
            # Asked video by video, the reader may say which of them it is.
            video = EntityKind.VIDEO
            found = self._reader.attributes(video, rows.video_ids, at, names)
            leaks = self._leaked_attributes(
                video, rows.video_ids, at, names, found.newest_known_at
            )
            refuse_leaks(leaks or whole)
        return rows

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return one feature group for the whole listing."""
        rows = self._reader.catalogue_features(group, at)
        whole = self._leak_of_catalogue(FactKind.FEATURES, group, at, rows.newest_known_at)
        if whole:
            self.features(group, self._reader.catalogue(at, ()).video_ids, at)
            refuse_leaks(whole)
        return rows

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return which videos are licensed where."""
        bitmaps = self._reader.availability(at)
        refuse_leaks(
            self._leak_of_catalogue(FactKind.AVAILABILITY, "", at, bitmaps.newest_known_at)
        )
        return bitmaps

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return the visible version of a document."""
        version = self._reader.document(collection, name, at)
        refuse_leaks(
            find_leak(
                FactKind.DOCUMENT,
                "",
                f"{collection}/{name}",
                version.newest_known_at,
                self._bound(at),
            )
        )
        return version

    def _leaked_attributes(
        self,
        kind: EntityKind,
        entity_ids: Identities,
        at: Moments,
        names: Sequence[str],
        known_at: Int64Array,
    ) -> list[Leak]:
        bounds = self._bounds(at, len(entity_ids))
        if not (known_at > bounds).any():
            return []
        # Only now, when something is wrong: which of the attributes is it?
        return [
            leak
            for name in names
            for leak in find_leaks(
                *_fact_kind(name),
                kind,
                entity_ids,
                self._reader.attributes(kind, entity_ids, at, [name]).newest_known_at,
                bounds,
            )
        ] or find_leaks(
            FactKind.ATTRIBUTE, _SEVERAL.join(names), kind, entity_ids, known_at, bounds
        )

    def _leak_of_catalogue(
        self, kind: FactKind, name: str, at: int, known_at: int
    ) -> list[Leak]:
        return find_leak(kind, name, CATALOGUE, known_at, self._bound(at))

    def _bound(self, at: int) -> int:
        known_by = self._known_by()
        return at if known_by is None else known_by

    def _bounds(self, at: Moments, rows: int) -> Int64Array:
        known_by = self._known_by()
        return moments_per_row(at if known_by is None else known_by, rows)


def _fact_kind(attribute: str) -> tuple[FactKind, str]:
    test = allocated_test(attribute)
    return (FactKind.ATTRIBUTE, attribute) if test is None else (FactKind.ALLOCATION, test)
