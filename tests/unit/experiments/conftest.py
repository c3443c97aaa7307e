"""One finished run for all tests of this directory; none of them changes it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from experiments.metrics.compute import compute_metrics
from experiments.metrics.options import MeasuredRun
from experiments.report.description import RunDescription, VariantDescription
from tests.support.pages.simulated_runs import EXPERIMENT, OVERLAYS, make_run
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.pages.simulated_runs import SimulatedRun


@pytest.fixture(scope="session")
def simulated_run(tmp_path_factory: pytest.TempPathFactory) -> SimulatedRun:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def store(simulated_run: SimulatedRun) -> Iterator[Store]:
    with Store.open(simulated_run.store_url) as store:
        yield store


@pytest.fixture(scope="session")
def described_run(
    simulated_run: SimulatedRun, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> RunDescription:
    """A copy of the run, measured, with what a report says of it."""
    directory = tmp_path_factory.mktemp("reported") / "run"
    shutil.copytree(simulated_run.directory, directory)
    measured = MeasuredRun(directory, simulated_run.variants, simulated_run.snapshot)
    compute_metrics(measured, store, store.as_of(simulated_run.snapshot))
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
