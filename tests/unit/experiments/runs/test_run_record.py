"""run.json: what is written is read again, and so are records of before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from experiments.runs.run_record import (
    RECORD_FILE,
    PartitionRecord,
    RunRecord,
    RunState,
    read_record,
    write_record,
)
from experiments.spec import load_spec

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """
experiment: shares
seed: 5
scope: {source: logged_pages, profiles: 12, strata: [country]}
variants:
  - {name: control}
  - {name: popularity, configuration: {ranking: {model: popularity}}}
"""
POPULATION = {"country=US": 31, "no country": 4}


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    spec_file = tmp_path / "experiment.yaml"
    spec_file.write_text(SPEC)
    return RunRecord(
        experiment=load_spec(spec_file).to_document(),
        store="sqlite:///store.db",
        snapshot=7,
        version="1.2.3",
        started_at="2024-05-06T00:00:00Z",
        population=POPULATION,
        state=RunState.FINISHED,
        partitions=(PartitionRecord("000", "control", "2024-05-06T00:00:00Z", 12, 1, 0.5),),
    )


def test_a_record_is_read_as_it_was_written(record: RunRecord, tmp_path: Path) -> None:
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def test_measuring_knows_the_population_that_the_scope_drew_from(
    record: RunRecord, tmp_path: Path
) -> None:
    assert record.describe(tmp_path).measured.population == POPULATION


def test_a_record_that_does_not_count_the_population_is_still_read(
    record: RunRecord, tmp_path: Path
) -> None:
    write_record(tmp_path, record)
    path = tmp_path / RECORD_FILE
    document = json.loads(path.read_text())
    del document["population"]
    path.write_text(json.dumps(document))
    assert read_record(tmp_path).describe(tmp_path).measured.population == {}
