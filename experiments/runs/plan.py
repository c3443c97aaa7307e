"""What a run is going to make, for whom, and what it takes: known before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import numpy as np

from core.moments import format_moment, to_micros
from experiments.generation.baseline import PAGE_MODULES, TIME_TRAVEL_SERVICE
from experiments.generation.partitions import plan_slices
from experiments.generation.pinning import pin_snapshot
from experiments.metrics.definitions.definition import OVERALL
from experiments.metrics.statistics import p_value_floor
from experiments.report.findings import SIGNIFICANCE
from experiments.report.strata import FEW_MEMBERS
from experiments.runs.run_record import RunRecord
from experiments.scope.known_names import check_names
from experiments.scope.page_keys import join_texts
from experiments.scope.scope import find_candidates, select_pages
from services.page.configuration import overlay_owners

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from core.arrays import Int64Array
    from experiments.generation.partitions import Slice
    from experiments.spec import ExperimentSpec
    from experiments.spec.model import Variant
    from timetravel.store import Store

BASELINE_SERVICES: Final = (TIME_TRAVEL_SERVICE, *PAGE_MODULES)
"""What the baseline serves to stacks that have no process of their own for it."""
MESH_MICROS_PER_PAGE: Final = 100
"""CPU that a page takes through the mesh and not in process."""
PROCESS_CPU_SECONDS: Final = 2
"""CPU to start a process of a stack's own."""
REST_SECONDS: Final = 10
REST_CPU_SECONDS: Final = 14
REST_MICROS_PER_PAGE: Final = 20
"""What all the rest takes: drawing pages, starting the mesh, measuring, the report.

Where each of these figures comes from is in docs/measurements.md, under whole experiments.
"""
LEAST_MEMBERS: Final = 1 + int(
    (p_value_floor(np.arange(1.0, FEW_MEMBERS)) >= SIGNIFICANCE).sum()
)
"""Members without whom no p value can be that of a clear difference."""
_MICROS: Final = 1_000_000


class StratumSize(StrEnum):
    """Say what the members of a stratum suffice for."""

    ENOUGH = "enough"
    FEW = "few"
    """Intervals are rough guesses, and reports draw no conclusion: `FEW_MEMBERS`."""
    TOO_FEW = "too few"
    """No difference can be clear, whatever the pages show: `p_value_floor`."""

    @classmethod
    def of(cls, members: int) -> StratumSize:
        """Return what so many members suffice for."""
        if members < LEAST_MEMBERS:
            return cls.TOO_FEW
        return cls.FEW if members < FEW_MEMBERS else cls.ENOUGH


@dataclass(frozen=True, slots=True)
class StratumPlan:
    """Count what is drawn of a stratum.

    Attributes:
        name: Of the stratum; OVERALL is all of them.
        drawn: Profiles that have a page in it, as metrics count its members.
        population: Profiles that could be drawn, each in the stratum of one page.
        pages: Of one variant.
    """

    name: str
    drawn: int
    population: int
    pages: int

    @property
    def size(self) -> StratumSize:
        """What its members suffice for, if all their pages can be made."""
        return StratumSize.of(self.drawn)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Hold what a run is going to make.

    Attributes:
        spec: The experiment.
        record: Of the run, as it begins.
        slices: What every variant makes.
    """

    spec: ExperimentSpec
    record: RunRecord
    slices: tuple[Slice, ...]

    @property
    def pages(self) -> int:
        """Pages of each variant."""
        return sum(map(len, self.slices))

    @property
    def all_pages(self) -> int:
        """Pages of all variants."""
        return self.pages * len(self.spec.variants)

    @property
    def partitions(self) -> int:
        """Stacks, one after the other or side by side."""
        return len(self.slices) * len(self.spec.variants)

    @property
    def stacks_at_a_time(self) -> int:
        """Stacks side by side at most."""
        return min(self.spec.limits.concurrent_stacks, self.partitions)

    @property
    def own_processes(self) -> int:
        """Processes that are started for single stacks, of all of them."""
        return len(self.slices) * sum(
            len(find_own_services(variant)) for variant in self.spec.variants
        )

    @property
    def chunks(self) -> int:
        """Chunks of each variant."""
        return sum(len(one.chunks) for one in self.slices)

    @property
    def batches(self) -> int:
        """Requests of each variant."""
        size = self.spec.limits.batch_pages
        return sum(-(-len(pages) // size) for one in self.slices for pages in one.chunks)

    def count_strata(self) -> tuple[StratumPlan, ...]:
        """Return the strata of the population and of the pages by name, and OVERALL last."""
        chunks = [pages for one in self.slices for pages in one.chunks]
        strata = join_texts(pages.strata for pages in chunks)
        names, codes = strata.dictionary.to_pylist(), strata.indices.to_numpy()
        profile_ids, owners = np.unique(
            np.concatenate([pages.profile_ids for pages in chunks]), return_inverse=True
        )
        pages = dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))
        drawn = dict(zip(names, _count_members(codes, owners, len(names)), strict=True))
        population = self.record.population
        found = {name for name in names if pages[name]} | {*population}
        return (
            *(
                StratumPlan(
                    name, drawn.get(name, 0), population.get(name, 0), pages.get(name, 0)
                )
                for name in sorted(found - {OVERALL})
            ),
            StratumPlan(OVERALL, len(profile_ids), sum(population.values()), self.pages),
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimate what a run takes, in seconds.

    Attributes:
        pages_seconds: CPU of all pages, were they made in process.
        mesh_seconds: CPU that the mesh adds to them.
        start_seconds: CPU to start the processes of all stacks' own.
        rest_seconds: CPU of all the rest.
        rest_least_seconds: Wall time of all the rest at least.
        at_once: Processes that work on pages side by side at most.
        cores: Of this machine.
    """

    pages_seconds: float
    mesh_seconds: float
    start_seconds: float
    rest_seconds: float
    rest_least_seconds: float
    at_once: int
    cores: int

    @property
    def cpu_seconds(self) -> float:
        """CPU of the whole run."""
        return self.pages_seconds + self.mesh_seconds + self.start_seconds + self.rest_seconds

    @property
    def least_seconds(self) -> float:
        """Wall time if as many processes as can are at work all the time."""
        side_by_side = (self.pages_seconds + self.mesh_seconds) / self.at_once
        return side_by_side + self.start_seconds / self.cores + self.rest_least_seconds

    @property
    def most_seconds(self) -> float:
        """Wall time if one process is at work at a time."""
        return self.cpu_seconds


