"""Filtering of pages, each at its own moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.kernel import kernel_array
from services.errors import InvalidPages
from services.filtering.catalogue import FilteredCatalogue, FilteredCatalogues, FilteringView
from services.filtering.kernel import clear_seen
from services.filtering.task import Eligibility
from services.page.configuration import SeenTitles
from services.shared_facts.epochs import Epoch, EpochCache, combine, group_by_epoch
from services.shared_facts.facts import CAPACITY
from services.shared_facts.listing import bitmap_bytes, check_same_listing, find_positions
from services.shared_facts.profiles import read_history, read_profiles
from timetravel.facts.model import EventKind

if TYPE_CHECKING:
    from core.arrays import BoolArray, Float32Array, UInt8Array
    from services.page.model import PageRequests
    from services.shared_facts.facts import SharedFacts
    from timetravel.reading.reader import HistoryRows


class FilteringStage:
    """Decide which videos each page may show.

    A video is eligible when it is in the catalogue and not withdrawn, licensed in the
    profile's country, within its maturity limit, not blocked for it, within the device's
    capabilities, and, if the configuration excludes them, not seen.
    """

    def __init__(self, facts: SharedFacts) -> None:
        self._facts = facts
        self._makers = FilteredCatalogues()
        self._catalogues = EpochCache(self._load_catalogue, capacity=CAPACITY)
        self._views = EpochCache(self._load_view, capacity=CAPACITY)

    def filter(self, requests: PageRequests) -> Eligibility:
        """Return the eligible videos of each page.

        Raises:
            UnknownProfile: Of a profile nothing is known at its page's moment.
            InvalidPages: There is no page.
        """
        if not len(requests):
            raise InvalidPages("There are no pages.", remedy="Ask for one.", field="pages")
        profiles = read_profiles(self._facts.reader, requests)
        profiles.check_known(requests)
        history = read_history(self._facts.reader, requests)
        newest = np.maximum(profiles.newest_known_at, history.newest_known_at)
        excludes = np.zeros(len(requests), np.bool_)
        finished_shares = np.zeros(len(requests), np.float32)
        bitmaps: UInt8Array | None = None
        listing: FilteringView | None = None
        for view, indexes in group_by_epoch(requests.as_of_micros, self._views.at):
            if listing is None or bitmaps is None:
                listing = view
                size = bitmap_bytes(len(view.video_ids))
                bitmaps = np.zeros((len(requests), size), np.uint8)
            check_same_listing(
                listing.catalogue_version, view.catalogue_version, field="catalogue_version"
            )
            for index in indexes.tolist():
                bitmaps[index] = view.bitmap(
                    profiles.countries[index],
                    profiles.maturity_limits[index],
                    requests.devices[index],
                )
                genres, videos = profiles.blocked_genres[index], profiles.blocked_videos[index]
                if genres or videos:
                    blocked = find_positions(view.video_ids, np.array(videos, np.int64))
                    view.clear_blocked(bitmaps[index], genres, blocked)
            excludes[indexes] = view.settings.seen is SeenTitles.EXCLUDE
            finished_shares[indexes] = view.settings.finished_share
            newest[indexes] = np.maximum(newest[indexes], view.newest_known_at)
        assert listing is not None  # noqa: S101 - a batch has a page, so an epoch
        assert bitmaps is not None  # noqa: S101 - likewise
        positions = find_positions(listing.video_ids, history.video_ids)
        cleared = np.empty(len(positions), np.int32)
        counts = np.zeros(len(requests), np.int64)
        starts = kernel_array(history.offsets, np.int64)
        is_seen = _find_seen(history, excludes, finished_shares)
        size = clear_seen(bitmaps, starts, positions, is_seen, cleared, counts)
        return Eligibility(
            catalogue_version=listing.catalogue_version,
            video_count=len(listing.video_ids),
            bitmaps=bitmaps,
            seen_counts=counts,
            seen_positions=cleared[:size],
            newest_known_at=newest,
        )

    def forget(self, *, momentary_only: bool = False) -> None:
        """Drop what was derived from facts."""
        self._catalogues.forget(momentary_only=momentary_only)
        self._views.forget(momentary_only=momentary_only)

    def _load_catalogue(self, at: int) -> Epoch[FilteredCatalogue]:
        rows = self._facts.catalogue.at(at)
        return combine(self._makers.make(rows.value), rows)

    def _load_view(self, at: int) -> Epoch[FilteringView]:
        rows = self._facts.catalogue.at(at)
        catalogue = self._catalogues.at(at)
        licences = self._facts.availability.at(at)
        known = self._facts.configuration.at(at)
        check_same_listing(
            rows.value.catalogue_version, licences.value.catalogue_version, field="availability"
        )
        view = FilteringView(
            catalogue_version=rows.value.catalogue_version,
            video_ids=rows.value.video_ids,
            catalogue=catalogue.value,
            licences=licences.value,
            settings=known.value.configuration.filtering,
            newest_known_at=max(
                rows.value.newest_known_at,
                licences.value.newest_known_at,
                known.value.newest_known_at,
            ),
        )
        return combine(view, rows, catalogue, licences, known)


def _find_seen(
    history: HistoryRows, excludes: BoolArray, finished_shares: Float32Array
) -> BoolArray:
    """Return which events mean that their page must not show the video: bool[events].

    Args:
        history: Of the pages.
        excludes: bool[pages], whether seen titles are left out.
        finished_shares: float32[pages], share of a title's length that counts as seen.
    """
    pages = np.repeat(np.arange(len(excludes)), np.diff(history.offsets))
    is_finished = history.values >= finished_shares[pages]
    seen: BoolArray = excludes[pages] & (
        ((history.kinds == EventKind.PLAY) & is_finished) | (history.kinds == EventKind.RATING)
    )
    return seen
