"""Erased profiles are taken out of what runs and validations wrote."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.atomic_files import atomic_file
from core.moments import format_moment, to_micros
from experiments.generation.stored_pages import find_page_ids
from experiments.metrics.compute import METRICS_FILE
from experiments.report.document import write_report
from experiments.runs.purge import count_records, purge_erased_since, purge_results
from experiments.runs.run_record import RunRecord, RunState, read_record, write_record
from experiments.spec import load_spec
from tests.support.pages.simulated_runs import EXPERIMENT
from timetravel.removal.removals import erase_profiles
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from experiments.report.description import RunDescription

SPEC = f"""
experiment: {EXPERIMENT}
seed: 5
scope: {{source: logged_pages, profiles: 12, pages_per_profile: 2, strata: [country]}}
variants:
  - {{name: control}}
  - {{name: popularity, configuration: {{ranking: {{model: popularity}}}}}}
  - {{name: diversity, configuration: {{row_selection: {{policy: greedy}}}}}}
"""


@pytest.fixture(scope="module")
def finished(described_run: RunDescription, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, with its report and its store."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(described_run.measured.directory, directory)
    store_url = f"sqlite:///{directory / 'store.db'}"
    spec_file = directory / "experiment.yaml"
    spec_file.write_text(SPEC)
    record = RunRecord(
        experiment=load_spec(spec_file).to_document(),
        store=store_url,
        snapshot=described_run.measured.snapshot,
        version="1.2.3",
        started_at=format_moment(to_micros(datetime(2024, 5, 6, tzinfo=UTC))),
        state=RunState.FINISHED,
    )
    write_record(directory, record)
    with Store.open(store_url) as store:
        write_report(record.describe(directory), store)
    (directory / "logs").mkdir()
    (directory / "logs" / "mesh.log").write_text("the page of profile 3 failed")
    return directory


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    return copy


@pytest.fixture
def own_store(run: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{run / 'store.db'}") as opened:
        yield opened


def profiles_in(run: Path) -> set[int]:
    found: set[int] = set()
    for path in run.rglob("*.parquet"):
        table = pq.ParquetFile(path).read()
        if "profile_id" in table.column_names:
            found |= set(table["profile_id"].to_pylist())
    return found


def shown_in(run: Path) -> set[int]:
    text = (run / "report.html").read_text(encoding="utf-8")
    return {int(shown) for shown in re.findall(r"member (\d+)", text)}


def ids(*profile_ids: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(profile_ids, np.int64)


def test_a_profile_goes_from_every_table_the_report_and_the_logs(
    run: Path, own_store: Store
) -> None:
    before = profiles_in(run)
    erased = min(shown_in(run))
    assert erased in before
    results = (run / METRICS_FILE).read_bytes()
    assert count_records(run, ids(erased)) > 10
    assert purge_results(run, ids(erased), own_store) == 8
    assert count_records(run, ids(erased)) == 0
    assert profiles_in(run) == before - {erased}
    assert find_page_ids(run, erased) == []
    assert not (run / "logs").exists()
    assert erased not in shown_in(run)
    assert len(shown_in(run)) > 3
    assert (run / METRICS_FILE).read_bytes() == results
    assert read_record(run).state is RunState.FINISHED
    assert not list(run.rglob(".*"))


def test_the_other_records_and_their_format_stay(run: Path, own_store: Store) -> None:
    pages = next((run / "pages").rglob("*.parquet"))
    before, layout = pq.ParquetFile(pages).read(), pq.read_metadata(pages).row_group(0)
    erased = before["profile_id"][0].as_py()
    purge_results(run, ids(erased), own_store)
    after = pq.ParquetFile(pages).read()
    stays = [record for record in before.to_pylist() if record["profile_id"] != erased]
    assert after.to_pylist() == stays
    assert after.schema == before.schema
    assert pq.read_metadata(pages).row_group(0).column(0).compression == (
        layout.column(0).compression
    )


def test_a_profile_that_is_not_there_changes_nothing(run: Path, own_store: Store) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert purge_results(run, ids(999), own_store) == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_when_everybody_is_gone_there_is_no_report(run: Path, own_store: Store) -> None:
    purge_results(run, ids(*profiles_in(run)), own_store)
    assert profiles_in(run) == set()
    assert not (run / "report.html").exists()


def test_what_a_killed_process_left_unfinished_goes(run: Path, own_store: Store) -> None:
    left = run / "pages" / ".chunk-00000.parquet.unfinished"
    left.write_bytes(b"MARKER")
    assert purge_results(run, ids(999), own_store) == 1
    assert not left.exists()


def test_what_a_run_still_writes_stays(run: Path, own_store: Store) -> None:
    target = run / "pages" / "chunk-00000.parquet"
    with atomic_file(target) as unfinished:
        assert purge_results(run, ids(999), own_store) == 0
        unfinished.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"


def test_a_run_takes_out_who_was_erased_while_it_was_under_way(
    run: Path, own_store: Store
) -> None:
    erased, later = sorted(profiles_in(run))[:2]
    erase_profiles(own_store.engine, [erased], reason="test", began_at=0, nonce=b"")
    began = own_store.newest_upkeep()
    purge_erased_since(began, run, own_store)
    assert erased in profiles_in(run)
    erase_profiles(own_store.engine, [later], reason="test", began_at=0, nonce=b"")
    purge_erased_since(began, run, own_store)
    assert later not in profiles_in(run)
