"""pagesim plan: what a run would make, for whom, and what it takes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich import box
from rich.table import Table

from experiments.cli.runs.dry_run import describe_failures, print_failures
from experiments.cli.runs.experiment_file import load_checked
from experiments.cli.terminal import (
    ScreenConsole,
    absolute_store,
    json_option,
    print_json,
    progress,
    segments_option,
    store_option,
)
from experiments.generation.external_ids import PageIds
from experiments.generation.segments import lay_out_facts
from experiments.metrics.definitions.definition import OVERALL
from experiments.report.strata import FEW_MEMBERS
from experiments.runs.plan import (
    BASELINE_SERVICES,
    LEAST_MEMBERS,
    MESH_MICROS_PER_PAGE,
    PROCESS_CPU_SECONDS,
    REST_CPU_SECONDS,
    REST_MICROS_PER_PAGE,
    REST_SECONDS,
    Cost,
    RunPlan,
    StratumPlan,
    StratumSize,
    estimate_cost,
    find_own_services,
    find_shared_services,
    plan_run,
)
from experiments.runs.requests import find_profiles
from experiments.runs.trial import Trial, TrialPages, cut_calibration
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from experiments.spec import ExperimentSpec

_EVERYBODY: Final = "everybody"
_MARKS: Final = {
    StratumSize.ENOUGH: "",
    StratumSize.FEW: "yellow",
    StratumSize.TOO_FEW: "bold red",
}
_MEANINGS: Final = {
    StratumSize.FEW: f"less than {FEW_MEMBERS} members: intervals are rough guesses, and the "
    "report draws no conclusion from such a stratum.",
    StratumSize.TOO_FEW: f"less than {LEAST_MEMBERS} members: no difference can be clear, "
    "whatever the pages show.",
}
_MINUTE, _HOUR = 60, 3600
_SHORT_STRETCHES: Final = 3
"""So many minutes or hours are told in the smaller unit."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """What is told of a run: its plan, its strata, its calibration, its cost."""

    plan: RunPlan
    strata: Sequence[StratumPlan]
    made: Sequence[TrialPages]
    cost: Cost

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the cost rests on."""
        limits, sampled = self.plan.spec.limits, len(self.made[0].digests)
        pages = (
            f"Making pages: the CPU of {sampled:,} pages of each variant, made in this process "
            "from stretches of the run, after a batch to warm up."
        )
        others = (
            "Measured on 2 cores of another machine (docs/measurements.md): "
            f"{MESH_MICROS_PER_PAGE} us of CPU a page that the mesh adds, "
            f"{PROCESS_CPU_SECONDS} s to start a process of a stack's own, and for all the "
            "rest (drawing pages, starting the mesh, measuring, the report) "
            f"{REST_CPU_SECONDS} s and {REST_MICROS_PER_PAGE} us a page, "
            f"{REST_SECONDS} s of wall time at least."
        )
        wall = (
            f"Wall time: from {self.cost.at_once} processes at work on pages all the time "
            f"({self.cost.cores} cores; {self.plan.stacks_at_a_time} stacks at a time, "
            f"{limits.requests_in_flight} requests in flight each) to one at a time, on a "
            "machine that does nothing else."
        )
        return (pages, others, wall)


@click.command()
@click.argument("experiment", type=click.Path(path_type=Path), metavar="EXPERIMENT.yaml")
@store_option
@segments_option
@click.option(
    "--snapshot",
    type=int,
    metavar="N",
    help="Plan on the store as it was when it had N transactions. The newest if left out.",
)
@json_option
def plan(
    experiment: Path, store: str, segments: Path, snapshot: int | None, *, as_json: bool
) -> None:
    """Show what a run of the experiment would make, for whom, and what it takes.

    Checks the file as `pagesim run` does, draws the same pages, and makes a sample of them in
    this process to estimate the cost. Starts nothing, and writes no run; the facts that are
    laid out for the sample are those that the run reads.
    """
    url = absolute_store(store)
    spec, _ = load_checked(experiment, url, snapshot)
    found = _plan(spec, url, segments, snapshot)
    if as_json:
        print_json(_describe(found))
    else:
        _show(found)


def _plan(spec: ExperimentSpec, url: str, segments: Path, snapshot: int | None) -> _Planned:
    with Store.open(url) as store:
        with progress("Drawing pages"):
            planned = plan_run(spec, store, snapshot, lambda: datetime.now(UTC))
        profile_ids = find_profiles(planned.slices)
        segment = lay_out_facts(
            store, planned.record.snapshot, profile_ids, segments, progress=progress
        )
        reader = SegmentReader(segment, known_by=spec.known_by_micros)
        page_ids = PageIds.of_store(store, profile_ids)
        trial = Trial(planned, reader, page_ids, time.process_time)
        batches = cut_calibration(planned)
        total = sum(map(len, batches)) * len(spec.variants)
        with progress("Making sample pages", total) as advance:
            made = [
                trial.make(variant, batches, advance, warms_up=True)
                for variant in spec.variants
            ]
    cores = len(os.sched_getaffinity(0))
    cost = estimate_cost(planned, {one.variant: one.page_micros for one in made}, cores)
    return _Planned(planned, planned.count_strata(), made, cost)


