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
from services.shared_facts.listing_changes import Numbering, find_changes
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
        requires: int32[videos], what each asks of a device, as places in `requirements`.
        requirements: Sets of capabilities that occur; the first is empty.
        genres: int32[videos], the genres of each, as places in `genre_sets`.
        genre_sets: Sets of genres that occur; the first is empty.
    """

    is_present: BoolArray
    maturity: Int64Array
    requires: Int32Array
    requirements: tuple[frozenset[str], ...]
    genres: Int32Array
    genre_sets: tuple[frozenset[str], ...]

    def shown_by(self, capabilities: frozenset[str]) -> BoolArray:
        """Return which videos a device with these capabilities can show: bool[videos]."""
        is_met = np.array([needed <= capabilities for needed in self.requirements], np.bool_)
        return is_met[self.requires]

    def members(self, genre: str) -> BoolArray:
        """Return which videos have a genre: bool[videos]."""
        return np.array([genre in own for own in self.genre_sets], np.bool_)[self.genres]


class FilteredCatalogues:
    """Make catalogues of what was read; what did not change is not looked at again.

    One thread at a time may ask for catalogues.
    """

    def __init__(self) -> None:
        self._requirements: Numbering[frozenset[str]] = Numbering(frozenset())
        self._genre_sets: Numbering[frozenset[str]] = Numbering(frozenset())
        self._rows: CatalogueRows | None = None
        nothing = np.zeros(0, np.int32)
        self._known = FilteredCatalogue(
            is_present=np.zeros(0, np.bool_),
            maturity=np.zeros(0, np.int64),
            requires=nothing,
            requirements=(),
            genres=nothing,
            genre_sets=(),
        )

    def make(self, rows: CatalogueRows) -> FilteredCatalogue:
        """Return what a catalogue says."""
        changes = find_changes(self._rows, rows, CATALOGUE_ATTRIBUTES)
        is_present = changes.carry_over(self._known.is_present)
        maturity = changes.carry_over(self._known.maturity)
        requires = changes.carry_over(self._known.requires)
        genres = changes.carry_over(self._known.genres)
        added, own_genres, ages, needed, withdrawn = (
            rows.columns[name] for name in CATALOGUE_ATTRIBUTES
        )
        for video in changes.changed:
            is_listed = ages[video] is not None or added[video] is not None
            is_present[video] = is_listed and not read_withdrawn(withdrawn[video])
            age = read_maturity(ages[video])
            maturity[video] = _UNKNOWN_AGE if age is None else age
            capabilities = read_texts(EntityKind.VIDEO, REQUIRES, needed[video]) or ()
            requires[video] = self._requirements.number(frozenset(capabilities))
            genres[video] = self._genre_sets.number(frozenset(read_genres(own_genres[video])))
        self._rows = rows
        self._known = FilteredCatalogue(
            is_present=is_present,
            maturity=maturity,
            requires=requires,
            requirements=self._requirements.values(),
            genres=genres,
            genre_sets=self._genre_sets.values(),
        )
        return self._known


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
            videos = self.catalogue.members(genre)
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
