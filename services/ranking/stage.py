"""Ranking of pages, each at its own moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.errors import InvalidModel, InvalidPages
from services.page.inputs import (
    ADDED_AT,
    GENRES,
    MODEL_COLLECTION,
    PROFILE_GENRE_AFFINITY,
    PROFILE_TASTE,
    VIDEO_POPULARITY,
    VIDEO_TRENDING,
    YEAR,
)
from services.page.ranges import members_of, starts
from services.ranking.columns import Kept, Ladders, Pages
from services.ranking.kernel import rank_pages
from services.ranking.model import parse_model
from services.ranking.plan import plan_rows
from services.ranking.task import RankedRows, RankingTask
from services.ranking.view import (
    RankingCatalogue,
    RankingCatalogues,
    RankingView,
    feature_columns,
)
from services.shared_facts.epochs import Epoch, EpochCache, combine, group_by_epoch
from services.shared_facts.facts import CAPACITY
from services.shared_facts.listing import bitmap_bytes, check_same_listing
from services.shared_facts.profiles import read_profiles
from timetravel.errors import UnknownFeatureGroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import Float32Array, Int32Array, Int64Array
    from services.shared_facts.facts import SharedFacts
    from timetravel.facts.model import FeatureGroup
    from timetravel.reading.reader import FeatureRows

CATALOGUE_ATTRIBUTES = (ADDED_AT, GENRES, YEAR)
"""The video attributes that ranking reads."""


class RankingStage:
    """Order the videos of rows by a model, and score the rows."""

    def __init__(self, facts: SharedFacts) -> None:
        self._facts = facts
        self._catalogues = EpochCache(self._load_catalogue, capacity=CAPACITY)
        self._views = EpochCache(self._load_view, capacity=CAPACITY)
        self._makers: RankingCatalogues | None = None

    def rank(self, task: RankingTask) -> RankedRows:
        """Return the best videos of each row of each page.

        Raises:
            UnknownProfile: Of a profile nothing is known at its page's moment.
            InvalidPages: There is no page, or a given position is not in the listing.
            InvalidModel: The model is invalid, or gives scores that are not finite numbers.
            CatalogueMismatch: The task refers to another listing.
        """
        requests = task.requests
        if not len(requests):
            raise InvalidPages("There are no pages.", remedy="Ask for one.", field="pages")
        reader = self._facts.reader
        profiles = read_profiles(reader, requests)
        profiles.check_known(requests)
        affinity = reader.features(
            PROFILE_GENRE_AFFINITY, requests.profile_ids, requests.as_of_micros
        )
        taste = reader.features(PROFILE_TASTE, requests.profile_ids, requests.as_of_micros)
        newest = np.maximum(affinity.known_at, taste.known_at)
        newest = np.maximum(newest, profiles.newest_known_at)

        parts: list[tuple[Int64Array, Kept]] = []
        for view, indexes in group_by_epoch(requests.as_of_micros, self._views.at):
            newest[indexes] = np.maximum(newest[indexes], view.newest_known_at)
            parts.append(
                (
                    indexes,
                    _rank_epoch(task, view, indexes, profiles.countries, affinity, taste),
                )
            )
        return _in_order_of_request(task, parts, newest)

    def forget(self, *, momentary_only: bool = False) -> None:
        """Drop what was derived from facts."""
        self._catalogues.forget(momentary_only=momentary_only)
        self._views.forget(momentary_only=momentary_only)

    def _load_catalogue(self, at: int) -> Epoch[RankingCatalogue]:
        rows = self._facts.catalogue.at(at)
        if self._makers is None:
            groups = self._facts.reader.feature_groups()
            self._makers = RankingCatalogues(
                _fields_of(groups, PROFILE_GENRE_AFFINITY), _fields_of(groups, PROFILE_TASTE)
            )
        return combine(self._makers.make(rows.value), rows)

    def _load_view(self, at: int) -> Epoch[RankingView]:
        rows = self._facts.catalogue.at(at)
        catalogue = self._catalogues.at(at)
        popularity = self._facts.features(VIDEO_POPULARITY).at(at)
        trending = self._facts.features(VIDEO_TRENDING).at(at)
        known = self._facts.configuration.at(at)
        settings = known.value.configuration.ranking
        document = self._facts.documents(MODEL_COLLECTION, settings.model).at(at)
        for features in (popularity.value, trending.value):
            check_same_listing(
                catalogue.value.catalogue_version,
                features.catalogue_version,
                field=features.group.name,
            )
        view = RankingView(
            catalogue=catalogue.value,
            popularity=feature_columns(popularity.value),
            trending=feature_columns(trending.value),
            model=parse_model(
                document.value.body, schema_version=document.value.schema_version
            ),
            settings=settings,
            newest_known_at=max(
                rows.value.newest_known_at,
                popularity.value.newest_known_at,
                trending.value.newest_known_at,
                known.value.newest_known_at,
                document.value.newest_known_at,
            ),
        )
        return combine(view, rows, catalogue, popularity, trending, known, document)


def _rank_epoch(
    task: RankingTask,
    view: RankingView,
    indexes: Int64Array,
    countries: Sequence[str],
    affinity: FeatureRows,
    taste: FeatureRows,
) -> Kept:
    check_same_listing(
        task.catalogue_version, view.catalogue.catalogue_version, field="catalogue_version"
    )
    videos = len(view.catalogue.video_ids)
    if task.bitmaps.shape[1] != bitmap_bytes(videos):
        raise InvalidPages(
            f"Bitmaps of {task.bitmaps.shape[1]} bytes do not fit {videos} videos.",
            remedy="Send ceil(videos / 8) bytes per page.",
            field="eligible",
        )
    _check_positions(task.given_positions, videos, field="given_positions")
    _check_positions(task.seen.positions, videos, field="seen_positions")
    seen = task.seen.take(indexes)
    own = sorted({countries[index] for index in indexes.tolist()})
    pages = Pages(
        as_of=task.requests.as_of_micros[indexes],
        bitmaps=task.bitmaps[indexes],
        base=np.stack([view.shared_scores(country) for country in own]),
        base_of=np.array([own.index(countries[index]) for index in indexes.tolist()], np.int64),
        affinity=_or_zero(affinity, indexes),
        taste=_or_zero(taste, indexes),
        seen_starts=starts(seen.counts),
        seen=seen.positions,
    )
    ladders = [view.ladder(country, int(pages.as_of.min())) for country in own]
    plan = plan_rows(task, view, indexes, countries)
    rows = len(task.rows)
    room = len(indexes) * rows * task.depth
    kept = Kept(
        counts=np.zeros((len(indexes), rows), np.int32),
        positions=np.empty(room, np.int32),
        scores=np.empty(room, np.float32),
        row_scores=np.empty((len(indexes), rows), np.float32),
    )
    size, bad_page = rank_pages(
        pages,
        view.catalogue.videos,
        view.weights,
        Ladders(
            starts=ladders[0].starts,
            order=np.stack([ladder.order for ladder in ladders]),
            bounds=np.stack([ladder.bounds for ladder in ladders]),
            since=np.array([ladder.since for ladder in ladders], np.int64),
            largest=np.array([ladder.largest for ladder in ladders], np.float64),
        ),
        plan,
        task.depth,
        task.row_score_depth,
        kept,
    )
    if bad_page >= 0:
        raise InvalidModel(
            f"The model {view.settings.model!r} gives page {int(indexes[bad_page])} of the "
            "batch a score that is not finite.",
            remedy="Look for infinite features or weights.",
            field="weights",
        )
    return kept._replace(positions=kept.positions[:size], scores=kept.scores[:size])


def _check_positions(positions: Int32Array, videos: int, *, field: str) -> None:
    last = int(positions.max(initial=-1))
    if last >= videos:
        raise InvalidPages(
            f"Position {last} is not among {videos} videos.",
            remedy="Give positions in the catalogue listing.",
            field=field,
        )


def _or_zero(features: FeatureRows, indexes: Int64Array) -> Float32Array:
    values = features.values[indexes]
    return np.where(np.isnan(values), np.float32(0), values)


def _in_order_of_request(
    task: RankingTask, parts: Sequence[tuple[Int64Array, Kept]], newest: Int64Array
) -> RankedRows:
    kept = parts[0][1] if len(parts) == 1 else _merge_kept(parts)
    return RankedRows(
        catalogue_version=task.catalogue_version,
        counts=kept.counts,
        positions=kept.positions,
        scores=kept.scores,
        row_scores=kept.row_scores,
        newest_known_at=newest,
    )


def _merge_kept(parts: Sequence[tuple[Int64Array, Kept]]) -> Kept:
    counts = np.concatenate([kept.counts for _, kept in parts])
    back = np.argsort(np.concatenate([indexes for indexes, _ in parts]))
    members = members_of(counts.sum(axis=1, dtype=np.int64), back)
    return Kept(
        counts=counts[back],
        positions=np.concatenate([kept.positions for _, kept in parts])[members],
        scores=np.concatenate([kept.scores for _, kept in parts])[members],
        row_scores=np.concatenate([kept.row_scores for _, kept in parts])[back],
    )


def _fields_of(groups: Mapping[str, FeatureGroup], name: str) -> tuple[str, ...]:
    if name not in groups:
        raise UnknownFeatureGroup(
            f"Nobody registered the feature group {name!r}.",
            remedy="Import a world, or record its features.",
            field="group",
        )
    return groups[name].fields
