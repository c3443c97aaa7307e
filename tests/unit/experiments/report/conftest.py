"""A measured run, its report, and pages to hold against each other."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from experiments.metrics.compute import METRICS_FILE, compute_metrics
from experiments.metrics.options import MeasuredRun
from experiments.report.description import RunDescription, VariantDescription
from experiments.report.document import write_report
from experiments.report.findings import Findings
from tests.support.pages.simulated_runs import EXPERIMENT, OVERLAYS

if TYPE_CHECKING:
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.store import Store


@pytest.fixture(scope="session")
def described_run(
    simulated_run: SimulatedRun, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> RunDescription:
    """A copy of the run, measured, with what a report says of it."""
    directory = tmp_path_factory.mktemp("reported") / "run"
    shutil.copytree(simulated_run.directory, directory)
    measured = MeasuredRun(directory, simulated_run.variants, simulated_run.snapshot)
    compute_metrics(measured, store)
    return RunDescription(
        name=EXPERIMENT,
        description="Popularity against diversity.",
        variants=tuple(
            VariantDescription(name, f"What {name} is for.", overlay)
            for name, overlay in OVERLAYS.items()
        ),
        measured=measured,
        asked=72,
        experiment={"experiment": EXPERIMENT, "seed": 5, "variants": [*OVERLAYS]},
        store=store.url,
        version="1.2.3",
        started_at="2024-05-06T07:08:09Z",
    )


@pytest.fixture(scope="session")
def findings(described_run: RunDescription) -> Findings:
    return Findings.of(pq.read_table(described_run.measured.directory / METRICS_FILE))


@pytest.fixture(scope="session")
def report(described_run: RunDescription, store: Store) -> str:
    """The report as it is written."""
    return write_report(replace(described_run), store).read_text(encoding="utf-8")
