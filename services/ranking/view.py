"""The catalogue in one epoch as ranking needs it, with orders and scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import numpy as np

from core.bits import pack_words
from core.kernel import kernel_array
from core.moments import EARLIEST_MICROS
from services.errors import InvalidModel
from services.page.inputs import ADDED_AT, VIDEO_POPULARITY
from services.page.model import RowType
from services.ranking.columns import Videos
from services.ranking.kernel import build_ladder
from services.ranking.model import MEAN_RATING_FIELD, POPULARITY_FIELDS
from services.ranking.orders import (
    order_by_age,
    order_by_popularity,
    order_by_rise,
    order_by_trending,
)
from services.ranking.scores import page_weights, shared_scores
from services.shared_facts.content_index import Content, ContentIndex, entries_of, holds_genre
from services.shared_facts.listing import find_positions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import BoolArray, Float32Array, Int32Array, Int64Array, UInt64Array
    from services.page.configuration import RankingSection
    from services.page.model import RowDefinition
    from services.ranking.columns import Weights
    from services.ranking.model import LinearModel
    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import CatalogueFeatures, CatalogueRows

POPULARITY_COLUMNS = (*POPULARITY_FIELDS.values(), MEAN_RATING_FIELD)
"""The fields of "video_popularity" that ranking works with."""


@dataclass(frozen=True, slots=True, eq=False)
class RankingCatalogue:
    """Hold what ranking derives from the attributes of the catalogue.

    Args:
        catalogue_version: Digest of the listing.
        video_ids: int64[videos], ascending.
        contents: Contents by number.
        videos: Arrays for the kernels.
        _members: Rows of these contents as asked for so far, shared with other epochs.
    """

    catalogue_version: str
    video_ids: Int64Array
    contents: tuple[Content, ...]
    videos: Videos
    _members: dict[tuple[str | None, ...], UInt64Array]

    def members(self, genre: str) -> BoolArray:
        """Return which videos have a genre: bool[videos]."""
        return holds_genre(self.contents, genre)[self.videos.contents]

    def row_members(self, genres: tuple[str | None, ...]) -> UInt64Array:
        """Return the rows that each content is in, as bits: uint64[groups of rows, contents].

        Args:
            genres: Genre of each row; "" for a row that every video is in, None for one that
                takes no video by its content.
        """
        members = self._members.get(genres)
        if members is None:
            is_member = np.zeros((len(self.contents), len(genres)), np.bool_)
            for row, genre in enumerate(genres):
                if genre is not None:
                    is_member[:, row] = holds_genre(self.contents, genre) if genre else True
            members = self._members[genres] = pack_members(is_member)
        return members


class RankingCatalogues:
    """Make catalogues of what was read; what did not change is not looked at again.

    Args:
        affinity_fields: Fields of "profile_genre_affinity".
        taste_fields: Fields of "profile_taste".
    """

    def __init__(self, affinity_fields: Sequence[str], taste_fields: Sequence[str]) -> None:
        self._affinity_fields = affinity_fields
        self._taste_fields = taste_fields
        self._index = ContentIndex()
        self._contents: tuple[Content, ...] = ()
        self._members: dict[tuple[str | None, ...], UInt64Array] = {}
        self._affinity = entries_of((), affinity_fields)
        self._taste = entries_of((), taste_fields)

    def make(self, rows: CatalogueRows) -> RankingCatalogue:
        """Return the catalogue of what was read."""
        numbered = self._index.number(rows)
        contents = self._index.contents()
        if len(contents) > len(self._contents):
            self._contents = contents
            self._members = {}
            self._affinity = entries_of(contents, self._affinity_fields, with_eras=False)
            self._taste = entries_of(contents, self._taste_fields)
        return RankingCatalogue(
            catalogue_version=rows.catalogue_version,
            video_ids=rows.video_ids,
            contents=self._contents,
            videos=Videos(
                added_at=_read_moments(rows.columns[ADDED_AT]),
                contents=numbered.numbers,
                affinity_offsets=self._affinity.offsets,
                affinity_fields=self._affinity.fields,
                taste_offsets=self._taste.offsets,
                taste_fields=self._taste.fields,
                taste_values=self._taste.values,
            ),
            _members=self._members,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """Hold one country's part of `Ladders`, for pages of `since` (microseconds) or later."""

    since: int
    starts: Int32Array
    order: Int32Array
    bounds: Float32Array
    largest: float