def _show(found: _Planned) -> None:
    planned, cost, output = found.plan, found.cost, ScreenConsole()
    spec, everybody = planned.spec, found.strata[-1]
    output.print(f"{spec.name}, snapshot {planned.record.snapshot}", style="bold")
    output.print(
        f"{planned.pages:,} pages of {everybody.drawn:,} profiles for each of "
        f"{len(spec.variants)} variants: {planned.all_pages:,} in all."
    )
    output.print(_render_strata(found.strata))
    for size, meaning in _MEANINGS.items():
        if any(one.size is size for one in found.strata):
            output.print(f"{size.value}: {meaning}", style=_MARKS[size])
    if sum(one.drawn for one in found.strata[:-1]) > everybody.drawn:
        output.print("Profiles with pages in several strata are drawn in each of them.")
    output.print(_render_variants(found))
    output.print(
        f"The baseline has {_name_services(BASELINE_SERVICES)}: it serves a variant what that "
        "has no process of its own for."
    )
    print_failures(output, found.made, spec.limits.page_yield)
    output.print(
        f"{planned.partitions:,} partitions of {len(planned.slices):,} slices of time, "
        f"{planned.stacks_at_a_time:,} stacks at a time; for each variant "
        f"{planned.chunks:,} chunks, {planned.batches:,} batches of "
        f"{spec.limits.batch_pages:,} pages at most."
    )
    output.print(
        f"About {_format_seconds(cost.cpu_seconds)} of CPU "
        f"(making pages {_format_seconds(cost.pages_seconds)}, "
        f"the mesh {_format_seconds(cost.mesh_seconds)}, "
        f"starting {planned.own_processes:,} processes {_format_seconds(cost.start_seconds)}, "
        f"the rest {_format_seconds(cost.rest_seconds)}), and "
        f"{_format_seconds(cost.least_seconds)} to {_format_seconds(cost.most_seconds)} from "
        "start to report.",
        style="bold",
    )
    output.print("This rests on:")
    for assumption in found.assumptions:
        output.print(f"- {assumption}")


def _render_strata(strata: Iterable[StratumPlan]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("stratum")
    for title in ("profiles drawn", "in the population", "pages"):
        table.add_column(title, justify="right")
    table.add_column("")
    for one in strata:
        numbers = (f"{number:,}" for number in (one.drawn, one.population, one.pages))
        mark = "" if one.size is StratumSize.ENOUGH else one.size.value
        name = _EVERYBODY if one.name == OVERALL else one.name
        table.add_row(name, *numbers, mark, style=_MARKS[one.size])
    return table


def _render_variants(found: _Planned) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for title in ("variant", "own services"):
        table.add_column(title)
    for title in ("pages sampled", "failed", "CPU us a page"):
        table.add_column(title, justify="right")
    for variant, one in zip(found.plan.spec.variants, found.made, strict=True):
        table.add_row(
            variant.name,
            _name_services(find_own_services(variant)) or "none",
            *(f"{number:,}" for number in (len(one.digests), one.failures)),
            f"{one.page_micros:,.0f}",
        )
    return table


def _name_services(services: Sequence[str]) -> str:
    """Return the areas of services, e.g. "ranking" of "pagesim.ranking.v1.RankingService"."""
    return ", ".join(service.split(".")[1] for service in services)


def _format_seconds(seconds: float) -> str:
    if seconds < _SHORT_STRETCHES * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _SHORT_STRETCHES * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:,.0f} h"


def _describe(found: _Planned) -> dict[str, object]:
    planned, cost = found.plan, found.cost
    return {
        "experiment": planned.spec.name,
        "snapshot": planned.record.snapshot,
        "profiles": found.strata[-1].drawn,
        "strata": [
            {
                "stratum": one.name,
                "drawn": one.drawn,
                "population": one.population,
                "pages": one.pages,
                "size": one.size.value,
            }
            for one in found.strata
        ],
        "few_members": FEW_MEMBERS,
        "least_members": LEAST_MEMBERS,
        "pages": planned.all_pages,
        "pages_per_variant": planned.pages,
        "slices": len(planned.slices),
        "partitions": planned.partitions,
        "own_processes": planned.own_processes,
        "stacks_at_a_time": planned.stacks_at_a_time,
        "chunks_per_variant": planned.chunks,
        "batches_per_variant": planned.batches,
        "variants": [
            {
                "variant": variant.name,
                "own_services": find_own_services(variant),
                "baseline_services": find_shared_services(variant),
                "sample": describe_failures(one),
                "cpu_micros_per_page": round(one.page_micros, 1),
            }
            for variant, one in zip(planned.spec.variants, found.made, strict=True)
        ],
        "cost": {
            "cpu_seconds": cost.cpu_seconds,
            "pages_cpu_seconds": cost.pages_seconds,
            "mesh_cpu_seconds": cost.mesh_seconds,
            "start_cpu_seconds": cost.start_seconds,
            "rest_cpu_seconds": cost.rest_seconds,
            "least_seconds": cost.least_seconds,
            "most_seconds": cost.most_seconds,
            "cores": cost.cores,
            "assumptions": found.assumptions,
        },
    }
