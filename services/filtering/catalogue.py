"""Catalogue, licences and settings at one moment, as filtering needs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from services.page.inputs import ADDED_AT, GENRES, MATURITY, REQUIRES, WITHDRAWN
from services.shared_facts.attributes import (
    read_genres,
    read_maturity,
    read_texts,
    read_withdrawn,
)
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from core.arrays import BoolArray, Int32Array, Int64Array, UInt8Array
    from services.page.configuration import FilteringSection
    from timetravel.reading.reader import AvailabilityBitmaps, CatalogueRows


CATALOGUE_ATTRIBUTES = (ADDED_AT, GENRES, MATURITY, REQUIRES, WITHDRAWN)
"""The video attributes that filtering reads."""

_UNKNOWN_AGE = -1


@dataclass(frozen=True, slots=True, eq=False)
class FilteredCatalogue:
    """Hold what decides about videos.

    Args:
        is_present: bool[videos], in the catalogue and not withdrawn. A video with neither
            maturity nor a moment at which it was added is not in the catalogue.
        maturity: int64[videos], age that each is meant for; -1 where it is not known.
        requires: Capabilities that videos ask of a device, for each set that occurs
            bool[videos], those that ask for it.
        genres: bool[videos] for each genre.
    """

    is_present: BoolArray
    maturity: Int64Array
    requires: dict[frozenset[str], BoolArray]
    genres: dict[str, BoolArray]

    @classmethod
    def of(cls, rows: CatalogueRows) -> FilteredCatalogue:
        """Return what a catalogue says."""
        ages, added = rows.columns[MATURITY], rows.columns[ADDED_AT]
        requires: dict[frozenset[str], BoolArray] = {}
        genres: dict[str, BoolArray] = {}
        videos = len(rows.video_ids)
        for place, needed in enumerate(rows.columns[REQUIRES]):
            if needed:
                texts = read_texts(EntityKind.VIDEO, REQUIRES, needed) or ()
                mark = requires.setdefault(frozenset(texts), np.zeros(videos, np.bool_))
                mark[place] = True
        for place, own in enumerate(rows.columns[GENRES]):
            for genre in read_genres(own):
                genres.setdefault(genre, np.zeros(videos, np.bool_))[place] = True
        return cls(
            is_present=np.array(
                [
                    (age is not None or moment is not None) and not read_withdrawn(withdrawn)
                    for age, moment, withdrawn in zip(
                        ages, added, rows.columns[WITHDRAWN], strict=True
                    )
                ],
                np.bool_,
            ),
            maturity=np.array(
                [
                    _UNKNOWN_AGE if age is None else age
                    for age in map(read_maturity, rows.columns[MATURITY])
                ],
                np.int64,
            ),
            requires=requires,
            genres=genres,
        )

    def shown_by(self, capabilities: frozenset[str]) -> BoolArray:
        """Return which videos a device with these capabilities can show: bool[videos]."""
        shown = np.ones(len(self.is_present), np.bool_)
        for needed, videos in self.requires.items():
            if not needed <= capabilities:
                shown &= ~videos
        return shown


@dataclass(frozen=True, slots=True, eq=False)
class FilteringView:
    """Hold what filtering needs of one epoch."""

    catalogue_version: str
    video_ids: Int64Array
    catalogue: FilteredCatalogue
    licences: AvailabilityBitmaps
    settings: FilteringSection
    newest_known_at: int
    _bitmaps: dict[tuple[str, int, frozenset[str] | None], UInt8Array] = field(
        default_factory=dict
    )
    _blocks: dict[str, UInt8Array] = field(default_factory=dict)

    def bitmap(self, country: str, maturity_limit: int | None, device: str) -> UInt8Array:
        """Return what a country, a maturity limit and a device allow.

        Returns:
            uint8[ceil(videos / 8)], least significant bit first; not to be written.
        """
        limit = (
            self.settings.default_maturity_limit if maturity_limit is None else maturity_limit
        )
        known = self.settings.device_capabilities
        capabilities = None if known is None else frozenset(known.get(device, ()))
        key = (country, limit, capabilities)
        bitmap = self._bitmaps.get(key)
        if bitmap is None:
            bitmap = np.packbits(self._allowed(*key), bitorder="little")
            self._bitmaps[key] = bitmap
        return bitmap

    def clear_blocked(
        self, bitmap: UInt8Array, genres: tuple[str, ...], positions: Int32Array
    ) -> None:
        """Clear the bits of blocked genres and of videos at blocked positions.

        Args:
            bitmap: uint8[ceil(videos / 8)], changed.
            genres: Blocked genres.
            positions: Blocked videos; -1 for those that are not listed.
        """
        for genre in genres:
            bitmap &= ~self._genre(genre)
        for position in positions[positions >= 0].tolist():
            bitmap[position >> 3] &= ~np.uint8(1 << (position & 7))

    def _genre(self, genre: str) -> UInt8Array:
        blocked = self._blocks.get(genre)
        if blocked is None:
            videos = self.catalogue.genres.get(genre, np.zeros(len(self.video_ids), np.bool_))
            blocked = self._blocks[genre] = np.packbits(videos, bitorder="little")
        return blocked

    def _allowed(
        self, country: str, limit: int, capabilities: frozenset[str] | None
    ) -> BoolArray:
        if country not in self.licences.countries:
            return np.zeros(len(self.video_ids), np.bool_)
        licensed = self.licences.available[self.licences.countries.index(country)]
        maturity = np.where(
            self.catalogue.maturity == _UNKNOWN_AGE,
            self.settings.default_video_maturity,
            self.catalogue.maturity,
        )
        allowed: BoolArray = licensed & self.catalogue.is_present & (maturity <= limit)
        if capabilities is not None:
            allowed &= self.catalogue.shown_by(capabilities)
        return allowed
