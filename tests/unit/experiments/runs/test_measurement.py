"""Measuring the slices of a run while later ones are made."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from itertools import permutations
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from experiments.generation.pages import PartitionPath
from experiments.metrics.compute import METRICS_FILE, PAGE_METRICS_FILE, compute_metrics
from experiments.metrics.errors import MismatchedPages
from experiments.metrics.options import MeasuredRun
from experiments.runs.measurement import RunMeasurement
from tests.support.pages.simulated_runs import EXPERIMENT
from timetravel.segments.reader import SegmentReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from experiments.generation.segments import Advance
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.store import Store

NUMBERS = ("000", "001", "002")
PAGES = 24
UPKEEP = 0


@pytest.fixture
def run(simulated_run: SimulatedRun, tmp_path: Path) -> MeasuredRun:
    """The pages of the run, in three slices."""
    for variant in simulated_run.variants:
        whole = PartitionPath(simulated_run.directory, EXPERIMENT, variant, "000")
        pages = pq.ParquetFile(whole.chunk("pages", 0)).read()
        rows = pq.ParquetFile(whole.chunk("rows", 0)).read()
        for place, number in enumerate(NUMBERS):
            own = pages.slice(place * 8, 8)
            path = PartitionPath(tmp_path, EXPERIMENT, variant, number)
            for name, table in (
                ("pages", own),
                ("rows", rows.filter(pc.is_in(rows["page_id"], own["page_id"]))),
            ):
                path.folder(name).mkdir(parents=True)
                pq.write_table(table, path.chunk(name, 0))
    return MeasuredRun(tmp_path, simulated_run.variants, simulated_run.snapshot)


def begin(run: MeasuredRun, store: Store) -> RunMeasurement:
    return RunMeasurement(
        run,
        {
            number: [
                PartitionPath(run.directory, EXPERIMENT, variant, number)
                for variant in run.variants
            ]
            for number in NUMBERS
        },
        PAGES,
        store,
        SegmentReader(store.segment(run.snapshot)),
        pa.array(store.shown_pages(snapshot=run.snapshot).profile_ids).unique().to_numpy(),
    )


class Display:
    """Note the progress that is shown."""

    def __init__(self) -> None:
        self.totals: dict[str, int | None] = {}
        self.done = 0
        self.is_shown = threading.Event()

    @contextmanager
    def show(self, description: str, total: int | None = None, /) -> Iterator[Advance]:
        def advance(amount: int = 1, /, *, description: str | None = None) -> None:
            del description
            self.done += amount

        self.totals[description] = total
        self.is_shown.set()
        yield advance


@pytest.mark.parametrize("order", [*permutations(NUMBERS)])
def test_slices_that_are_made_in_any_order_are_measured_as_if_at_once(
    run: MeasuredRun, store: Store, order: tuple[str, ...]
) -> None:
    display = Display()
    with begin(run, store) as measurement:
        for number in order:
            for variant in reversed(run.variants):
                measurement.note_made(variant, number)
        measured = measurement.finish(UPKEEP, display.show)
    written = (run.directory / PAGE_METRICS_FILE).read_bytes()
    expected = compute_metrics(run, store, SegmentReader(store.segment(run.snapshot)))
    assert measured.equals(expected)
    assert (run.directory / PAGE_METRICS_FILE).read_bytes() == written
    assert display.totals == {"Measuring pages": PAGES}
    assert display.done == PAGES


def test_a_slice_waits_for_the_last_of_its_variants(run: MeasuredRun, store: Store) -> None:
    display = Display()
    last = run.variants[-1]
    with begin(run, store) as measurement:
        for number in NUMBERS:
            for variant in run.variants[:-1]:
                measurement.note_made(variant, number)
        path = PartitionPath(run.directory, EXPERIMENT, last, "002").folder("pages")
        shutil.move(path, run.directory / "aside")
        for number in NUMBERS[:2]:
            measurement.note_made(last, number)

        def finish() -> None:
            display.is_shown.wait()
            shutil.move(run.directory / "aside", path)
            measurement.note_made(last, "002")

        finisher = threading.Thread(target=finish)
        finisher.start()
        assert len(measurement.finish(UPKEEP, display.show))
        finisher.join()


def test_leaving_early_gives_up_and_leaves_no_file(run: MeasuredRun, store: Store) -> None:
    with begin(run, store) as measurement:
        for variant in run.variants:
            measurement.note_made(variant, "000")
    assert list((run.directory / "results").iterdir()) == []


def test_what_keeps_pages_from_being_measured_is_raised_where_they_are_asked_for(
    run: MeasuredRun, store: Store
) -> None:
    path = PartitionPath(run.directory, EXPERIMENT, run.variants[1], "001").chunk("pages", 0)
    pq.write_table(pq.ParquetFile(path).read().slice(1), path)
    with begin(run, store) as measurement:
        for number in NUMBERS:
            for variant in run.variants:
                measurement.note_made(variant, number)
        with pytest.raises(MismatchedPages):
            measurement.finish(UPKEEP, Display().show)
    assert not (run.directory / METRICS_FILE).exists()
