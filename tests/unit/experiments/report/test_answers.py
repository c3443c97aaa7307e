"""What an experiment found, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from experiments.report.answers import answer, make_headline
from experiments.report.findings import Verdict
from tests.support.pages.plain_results import better, findings_of, result, unclear, worse

if TYPE_CHECKING:
    from experiments.report.findings import Result

PLAYED, NEARNESS, REPEATS = "recall_in_view", "page_ndcg", "duplicate_share"


@pytest.mark.parametrize(
    ("results", "verdict", "words"),
    [
        ([better(PLAYED, "a")], Verdict.BETTER, "Clearly better"),
        ([worse(PLAYED, "a"), unclear(NEARNESS, "a")], Verdict.WORSE, "Clearly worse"),
        ([better(PLAYED, "a"), worse(NEARNESS, "a")], Verdict.DIFFERENT, "Better and worse"),
        ([unclear(PLAYED, "a")], Verdict.UNCLEAR, "No clear difference"),
        ([result(PLAYED, "a", 0.4, 0.0, 0.0)], Verdict.SAME, "stands where it stood"),
        ([result(REPEATS, "a", 0.4)], Verdict.UNTESTED, "Too little was played"),
    ],
    ids=["better", "worse", "mixed", "unclear", "same", "nothing played"],
)
def test_an_answer_says_what_becomes_of_what_members_played_next(
    results: list[Result], verdict: Verdict, words: str
) -> None:
    found = answer(findings_of(*results), "a")
    assert found.verdict is verdict
    assert words in found.sentence


def test_what_is_unclear_is_told_with_what_it_may_still_be() -> None:
    found = answer(findings_of(result(PLAYED, "a", 0.4, 0.01, 0.03, p_adjusted=0.5)), "a")
    assert "from \N{MINUS SIGN}2.0 to +4.0" in found.sentence


def test_more_of_what_should_be_less_is_worse() -> None:
    scrolls = better("scroll_effort", "a")
    assert answer(findings_of(scrolls), "a").verdict is Verdict.WORSE


def test_clear_differences_of_the_pages_are_named_and_the_others_are_not() -> None:
    found = answer(
        findings_of(
            better(REPEATS, "a"), unclear("genre_entropy", "a"), worse("popularity", "a")
        ),
        "a",
    )
    assert [(one.title, one.verdict) for one in found.clear] == [
        ("Repeated titles", "worse"),
        ("Popularity of titles", "different"),
    ]


def test_what_no_page_may_show_is_told_however_rare() -> None:
    found = answer(findings_of(result("unlicensed_videos", "a", 0.01, 0.01, 0.02)), "a")
    assert found.broken == ("0.01 titles without a licence a page",)


@pytest.mark.parametrize(
    ("results", "headline"),
    [
        ([unclear(PLAYED, "a")], "a is not clearly better or worse than control"),
        (
            [unclear(PLAYED, "a"), unclear(PLAYED, "b")],
            "No treatment is clearly better or worse than control",
        ),
        (
            [better(PLAYED, "a"), better(PLAYED, "b"), worse(PLAYED, "c")],
            (
                "a and b are clearly better than control at showing what members played next. "
                "c is clearly worse than control at showing what members played next."
            ),
        ),
        (
            [better(PLAYED, "a"), unclear(PLAYED, "b")],
            (
                "a is clearly better than control at showing what members played next. "
                "b is not clearly either."
            ),
        ),
        (
            [better(PLAYED, "a"), unclear(PLAYED, "b"), unclear(PLAYED, "c")],
            (
                "a is clearly better than control at showing what members played next. "
                "The other 2 are not clearly either."
            ),
        ),
        ([result(REPEATS, "a", 0.4)], "Too little was played after these pages"),
    ],
)
def test_the_headline_names_winners_and_losers(results: list[Result], headline: str) -> None:
    assert make_headline(findings_of(*results)).startswith(headline)


def test_the_headline_says_whether_pages_change() -> None:
    same, changed = unclear(PLAYED, "a"), better(REPEATS, "a")
    assert make_headline(findings_of(same)).endswith("does not clearly change.")
    assert make_headline(findings_of(same, changed)).endswith(
        "a clearly changes what is on the pages."
    )
    others = [better(REPEATS, "b"), unclear(REPEATS, "c")]
    assert make_headline(findings_of(same, changed, *others[:1])).endswith(
        "Each clearly changes what is on the pages."
    )
    assert make_headline(findings_of(same, changed, *others)).endswith(
        "2 of 3 treatments clearly change what is on the pages."
    )
