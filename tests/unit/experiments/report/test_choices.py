"""The pages that a report shows, and why those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from experiments.metrics.compute import PAGE_METRICS_FILE
from experiments.report.pages.choices import choose_pages

if TYPE_CHECKING:
    from experiments.report.description import RunDescription


def measured(run: RunDescription) -> dict[tuple[str, str], dict[str, Any]]:
    records = pq.read_table(run.measured.directory / PAGE_METRICS_FILE).to_pylist()
    return {(one["variant"], one["page_id"]): one for one in records}


def test_members_are_shown_once_and_each_page_has_its_reason(
    described_run: RunDescription,
) -> None:
    choices = choose_pages(described_run.measured.directory, described_run.measured.variants)
    profiles = [choice.profile_id for choice in choices]
    assert len(set(profiles)) == len(profiles)
    reasons = [choice.reason for choice in choices]
    assert len(set(reasons)) == len(reasons)
    assert reasons[0] == "Changed typically"
    assert reasons[-2:] == ["Changed most", "Changed least"]


def test_a_page_of_a_gain_gains_and_one_of_a_loss_loses(described_run: RunDescription) -> None:
    of_page = measured(described_run)
    choices = choose_pages(described_run.measured.directory, described_run.measured.variants)
    told = [choice for choice in choices if choice.reason.startswith("Where ")]
    assert told
    for choice in told:
        (treatment,) = choice.treatments
        after = of_page[treatment, choice.page_id]["recall_in_view"]
        before = of_page["control", choice.page_id]["recall_in_view"]
        assert choice.reason in {f"Where {treatment} gains", f"Where {treatment} loses"}
        assert (after > before) == choice.reason.endswith("gains")
        assert after != before


def test_the_page_changed_most_is_changed_more_than_the_one_changed_least(
    described_run: RunDescription,
) -> None:
    choices = choose_pages(described_run.measured.directory, described_run.measured.variants)
    typical, most, least = choices[0], choices[-2], choices[-1]
    assert most.change >= typical.change >= least.change
    assert most.change > least.change


def test_the_same_pages_are_chosen_again(described_run: RunDescription) -> None:
    arguments = (described_run.measured.directory, described_run.measured.variants)
    assert choose_pages(*arguments) == choose_pages(*arguments)
