"""Page metrics against their plain definitions, and against what people expect of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.metrics.definitions.definition import Family
from experiments.metrics.definitions.registry import PAGE_METRICS
from services.page.model import RowType
from tests.support.effort import effort
from tests.unit.experiments.metrics.plain_metrics import (
    PAGE_ORACLES,
    PAIR_ORACLES,
    PlainFacts,
    PlainPage,
    PlainRow,
    PlainVideo,
    changed_pages,
    rank_biased_overlap,
    row_share,
)

if TYPE_CHECKING:
    from tests.unit.experiments.metrics.conftest import Measure

VIDEOS = range(1, 13)
MOMENT = 1_500_000_000_000_000
SHARES_AND_SCORES = (
    *(oracle.__name__ for oracle in PAIR_ORACLES),
    "duplicate_share",
    "intra_list_diversity",
    "fresh_share",
    "recall_in_view",
    "recall_on_page",
    "page_ndcg",
)
ROW_TYPES = tuple(row_type.label for row_type in RowType)

_rows = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(ROW_TYPES),
        st.lists(st.sampled_from(VIDEOS), min_size=1, max_size=8, unique=True),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[0],
).map(lambda rows: tuple(PlainRow(one, kind, tuple(videos)) for one, kind, videos in rows))


@st.composite
def _experiments(draw: st.DrawFn) -> tuple[list[PlainPage], PlainFacts]:
    """Draw pages of two variants for the same profiles, and facts about their videos."""
    geometry = draw(st.sampled_from([(6, 8, 2, 3), (6, 8, 1, 8), (6, 8, 6, 1)]))
    pages = []
    for profile in range(draw(st.integers(1, 6))):
        control = draw(_rows)
        treatment = draw(st.one_of(st.just(control), _rows, st.permutations(control)))
        for variant, rows in (("control", control), ("treatment", treatment)):
            moment = MOMENT + profile
            pages.append(PlainPage(variant, profile, moment, tuple(rows), "US", geometry))
    moments = st.integers(MOMENT - 10**13, MOMENT + 10**12)
    videos = draw(
        st.dictionaries(
            st.sampled_from(VIDEOS),
            st.builds(
                PlainVideo,
                genres=st.lists(st.sampled_from("xyz"), unique=True, max_size=3).map(tuple),
                plays=st.integers(0, 1000).map(float),
                added_at=st.none() | moments,
                maturity=st.none() | st.sampled_from([0, 13, 18]),
            ),
        )
    )
    facts = PlainFacts(
        videos=videos,
        licences={"US": draw(st.sets(st.sampled_from(VIDEOS)))},
        limits=draw(st.dictionaries(st.integers(0, 5), st.sampled_from([0, 13, 18]))),
        played={
            page.page_id: draw(st.sets(st.sampled_from(VIDEOS), min_size=1))
            for page in pages
            if draw(st.booleans())
        },
    )
    return pages, facts


@settings(
    max_examples=effort(40, 1_000),
    deadline=None,
)
@given(experiment=_experiments())
def test_every_page_metric_equals_its_plain_definition_and_keeps_its_bounds(
    measure: Measure, experiment: tuple[list[PlainPage], PlainFacts]
) -> None:
    pages, facts = experiment
    measured = measure(pages, facts, {"treatment": "control"})
    for oracle in PAGE_ORACLES:
        expected = {
            (page.variant, page.page_id): value
            for page in pages
            if (value := oracle(page, facts)) is not None
        }
        assert measured[oracle.__name__] == pytest.approx(expected, abs=1e-12), oracle.__name__
    for row_type in ROW_TYPES:
        name = f"row_share_{row_type}"
        assert measured[name] == pytest.approx(
            {(page.variant, page.page_id): row_share(page, row_type) for page in pages},
            abs=1e-12,
        )
    controls = {page.page_id: page for page in pages if page.variant == "control"}
    for pair_oracle in PAIR_ORACLES:
        compared = {
            (page.variant, page.page_id): value
            for page in pages
            if page.variant == "treatment"
            and (value := pair_oracle(page, controls[page.page_id])) is not None
        }
        assert measured[pair_oracle.__name__] == pytest.approx(compared, abs=1e-12), (
            pair_oracle.__name__
        )
    for name in SHARES_AND_SCORES:
        assert all(0 <= value <= 1 for value in measured[name].values()), name


@settings(max_examples=effort(15, 200), deadline=None)
@given(
    left=st.lists(st.sampled_from("abcdef"), min_size=1, unique=True),
    right=st.lists(st.sampled_from("abcdef"), min_size=1, unique=True),
)
def test_the_plain_rank_biased_overlap_obeys_its_laws(
    left: list[str], right: list[str]
) -> None:
    overlap = rank_biased_overlap(left, right)
    assert -1e-12 <= overlap <= 1 + 1e-12
    assert overlap == pytest.approx(rank_biased_overlap(right, left))
    assert rank_biased_overlap(left, left) == pytest.approx(1)
    if not set(left) & set(right):
        assert overlap == 0


def _page(*rows: tuple[int, ...], variant: str = "control") -> PlainPage:
    return PlainPage(
        variant,
        1,
        MOMENT,
        tuple(PlainRow(f"row-{index}", "genre", videos) for index, videos in enumerate(rows)),
    )


def test_swapping_rows_further_down_keeps_pages_more_alike(measure: Measure) -> None:
    ids = [(video,) for video in range(1, 7)]
    control = _page(*ids)

    def swapped(first: int) -> PlainPage:
        rows = list(control.rows)
        rows[first], rows[first + 1] = rows[first + 1], rows[first]
        return PlainPage("treatment", 1, MOMENT, tuple(rows))

    overlaps: list[float] = []
    for first in range(5):
        measured = measure(
            [control, swapped(first)],
            PlainFacts(),
            {"treatment": "control"},
        )
        overlaps.extend(measured["row_overlap"].values())
    assert overlaps == sorted(overlaps)
    assert overlaps[0] < overlaps[-1] < 1


def test_a_page_with_all_played_titles_first_has_the_best_gain(measure: Measure) -> None:
    page = _page((1, 2, 9), (3, 8, 7))
    measured = measure([page], PlainFacts(played={page.page_id: {1, 2, 3}}))
    assert measured["page_ndcg"]["control", page.page_id] == 1.0
    assert measured["scroll_effort"]["control", page.page_id] == 0.0
    assert measured["recall_in_view"]["control", page.page_id] == 1.0


def test_losing_every_played_title_costs_more_than_the_farthest_place(
    measure: Measure,
) -> None:
    far = _page(*[tuple(range(8 * row, 8 * row + 8)) for row in range(6)])
    lost = _page((1, 2))
    facts = PlainFacts(played={far.page_id: {47}})
    assert list(measure([far], facts)["scroll_effort"].values()) == [9.0]
    assert list(measure([lost], facts)["scroll_effort"].values()) == [10.0]


def test_a_page_after_which_nothing_was_played_has_no_recall(measure: Measure) -> None:
    page = _page((1, 2))
    measured = measure([page], PlainFacts())
    recalls = [metric.name for metric in PAGE_METRICS if metric.family is Family.RECALL]
    assert [measured[name] for name in recalls] == [{}] * 4


def test_a_title_in_two_places_gains_once_and_from_the_better(measure: Measure) -> None:
    page = _page((9, 5), (5, 4))
    measured = measure([page], PlainFacts(played={page.page_id: {5}}))
    assert measured["page_ndcg"]["control", page.page_id] == pytest.approx(1 / math.log2(3))


def test_a_changed_score_changes_bytes_and_nothing_to_be_seen(measure: Measure) -> None:
    class Rescored(PlainPage):
        @property
        def digest(self) -> str:
            return "other bytes"

    control = _page((1, 2))
    rescored = Rescored("treatment", 1, MOMENT, control.rows)
    measured = measure([control, rescored], PlainFacts(), {"treatment": "control"})
    assert list(measured["identical_pages"].values()) == [0.0]
    assert list(measured["changed_pages"].values()) == [0.0]
    assert list(measured["in_row_overlap"].values()) == [1.0]


def test_equal_pages_are_alike_in_everything(measure: Measure) -> None:
    pages = [_page((1, 2)), _page((1, 2), variant="treatment")]
    measured = measure(pages, PlainFacts(), {"treatment": "control"})
    for oracle in PAIR_ORACLES:
        alike = 0.0 if oracle is changed_pages else 1.0
        assert list(measured[oracle.__name__].values()) == [alike]


def test_a_page_without_rows_shows_nothing_and_looks_like_no_other(measure: Measure) -> None:
    played = {_page((1,)).page_id: {1}}
    pages = [_page((1, 2)), _page(variant="treatment")]
    measured = measure(pages, PlainFacts(played=played), {"treatment": "control"})
    own = {
        name: values["treatment", pages[1].page_id]
        for name, values in measured.items()
        if ("treatment", pages[1].page_id) in values
    }
    assert own == {
        "changed_pages": 1.0,
        "identical_pages": 0.0,
        "row_overlap": 0.0,
        "viewport_overlap": 0.0,
    }


def test_every_metric_has_a_plain_definition(measure: Measure) -> None:
    named = {oracle.__name__ for oracle in (*PAGE_ORACLES, *PAIR_ORACLES)}
    shares = {metric.name for metric in PAGE_METRICS if metric.name.startswith("row_share_")}
    assert {metric.name for metric in PAGE_METRICS} == named | shares
    measured = measure(
        [_page((1,)), _page((1,), variant="treatment")],
        PlainFacts(),
        {"treatment": "control"},
    )
    assert measured.keys() == named | shares
