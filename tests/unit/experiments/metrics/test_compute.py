"""Measuring whole runs: what is written, and what must not depend on how."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from experiments.metrics.comparison import METRICS_SCHEMA, NORMALISED_SCHEMA
from experiments.metrics.compute import (
    METRICS_FILE,
    NORMALISED_FILE,
    PAGE_METRICS_FILE,
    compute_metrics,
    count_page_ids,
)
from experiments.metrics.definitions import composition, recall, similarity
from experiments.metrics.definitions.registry import METRICS
from experiments.metrics.errors import MismatchedPages, NothingToMeasure
from experiments.metrics.inputs import encoding
from experiments.metrics.options import MeasuredRun, MetricOptions
from experiments.metrics.warm_up import warm_up
from tests.support.effort import effort
from timetravel.segments.reader import SegmentReader

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.store import Store


@pytest.fixture(scope="module")
def run(simulated_run: SimulatedRun, tmp_path_factory: pytest.TempPathFactory) -> MeasuredRun:
    """A copy of the run whose control comes once more under another name.

    Its pages stand for a population of which most are in the US.
    """
    directory = tmp_path_factory.mktemp("measured") / "run"
    shutil.copytree(simulated_run.directory, directory)
    for kind in ("pages", "rows"):
        experiment = next((directory / kind).iterdir())
        shutil.copytree(experiment / "variant=control", experiment / "variant=again")
    return MeasuredRun(
        directory,
        (*simulated_run.variants, "again"),
        simulated_run.snapshot,
        population={"country=US": 70, "country=FR": 20, "country=IN": 10},
    )


@pytest.fixture(scope="module")
def results(run: MeasuredRun, store: Store) -> pa.Table:
    return compute_metrics(run, store, store.as_of(run.snapshot))


@pytest.fixture(scope="module")
def normalised(run: MeasuredRun, results: pa.Table) -> pa.Table:
    del results  # which is measured with it
    return pq.read_table(run.directory / NORMALISED_FILE)


def _find(results: pa.Table, **wanted: str | None) -> dict[str, Any]:
    wanted = {"stratum": "all", **wanted}
    found: list[dict[str, Any]] = [
        record
        for record in results.to_pylist()
        if all(record[name] == value for name, value in wanted.items())
    ]
    assert len(found) == 1, (wanted, len(found))
    return found[0]


def test_every_metric_is_reported_for_every_variant_and_stratum(results: pa.Table) -> None:
    assert results.schema == METRICS_SCHEMA
    strata = {"all", "country=US", "country=FR"}
    for variant in ("popularity", "diversity", "again"):
        for metric in METRICS:
            own = results.filter(
                (pc.field("variant") == variant) & (pc.field("metric") == metric.name)
            )
            assert set(own["stratum"].to_pylist()) == strata
            assert set(own["reference"].to_pylist()) == {"control"}


def test_control_against_control_differs_in_nothing(results: pa.Table) -> None:
    again = results.filter(pc.field("variant") == "again")
    differences = pc.drop_null(again["difference"])
    assert len(differences)
    assert set(differences.to_pylist()) == {0.0}
    assert _find(results, variant="again", metric="identical_pages")["mean"] == 1.0
    assert _find(results, variant="again", metric="changed_pages")["mean"] == 0.0
    assert pc.sum(again["p_value"]).as_py() is None


def test_what_has_a_difference_is_normalised_and_nothing_else_in_the_same_order(
    results: pa.Table, normalised: pa.Table
) -> None:
    assert normalised.schema == NORMALISED_SCHEMA
    keys = ["variant", "reference", "stratum", "metric"]
    is_mean = (pc.field("metric") != "coverage") & pc.field("difference").is_valid()
    raw = results.filter(is_mean)
    assert normalised.select(keys).equals(raw.select(keys))
    assert normalised["relative"].equals(raw["relative"])
    assert {"control", "popularity"} <= set(raw["variant"].to_pylist())


def test_control_against_control_differs_in_nothing_in_any_unit(
    results: pa.Table, normalised: pa.Table
) -> None:
    again = normalised.filter(pc.field("variant") == "again").to_pylist()
    checked = 0
    for record in again:
        keys = {key: record[key] for key in ("variant", "stratum", "metric")}
        raw = _find(results, **keys)
        estimates = {
            "relative": raw["reference_mean"] != 0,
            "glass_delta": record["reference_deviation"] is not None,
            "reweighted": record["stratum"] == "all",
        }
        for name, is_defined in estimates.items():
            ends = {record[f"{name}{end}"] for end in ("", "_low", "_high")}
            assert ends == ({0.0} if is_defined else {None}), record
            checked += is_defined
    assert checked > 100


def test_the_population_weighs_the_strata_that_were_drawn(
    results: pa.Table, normalised: pa.Table
) -> None:
    names = {"variant": "popularity", "metric": "popularity"}
    whole = _find(normalised, **names)
    differences = [
        _find(results, **names, stratum=f"country={country}")["difference"]
        for country in ("US", "FR")
    ]
    assert whole["reweighted"] == pytest.approx(
        (70 * differences[0] + 20 * differences[1]) / 90
    )
    assert whole["reweighted_low"] < whole["reweighted"] < whole["reweighted_high"]
    strata = normalised.filter(pc.field("stratum") != "all")
    assert strata["reweighted"].null_count == len(strata)


def test_fidelity_counts_the_pages_that_equal_the_logged_ones(results: pa.Table) -> None:
    fidelity = _find(results, variant="control", reference="logged", metric="identical_pages")
    assert fidelity["pages"] == 24
    assert fidelity["mean"] == pytest.approx(22 / 24)
    assert fidelity["p_adjusted"] is None


def test_a_difference_is_that_of_the_means_and_lies_in_its_interval(
    results: pa.Table,
) -> None:
    checked = 0
    for record in results.to_pylist():
        if record["difference"] is None or record["ci_low"] is None:
            continue
        checked += 1
        assert record["mean"] - record["reference_mean"] == pytest.approx(
            record["difference"], abs=1e-9
        )
        assert record["ci_low"] <= record["difference"] <= record["ci_high"]
    assert checked > 100


def test_strata_add_up_to_the_whole(results: pa.Table) -> None:
    own = results.filter(
        (pc.field("variant") == "popularity") & (pc.field("metric") == "page_ndcg")
    ).to_pylist()
    whole = next(record for record in own if record["stratum"] == "all")
    parts = [record for record in own if record["stratum"] != "all"]
    assert whole["pages"] == sum(part["pages"] for part in parts)
    assert whole["mean"] == pytest.approx(
        sum(part["mean"] * part["pages"] for part in parts) / whole["pages"]
    )


def test_adjusted_p_values_are_never_smaller(results: pa.Table) -> None:
    tested = results.filter(pc.field("p_adjusted").is_valid()).to_pylist()
    assert tested
    assert all(record["p_adjusted"] >= record["p_value"] for record in tested)


@pytest.mark.scaled
def test_neither_the_size_of_slices_nor_the_reader_matters(
    run: MeasuredRun, results: pa.Table, store: Store, tmp_path: Path
) -> None:
    copy = replace(run, directory=tmp_path / "run")
    shutil.copytree(run.directory, copy.directory)
    done: list[int] = []
    again = compute_metrics(
        copy,
        store,
        SegmentReader(store.segment(run.snapshot)),
        options=MetricOptions(pages_per_slice=effort(13, 5)),
        advance=done.append,
    )
    keys = [("variant", "ascending"), ("page_id", "ascending")]
    pages = pq.read_table(run.directory / PAGE_METRICS_FILE)
    smaller = pq.read_table(copy.directory / PAGE_METRICS_FILE)
    assert smaller.sort_by(keys).equals(pages.sort_by(keys))
    for own, other in zip(again.to_pylist(), results.to_pylist(), strict=True):
        # Threads add up in any order, so the last of the 12 decimals may differ.
        assert own == pytest.approx(other, abs=2e-12)
    assert sum(done) == count_page_ids(run) == 24


def test_warming_up_compiles_all_that_measuring_needs(
    run: MeasuredRun, store: Store, tmp_path: Path
) -> None:
    def compiled() -> dict[str, int]:
        return {
            f"{module.__name__}.{name}": len(value.signatures)
            for module in (composition, recall, similarity, encoding)
            for name, value in vars(module).items()
            if hasattr(value, "signatures")
        }

    warm_up()
    warm = compiled()
    assert len(warm) > 20
    copy = replace(run, directory=tmp_path / "run")
    shutil.copytree(run.directory, copy.directory)
    compute_metrics(copy, store, store.as_of(run.snapshot))
    assert compiled() == warm


def test_variants_with_different_pages_are_refused(
    run: MeasuredRun, store: Store, tmp_path: Path
) -> None:
    copy = replace(run, directory=tmp_path / "run")
    shutil.copytree(run.directory, copy.directory)
    part = next(copy.directory.glob("pages/*/variant=popularity/*/*.parquet"))
    pages = pq.ParquetFile(part).read()
    pq.write_table(pages.slice(1), part)
    with pytest.raises(MismatchedPages, match="popularity and control hold different pages"):
        compute_metrics(copy, store, store.as_of(run.snapshot))
    part.unlink()
    with pytest.raises(MismatchedPages, match="popularity has no partition 000"):
        compute_metrics(copy, store, store.as_of(run.snapshot))


def test_results_are_written_beside_the_pages(run: MeasuredRun, results: pa.Table) -> None:
    assert pq.read_table(run.directory / METRICS_FILE).equals(results)
    names = sorted(path.name for path in (run.directory / "results").iterdir())
    assert names == ["metrics.parquet", "metrics_normalised.parquet", "page_metrics.parquet"]


def test_a_failed_page_is_left_out_of_every_comparison(
    simulated_run: SimulatedRun, store: Store, tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    shutil.copytree(simulated_run.directory, directory)
    part = next(directory.glob("pages/*/variant=popularity/*/*.parquet"))
    pages = pq.ParquetFile(part).read()
    failures = pa.array(["no eligible video", *[None] * (len(pages) - 1)], pa.string())
    place = pages.schema.get_field_index("failure")
    pq.write_table(pages.set_column(place, pages.schema.field(place), failures), part)
    run = MeasuredRun(directory, simulated_run.variants, simulated_run.snapshot)
    results = compute_metrics(run, store, store.as_of(run.snapshot))
    assert _find(results, variant="popularity", metric="rows_per_page")["pages"] == 23
    assert _find(results, variant="diversity", metric="rows_per_page")["pages"] == 24


def test_a_run_without_a_single_page_made_is_refused(
    simulated_run: SimulatedRun, store: Store, tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    shutil.copytree(simulated_run.directory, directory)
    for part in directory.glob("pages/*/*/*/*.parquet"):
        pages = pq.ParquetFile(part).read()
        failures = pa.array(["no eligible video"] * len(pages), pa.string())
        pages = pages.set_column(
            pages.schema.get_field_index("failure"), pages.schema.field("failure"), failures
        )
        counts = pa.array([0] * len(pages), pa.int32())
        place = pages.schema.get_field_index("row_count")
        pq.write_table(pages.set_column(place, pages.schema.field(place), counts), part)
    run = MeasuredRun(directory, simulated_run.variants, simulated_run.snapshot)
    with pytest.raises(NothingToMeasure, match="no page that could be made"):
        compute_metrics(run, store, store.as_of(run.snapshot))
    assert list((directory / "results").iterdir()) == []


def test_a_run_without_pages_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NothingToMeasure, match="pagesim run"):
        compute_metrics(MeasuredRun(tmp_path, ("control", "other"), 1), store, store.as_of(1))
    assert list(tmp_path.iterdir()) == []