@dataclass(frozen=True, slots=True, eq=False)
class RankingView:
    """Hold what ranking needs of one epoch.

    Args:
        catalogue: The catalogue.
        popularity: float32[videos] per field of "video_popularity".
        trending: float32[videos] per country.
        model: The model document.
        settings: The configuration's section.
        newest_known_at: Newest `known_at` of all of it.
    """

    catalogue: RankingCatalogue
    popularity: Mapping[str, Float32Array]
    trending: Mapping[str, Float32Array]
    model: LinearModel
    settings: RankingSection
    newest_known_at: int
    _shared_scores: dict[str, Float32Array] = field(default_factory=dict)
    _ladders: dict[str, Ladder] = field(default_factory=dict)
    _orders: dict[tuple[RowType, str], Int32Array] = field(default_factory=dict)

    @property
    def weights(self) -> Weights:
        """Return the weights of the model that depend on the page."""
        return page_weights(self.model)

    def __post_init__(self) -> None:
        for name in POPULARITY_COLUMNS:
            if name not in self.popularity:
                raise InvalidModel(
                    f"{VIDEO_POPULARITY} does not hold {name}, which ranking needs.",
                    remedy=f"Record {', '.join(POPULARITY_COLUMNS)}.",
                    field=VIDEO_POPULARITY,
                )

    def shared_scores(self, country: str) -> Float32Array:
        """Return the part of the scores that profiles of a country share."""
        scores = self._shared_scores.get(country)
        if scores is None:
            scores = shared_scores(self.model, self.popularity, self._trending_in(country))
            self._shared_scores[country] = scores
        return scores

    def ladder(self, country: str, since: int) -> Ladder:
        """Return the ladder of a country for pages of a moment, microseconds, or later."""
        ladder = self._ladders.get(country)
        if ladder is None or ladder.since > since:
            videos = self.catalogue.videos
            count = len(self.catalogue.video_ids)
            content_starts = np.empty(len(videos.taste_values) + 1, np.int32)
            order, bounds = np.empty(count, np.int32), np.empty(count, np.float32)
            base = self.shared_scores(country)
            largest = build_ladder(
                base, videos, self.weights, since, content_starts, order, bounds
            )
            ladder = Ladder(since, content_starts, order, bounds, largest)
            self._ladders[country] = ladder
        return ladder

    def order(self, row: RowDefinition, country: str) -> Int32Array:
        """Return the order that a row has of its own: int32 positions, first to last."""
        if row.type is RowType.EDITORIAL:
            ids = np.array(row.video_ids, np.int64)
            positions = find_positions(self.catalogue.video_ids, ids)
            return positions[positions >= 0]
        local = row.type in (RowType.TRENDING, RowType.TOP_TEN)
        key = (row.type, country if local else row.genre)
        order = self._orders.get(key)
        if order is None:
            order = self._orders[key] = self._make_order(row, country)
        return order

    def _make_order(self, row: RowDefinition, country: str) -> Int32Array:
        match row.type:
            case RowType.TOP_TEN:
                return order_by_trending(self._trending_in(country))
            case RowType.TRENDING:
                rising = self._trending_in(country)
                return order_by_rise(rising, self.popularity["events_365d"])
            case RowType.NEW:
                added_at = self.catalogue.videos.added_at
                return order_by_age(added_at, added_at > EARLIEST_MICROS)
            case RowType.GENRE:
                order = order_by_popularity(self.popularity)
                return order[self.catalogue.members(row.genre)[order]]
            case (
                RowType.POPULAR
                | RowType.TOP_PICKS
                | RowType.CONTINUE_WATCHING
                | RowType.MY_LIST
                | RowType.BECAUSE_YOU_WATCHED
                | RowType.EDITORIAL
            ):
                return order_by_popularity(self.popularity)
            case _:
                assert_never(row.type)

    def _trending_in(self, country: str) -> Float32Array:
        missing = np.full(len(self.catalogue.video_ids), np.nan, np.float32)
        return self.trending.get(country, missing)


def pack_members(is_member: BoolArray) -> UInt64Array:
    """Return as bits which rows each content is in; see `RowPlan.members`.

    Args:
        is_member: bool[contents, rows].
    """
    return kernel_array(pack_words(is_member).T, np.uint64)


def feature_columns(features: CatalogueFeatures) -> Mapping[str, Float32Array]:
    """Return float32[videos] per field of a feature group."""
    columns = kernel_array(features.values.T, np.float32)
    return dict(zip(features.group.fields, columns, strict=True))


def _read_moments(column: Sequence[JsonValue]) -> Int64Array:
    return np.array(
        [moment if isinstance(moment, int) else EARLIEST_MICROS for moment in column], np.int64
    )
