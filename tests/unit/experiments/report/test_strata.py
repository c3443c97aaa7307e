"""For whom something changes, and how much of that is chance."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.metrics.compute import compute_metrics
from experiments.metrics.options import MeasuredRun
from experiments.report.findings import Findings, Verdict
from experiments.report.strata import describe_changed_strata, describe_outliers, make_strata
from tests.support.pages.plain_results import better, findings_of, result, unclear

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.store import Store

CHANGED, PLAYED = "changed_pages", "recall_in_view"


def test_strata_are_told_apart_only_where_their_intervals_are() -> None:
    apart = findings_of(
        result(CHANGED, "a", 0.9, stratum="country=FR", spread=0.05),
        result(CHANGED, "a", 0.4, stratum="country=US", spread=0.05),
    )
    assert describe_changed_strata(apart, "a")[0].endswith(
        "; more apart than chance would put them."
    )
    near = findings_of(
        result(CHANGED, "a", 0.9, stratum="country=FR", spread=0.3),
        result(CHANGED, "a", 0.8, stratum="country=US", spread=0.3),
    )
    assert "no more apart than chance" in describe_changed_strata(near, "a")[0]


def test_strata_of_few_members_are_never_told_apart() -> None:
    # Three members who agree have no variance: as an interval, certainty.
    certain = findings_of(
        result(CHANGED, "a", 1.0, stratum="country=FR", spread=0.0, profiles=3),
        result(CHANGED, "a", 0.4, stratum="country=US", spread=0.05),
    )
    assert describe_changed_strata(certain, "a")[0].endswith(
        "; of too few members to tell them apart."
    )
    lucky = findings_of(
        result(PLAYED, "a", 0.5, 0.1, 0.0, p_adjusted=0.0, stratum="country=FR", profiles=3)
    )
    assert describe_outliers(lucky, "a", Verdict.BETTER) == ()


def test_one_stratum_is_not_compared_with_itself() -> None:
    findings = findings_of(result(CHANGED, "a", 0.9, stratum="country=FR", spread=0.1))
    assert describe_changed_strata(findings, "a") == ()


def test_a_stratum_that_gains_clearly_is_named() -> None:
    findings = findings_of(
        better(PLAYED, "a", stratum="country=FR"), unclear(PLAYED, "a", stratum="country=US")
    )
    assert describe_outliers(findings, "a", Verdict.BETTER) == (
        "Clearly better for country=FR.",
    )
    assert describe_outliers(findings, "a", Verdict.WORSE) == ()


def test_strata_stand_below_everyone_on_one_scale_and_small_ones_are_flagged() -> None:
    (strata,) = make_strata(
        findings_of(
            unclear(PLAYED, "a"),
            unclear(PLAYED, "a", stratum="country=FR", profiles=80, pages=90),
            unclear(PLAYED, "a", half_width=0.9, stratum="country=US", profiles=5, pages=6),
        )
    )
    everyone, france, states = strata.lines
    assert (everyone.stratum, everyone.is_everyone) == ("everyone", True)
    assert (france.pages, france.members, france.has_few) == (90, 80, False)
    assert states.has_few
    # Everyone's interval and that of a stratum with the same one are drawn the same; one that
    # goes on beyond the scale says so.
    assert everyone.line.cells[0].drawing == france.line.cells[0].drawing
    assert states.line.cells[0].drawing.count("<path") == 2
    assert "<path" not in france.line.cells[0].drawing


def test_an_experiment_without_strata_has_none() -> None:
    assert make_strata(findings_of(unclear(PLAYED, "a"))) == []


def test_pages_of_profiles_without_a_country_are_apart_from_those_of_one_called_unknown(
    simulated_run: SimulatedRun, store: Store, tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    shutil.copytree(simulated_run.directory / "rows", directory / "rows")
    for path in simulated_run.directory.glob("pages/**/*.parquet"):
        pages = pq.read_table(path, partitioning=None)
        told = [
            {"country": None, "stratum": "no country"}
            if page["profile_id"] % 2
            else {"country": "unknown", "stratum": "country=unknown"}
            for page in pages.to_pylist()
        ]
        for name in ("country", "stratum"):
            place = pages.schema.get_field_index(name)
            column = pa.array([own[name] for own in told], pa.string())
            pages = pages.set_column(place, pages.schema.field(place), column)
        target = directory / path.relative_to(simulated_run.directory)
        target.parent.mkdir(parents=True)
        pq.write_table(pages, target)
    run = MeasuredRun(directory, simulated_run.variants, simulated_run.snapshot)
    results = Findings.of(compute_metrics(run, store, store.as_of(run.snapshot)))
    assert results.strata == ("country=unknown", "no country")
    lines = make_strata(results)[0].lines
    assert [line.stratum for line in lines] == ["everyone", "country=unknown", "no country"]