def plan_run(
    spec: ExperimentSpec, store: Store, wanted: int | None, now: Callable[[], datetime]
) -> RunPlan:
    """Return what a new run is going to make.

    Args:
        spec: The experiment.
        store: Holds facts and logged pages.
        wanted: Append position up to which is read; the newest if None.
        now: The wall clock.

    Raises:
        InvalidSpec: It names what the store does not have.
        UnknownSnapshot: The store has not reached it.
        NoLoggedPages: The scope is empty.
        TooFewProfiles: The scope asks for too many.
    """
    upkeep, snapshot = store.newest_upkeep(), pin_snapshot(store, wanted)
    check_names(spec, store, snapshot)
    candidates = find_candidates(store, spec.scope, snapshot)
    selection = select_pages(candidates, spec.scope, spec.seed, store.as_of(snapshot))
    record = RunRecord(
        experiment=spec.to_document(),
        store=store.url,
        snapshot=snapshot,
        version=version("pagesim"),
        started_at=format_moment(to_micros(now())),
        upkeep=upkeep,
        population=selection.population,
    )
    slices = plan_slices(selection.pages, spec.slices, spec.limits.batch_pages)
    return RunPlan(spec, record, slices)


def find_own_services(variant: Variant) -> tuple[str, ...]:
    """Return the services of which a stack of the variant has processes of its own."""
    return tuple(sorted(overlay_owners(variant.configuration)))


def find_shared_services(variant: Variant) -> tuple[str, ...]:
    """Return the services that the baseline serves to a stack of the variant."""
    own = overlay_owners(variant.configuration)
    return tuple(service for service in BASELINE_SERVICES if service not in own)


def estimate_cost(plan: RunPlan, page_micros: Mapping[str, float], cores: int) -> Cost:
    """Return what a run takes, about.

    Args:
        plan: Of the run.
        page_micros: CPU of a page in process, of each variant.
        cores: Of this machine, that the run may use.
    """
    in_flight = plan.stacks_at_a_time * plan.spec.limits.requests_in_flight
    growing_seconds = plan.all_pages * REST_MICROS_PER_PAGE / _MICROS
    return Cost(
        pages_seconds=plan.pages * sum(page_micros.values()) / _MICROS,
        mesh_seconds=plan.all_pages * MESH_MICROS_PER_PAGE / _MICROS,
        start_seconds=plan.own_processes * PROCESS_CPU_SECONDS,
        rest_seconds=REST_CPU_SECONDS + growing_seconds,
        rest_least_seconds=REST_SECONDS + growing_seconds,
        # Each request is in one process at a time.
        at_once=min(cores, in_flight, plan.batches * len(plan.spec.variants)),
        cores=cores,
    )


def _count_members(strata: Int64Array, owners: Int64Array, count: int) -> list[int]:
    """Return how many profiles have a page in each stratum."""
    pairs = np.unique(owners * count + strata)
    members: list[int] = np.bincount(pairs % count, minlength=count).tolist()
    return members
