"""Rows of every type against the rules in plain Python."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from services.errors import CatalogueMismatch, InvalidModel, InvalidPages, UnsupportedSchema
from services.filtering.stage import FilteringStage
from services.page.inputs import VIDEO_ATTRIBUTES, VIDEO_POPULARITY
from services.page.model import PageRequests, RowDefinition, RowOrdering, RowType, SeenPolicy
from services.ranking.model import ModelInput, parse_model
from services.ranking.stage import RankingStage
from services.ranking.task import RankedRows, RankingTask, Seen
from services.shared_facts.facts import SharedFacts
from tests.support.pages.page_worlds import DAY, END, PageWorld, make_world
from timetravel.facts.model import DocumentFact, EntityKind, FeatureFact

if TYPE_CHECKING:
    from services.filtering.task import Eligibility
    from timetravel.facts.model import JsonValue

DEPTH = 12
MODEL, GIVEN = RowOrdering.MODEL, RowOrdering.GIVEN


def row(row_type: RowType, ordering: RowOrdering = MODEL, **more: object) -> RowDefinition:
    return RowDefinition("row", row_type, "Row", ordering, **more)  # type: ignore[arg-type]  # fields of a row


class Ranked:
    """Rows ranked for one profile at the end of a world."""

    def __init__(
        self,
        world: PageWorld,
        rows: list[RowDefinition],
        *,
        profile_id: int = 1001,
        model: str = "personal",
        given: list[int] | None = None,
        candidate_depth: int = 7,
        depth: int = DEPTH,
        version: str | None = None,
    ) -> None:
        overlay: dict[str, JsonValue] = {
            "ranking": {"model": model, "candidate_depth": candidate_depth}
        }
        self.reader = world.reader()
        facts = SharedFacts(
            self.reader, attributes=VIDEO_ATTRIBUTES, configuration_overlay=overlay
        )
        requests = PageRequests.of([(profile_id, END, "tv")])
        self.eligibility: Eligibility = FilteringStage(facts).filter(requests)
        task = RankingTask(
            requests=requests,
            catalogue_version=version or self.eligibility.catalogue_version,
            bitmaps=self.eligibility.bitmaps,
            rows=tuple(rows),
            is_given=np.array([given is not None] * len(rows)),
            given_counts=np.array([[len(given or [])] * len(rows)], np.int64),
            given_positions=np.array((given or []) * len(rows), np.int32),
            depth=depth,
            row_score_depth=4,
            seen=Seen(self.eligibility.seen_counts, self.eligibility.seen_positions),
        )
        self.answer: RankedRows = RankingStage(facts).rank(task)
        bits = np.unpackbits(self.eligibility.bitmaps[0], bitorder="little")
        self.eligible: list[int] = np.flatnonzero(bits).tolist()

    def row(self, index: int = 0) -> list[int]:
        first = int(self.answer.first[0, index])
        kept = slice(first, first + int(self.answer.counts[0, index]))
        positions: list[int] = self.answer.positions[kept].tolist()
        return positions

    def scores(self, index: int = 0) -> list[float]:
        first = int(self.answer.first[0, index])
        kept = slice(first, first + int(self.answer.counts[0, index]))
        scores: list[float] = self.answer.scores[kept].tolist()
        return scores

    def videos(self, name: str) -> list[JsonValue]:
        return list(self.reader.catalogue(END, (name,)).columns[name])

    def features(self, group: str, field: str) -> list[float]:
        features = self.reader.catalogue_features(group, END)
        column = features.group.fields.index(field)
        values: list[float] = features.values[:, column].tolist()
        return values


SOURCES = [
    (RowType.TOP_PICKS, MODEL),
    (RowType.TOP_PICKS, GIVEN),
    (RowType.GENRE, MODEL),
    (RowType.NEW, MODEL),
    (RowType.NEW, GIVEN),
    (RowType.TRENDING, GIVEN),
    (RowType.POPULAR, MODEL),
]


@pytest.mark.parametrize(("row_type", "ordering"), SOURCES)
def test_a_row_shows_what_was_seen_not_at_all_or_last_or_like_the_rest(
    row_type: RowType, ordering: RowOrdering
) -> None:
    more = {"genre": "Drama"} if row_type is RowType.GENRE else {}
    found = 0
    for seed in range(4):
        ranked = Ranked(
            make_world(seed),
            [row(row_type, ordering, seen=policy, **more) for policy in SeenPolicy],
            candidate_depth=60,
            depth=60,
        )
        seen = set(ranked.eligibility.seen_positions.tolist())
        excluding, demoting, allowing = (ranked.row(index) for index in range(3))
        assert not seen & set(excluding)
        assert demoting[: len(excluding)] == excluding
        assert set(demoting[len(excluding) :]) <= seen
        assert sorted(demoting) == sorted(allowing)
        assert [video for video in allowing if video not in seen] == excluding
        if ordering is MODEL:
            assert ranked.scores(2) == sorted(ranked.scores(2), reverse=True)
        found += len(set(allowing) & seen)
    assert found > 0


def test_what_was_seen_takes_no_room_of_what_was_not(world: PageWorld) -> None:
    rows = [row(RowType.POPULAR, GIVEN, seen=policy) for policy in SeenPolicy]
    ranked = Ranked(world, rows, depth=3)
    assert ranked.row(1) == ranked.row(0)
    assert len(ranked.row(2)) == 3


@pytest.fixture
def world() -> PageWorld:
    return make_world(11)


def test_top_picks_are_the_best_eligible_videos_by_the_model(world: PageWorld) -> None:
    ranked = Ranked(world, [row(RowType.TOP_PICKS)], model="popularity")
    body = next(
        fact.body
        for fact in world.facts
        if isinstance(fact, DocumentFact) and fact.name == "popularity"
    )
    model = parse_model(body or {})
    added = ranked.videos("added_at")

    def score(place: int) -> float:
        total = 0.0
        for name, field in (
            (ModelInput.POPULARITY_28D, "events_28d"),
            (ModelInput.POPULARITY_365D, "events_365d"),
            (ModelInput.POPULARITY_ALL, "events_all"),
        ):
            count = ranked.features(VIDEO_POPULARITY, field)[place]
            total += model.weight(name) * math.log1p(count)
        rating = ranked.features(VIDEO_POPULARITY, "mean_rating")[place]
        age_days = (END - int(str(added[place]))) / DAY
        total += model.weight(ModelInput.MEAN_RATING) * rating
        return total + model.weight(ModelInput.FRESHNESS) / (1 + age_days / 30)

    best = sorted(ranked.eligible, key=lambda place: (-score(place), place))[:DEPTH]
    assert ranked.row() == best
    np.testing.assert_allclose(ranked.scores(), [score(place) for place in best], rtol=1e-5)
    row_score = float(ranked.answer.row_scores[0, 0])
    assert row_score == pytest.approx(np.mean(ranked.scores()[:4]), rel=1e-6)


def test_the_personal_model_adds_affinity_and_taste(world: PageWorld) -> None:
    personal = Ranked(world, [row(RowType.TOP_PICKS)])
    affinity = personal.reader.features("profile_genre_affinity", [1001], END)
    taste = personal.reader.features("profile_taste", [1001], END)
    genres, years = personal.videos("genres"), personal.videos("year")
    by_genre = dict(zip(affinity.group.fields, affinity.values[0].tolist(), strict=True))
    by_field = dict(zip(taste.group.fields, taste.values[0].tolist(), strict=True))
    weights: dict[str, JsonValue] = {"genre_affinity": 1.5, "taste_match": 2.0}
    only = DocumentFact("model", "only", END, END, 1, {"kind": "linear", "weights": weights})
    ranked = Ranked(world.extended([only]), [row(RowType.TOP_PICKS)], model="only")

    def score(place: int) -> float:
        own = [f"genre:{genre}" for genre in genres[place]]  # type: ignore[union-attr]  # a list
        fields = [*own]
        if years[place] is not None:
            fields.append(f"era:{int(str(years[place])) // 10 * 10}")
        mean: float = sum(by_genre[name] for name in own) / len(own)
        match: float = sum(by_field[name] for name in fields) / math.sqrt(len(fields))
        return 1.5 * mean + 2.0 * match

    expected = [score(place) for place in ranked.row()]
    np.testing.assert_allclose(ranked.scores(), expected, rtol=1e-5)
    assert expected == sorted(expected, reverse=True)


def test_equal_scores_stand_by_ascending_video(world: PageWorld) -> None:
    weights: dict[str, JsonValue] = {"mean_rating": 0.0, "popularity_7d": 0.0}
    flat = DocumentFact("model", "flat", END, END, 1, {"kind": "linear", "weights": weights})
    ranked = Ranked(world.extended([flat]), [row(RowType.TOP_PICKS)], model="flat")
    assert ranked.row() == ranked.eligible[:DEPTH]


def test_a_profile_without_history_is_ranked_by_what_is_popular(world: PageWorld) -> None:
    ranked = Ranked(world, [row(RowType.TOP_PICKS)], profile_id=1000)
    assert len(ranked.row()) == DEPTH
    assert np.isfinite(ranked.scores()).all()


def test_genre_rows_hold_their_genre(world: PageWorld) -> None:
    ranked = Ranked(world, [row(RowType.GENRE, genre="Drama"), row(RowType.TOP_PICKS)])
    genres = ranked.videos("genres")
    everything = Ranked(world, [row(RowType.TOP_PICKS)])
    assert ranked.row(0)
    assert all("Drama" in (genres[place] or ()) for place in ranked.row(0))  # type: ignore[operator]  # lists
    assert ranked.row(1) == everything.row(0)
    assert Ranked(world, [row(RowType.GENRE, genre="Opera")]).row() == []


def test_more_rows_than_one_word_of_the_mask_rank_like_one(world: PageWorld) -> None:
    rows = [row(RowType.GENRE, genre="Drama"), row(RowType.TOP_PICKS)] * 70
    ranked = Ranked(world, rows)
    assert all(ranked.row(index) == ranked.row(index % 2) for index in range(140))


@pytest.mark.parametrize("row_type", [RowType.TRENDING, RowType.TOP_TEN])
def test_local_rows_follow_what_the_country_plays(world: PageWorld, row_type: RowType) -> None:
    ranked = Ranked(world, [row(row_type, GIVEN)])
    country = ranked.reader.attributes(EntityKind.PROFILE, [1001], END, ["country"])
    plays = ranked.features("video_trending", str(country.columns["country"][0]))
    usual = ranked.features(VIDEO_POPULARITY, "events_365d")

    def value(place: int) -> float:
        scale = math.sqrt(1 + usual[place]) if row_type is RowType.TRENDING else 1.0
        return float(np.float32(plays[place]) / np.float32(scale))

    played = [place for place in ranked.eligible if plays[place] > 0]
    limit = 10 if row_type is RowType.TOP_TEN else DEPTH
    assert ranked.row() == sorted(played, key=lambda place: (-value(place), place))[:limit]


def test_new_and_popular_rows_have_orders_of_their_own(world: PageWorld) -> None:
    ranked = Ranked(world, [row(RowType.NEW, GIVEN), row(RowType.POPULAR, GIVEN)])
    added = [int(str(moment)) for moment in ranked.videos("added_at")]
    windows = [
        ranked.features(VIDEO_POPULARITY, field)
        for field in ("events_28d", "events_365d", "events_all")
    ]
    newest = sorted(ranked.eligible, key=lambda place: (-added[place], place))
    popular = sorted(
        ranked.eligible, key=lambda place: (*(-window[place] for window in windows), place)
    )
    assert ranked.row(0) == newest[:DEPTH]
    assert ranked.row(1) == popular[:DEPTH]


def test_the_model_reorders_only_the_leading_candidates_of_an_order(world: PageWorld) -> None:
    ranked = Ranked(world, [row(RowType.NEW, GIVEN), row(RowType.NEW, MODEL)])
    assert sorted(ranked.row(1)) == sorted(ranked.row(0)[:7])
    assert ranked.scores(1) == sorted(ranked.scores(1), reverse=True)


def test_editorial_rows_keep_their_order_and_what_is_eligible(world: PageWorld) -> None:
    listing = world.reader().catalogue(END, ()).video_ids
    probe = Ranked(world, [row(RowType.TOP_PICKS)])
    picked = probe.row()[::-1]
    hidden = next(place for place in range(len(listing)) if place not in probe.eligible)
    ids = (*listing[[picked[0], hidden]].tolist(), 10**9, *listing[picked[1:4]].tolist())
    ranked = Ranked(world, [row(RowType.EDITORIAL, GIVEN, video_ids=ids)])
    assert ranked.row() == picked[:4]


def test_given_candidates_are_kept_in_order_or_reordered(world: PageWorld) -> None:
    given = [9, 3, 30, 4]
    rows = [row(RowType.MY_LIST, GIVEN), row(RowType.MY_LIST, MODEL)]
    ranked = Ranked(world, rows, given=given)
    assert ranked.row(0) == given
    assert sorted(ranked.row(1)) == sorted(given)
    assert ranked.scores(1) == sorted(ranked.scores(0), reverse=True)


def test_rows_that_depend_on_the_profile_need_candidates(world: PageWorld) -> None:
    with pytest.raises(InvalidPages, match="my_list row"):
        Ranked(world, [row(RowType.MY_LIST)])


def test_positions_beyond_the_listing_are_refused(world: PageWorld) -> None:
    with pytest.raises(InvalidPages, match="Position 60"):
        Ranked(world, [row(RowType.MY_LIST)], given=[60])


def test_another_listing_is_refused(world: PageWorld) -> None:
    with pytest.raises(CatalogueMismatch):
        Ranked(world, [row(RowType.NEW)], version="0123456789abcdef")


def test_a_score_that_is_no_number_names_the_model(world: PageWorld) -> None:
    endless = np.array([np.inf] * 5, np.float32)
    facts = [FeatureFact(VIDEO_POPULARITY, 1, END, END, endless)]
    with pytest.raises(InvalidModel, match="'popularity' gives page 0"):
        Ranked(world.extended(facts), [row(RowType.TOP_PICKS)], model="popularity")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"kind": "tree", "weights": {"trending": 1.0}}, "kind"),
        ({"kind": "linear", "weights": {}}, "weights"),
        ({"kind": "linear", "weights": {"colour": 1.0}}, "colour"),
        ({"kind": "linear", "weights": {"trending": "much"}}, "weights.trending"),
        ({"kind": "linear", "weights": {"trending": 1.0}, "depth": 3}, "depth"),
    ],
)
def test_a_document_that_is_no_model_is_refused_by_field(
    body: dict[str, JsonValue], part: str
) -> None:
    with pytest.raises(InvalidModel, match=part):
        parse_model(body)


def test_a_later_model_schema_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedSchema, match="version 2"):
        parse_model({"kind": "linear", "weights": {"trending": 1.0}}, schema_version=2)
