"""What a plan says of a run is what the run then makes, and rests on what was measured."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from experiments.errors import InvalidSpec, TooFewProfiles, UnknownSnapshot
from experiments.generation.baseline import (
    TIME_TRAVEL_SERVICE,
    baseline_processes,
    override_processes,
)
from experiments.generation.partitions import plan_partitions
from experiments.metrics.definitions.definition import OVERALL
from experiments.metrics.statistics import t_p_value
from experiments.report.findings import SIGNIFICANCE
from experiments.runs.beginning import begin_run
from experiments.runs.plan import (
    LEAST_MEMBERS,
    PROCESS_CPU_SECONDS,
    StratumPlan,
    StratumSize,
    estimate_cost,
    find_own_services,
    find_shared_services,
    plan_run,
)
from experiments.runs.requests import find_profiles
from services.page.configuration import DEDUP_SERVICE, RANKING_SERVICE
from tests.support.pages.planned_runs import (
    POPULARITY,
    keys_in_strata,
    make_spec,
    now,
    plan_pages,
)
from timetravel.store import Store

if TYPE_CHECKING:
    from tests.support.pages.simulated_runs import SimulatedRun

MEASUREMENTS = Path(__file__).parents[4] / "docs" / "measurements.md"


def test_a_plan_is_what_a_run_then_begins_with(
    simulated_run: SimulatedRun, tmp_path: Path
) -> None:
    spec = make_spec(slices=2)
    path = shutil.copy(simulated_run.directory / "store.db", tmp_path / "store.db")
    with (
        Store.open(f"sqlite:///{path}") as store,
        begin_run(spec, store, tmp_path / "run", snapshot=None, now=now) as (begun, _),
    ):
        planned = plan_run(spec, store, None, now)
        assert begun.record == planned.record
        partitions = plan_partitions(begun.slices, spec.variants)
        assert planned.partitions == len(partitions)
        assert planned.all_pages == sum(map(len, partitions))
        assert planned.pages == sum(map(len, begun.slices)) == 20
        assert find_profiles(planned.slices).tolist() == find_profiles(begun.slices).tolist()


def test_chunks_and_batches_are_counted_as_they_are_cut(store: Store) -> None:
    spec = make_spec(
        slices=3, limits={"batch_pages": 1000, "concurrent_stacks": 4, "requests_in_flight": 1}
    )
    keys = keys_in_strata(*((profile, "all") for profile in range(13_500)))
    planned = plan_pages(keys, spec, store, {"all": 13_500})
    # Slices of 4,500 pages; chunks of 4,000 and 500, which are batches of 1,000 x 4 and 500.
    assert (planned.pages, planned.all_pages) == (13_500, 27_000)
    assert (planned.chunks, planned.batches) == (6, 15)
    assert (planned.partitions, planned.stacks_at_a_time) == (6, 4)
    few = replace(planned, slices=planned.slices[:1])
    assert few.stacks_at_a_time == 2
    assert few.own_processes == 1


def test_strata_are_counted_as_metrics_count_their_members(store: Store) -> None:
    keys = keys_in_strata((1, "a"), (1, "a"), (1, "b"), (2, "b"), (3, "b"))
    planned = plan_pages(keys, make_spec(slices=2), store, {"a": 7, "b": 2, "c": 1})
    assert planned.count_strata() == (
        StratumPlan("a", drawn=1, population=7, pages=2),
        StratumPlan("b", drawn=3, population=2, pages=3),
        StratumPlan("c", drawn=0, population=1, pages=0),
        StratumPlan(OVERALL, drawn=3, population=10, pages=5),
    )


def test_profiles_that_are_not_divided_are_told_once(store: Store) -> None:
    planned = plan_run(make_spec(), store, None, now)
    assert planned.count_strata() == (StratumPlan(OVERALL, drawn=10, population=12, pages=20),)


@pytest.mark.parametrize(
    ("members", "size"),
    [
        (0, StratumSize.TOO_FEW),
        (5, StratumSize.TOO_FEW),
        (6, StratumSize.FEW),
        (29, StratumSize.FEW),
        (30, StratumSize.ENOUGH),
    ],
)
def test_a_stratum_is_as_large_as_reports_take_it_for(members: int, size: StratumSize) -> None:
    assert StratumPlan("a", members, members, members).size is size


def test_the_smallest_stratum_that_is_not_too_small_can_show_a_clear_difference() -> None:
    members = np.array([LEAST_MEMBERS - 1.0, LEAST_MEMBERS])
    p_values = t_p_value(np.ones(2), np.full(2, 1e-9), members)
    assert (p_values < SIGNIFICANCE).tolist() == [False, True]


def test_each_service_is_a_variants_own_or_the_baselines(tmp_path: Path) -> None:
    configuration = {"dedup": {"policy": "row"}, **POPULARITY}
    spec = make_spec(
        variants=[{"name": "control"}, {"name": "both", "configuration": configuration}]
    )
    baseline = [process.service for process in baseline_processes(tmp_path)]
    assert find_own_services(spec.control) == ()
    assert [*find_shared_services(spec.control)] == baseline
    changed = spec.variants[1]
    assert find_own_services(changed) == (DEDUP_SERVICE, RANKING_SERVICE)
    assert find_own_services(changed) == tuple(
        process.service for process in override_processes(changed.configuration, tmp_path)
    )
    shared = find_shared_services(changed)
    assert TIME_TRAVEL_SERVICE in shared
    assert {*shared, *find_own_services(changed)} == {*baseline}


def test_the_cost_of_runs_that_were_measured_is_estimated_about_right(store: Store) -> None:
    table = MEASUREMENTS.read_text(encoding="utf-8").partition("## Whole experiments")[2]
    pages = read_row(table, r"\| \|(.* pages) \|")
    seconds = read_row(table, r"\| whole run \|(.*)\|")
    page_micros = read_row(table, r"\| a page in process, all of it \|(.*)\|")
    assert len(pages) == len(seconds) == len(page_micros) == 3
    greedy = {"name": "greedy", "configuration": {"row_selection": {"policy": "greedy"}}}
    variants = [{"name": "control"}, {"name": "popular", "configuration": POPULARITY}, greedy]
    for made, taken, micros in zip(pages, seconds, page_micros, strict=True):
        spec = make_spec(slices=max(int(made) // 125_000, 1), variants=variants)
        keys = keys_in_strata(*((profile, "all") for profile in range(int(made) // 3)))
        planned = plan_pages(keys, spec, store, {})
        cost = estimate_cost(planned, {one.name: micros for one in spec.variants}, cores=2)
        assert cost.least_seconds <= taken <= cost.most_seconds
        assert cost.start_seconds == 2 * spec.slices * PROCESS_CPU_SECONDS


def read_row(table: str, pattern: str) -> list[float]:
    found = re.search(pattern, table)
    assert found is not None, pattern
    return [float(cell.replace(",", "")) for cell in re.findall(r"[\d,.]+", found[1])]


def test_more_cores_than_requests_in_flight_do_not_help(store: Store) -> None:
    limits = {"concurrent_stacks": 1, "requests_in_flight": 2, "batch_pages": 1}
    planned = plan_run(make_spec(limits=limits), store, None, now)
    micros = {"control": 1e6, "popularity": 3e6}
    one, two, many = (estimate_cost(planned, micros, cores) for cores in (1, 2, 64))
    assert one.pages_seconds == pytest.approx(20 * (1 + 3))
    assert one.least_seconds < one.most_seconds
    assert (one.at_once, two.at_once, many.at_once) == (1, 2, 2)
    assert one.least_seconds > two.least_seconds > many.least_seconds
    assert one.cpu_seconds == two.cpu_seconds == many.most_seconds


def test_what_cannot_be_run_cannot_be_planned(store: Store) -> None:
    scope = {"source": "logged_pages", "profiles": 13}
    unheard = [{"name": "control"}, {"name": "b", "configuration": {"ranking": {"model": "x"}}}]
    with pytest.raises(TooFewProfiles, match="13 profiles"):
        plan_run(make_spec(scope=scope), store, None, now)
    with pytest.raises(UnknownSnapshot):
        plan_run(make_spec(), store, store.snapshot() + 1, now)
    with pytest.raises(InvalidSpec, match="'x'"):
        plan_run(make_spec(variants=unheard), store, None, now)
