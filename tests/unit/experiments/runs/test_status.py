"""How far a run is, told of every state that it can be in."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from experiments.errors import RunNotFound
from experiments.queue.schema import ChunkState
from experiments.runs.beginning import begin_run
from experiments.runs.run_record import RunState, write_record
from experiments.runs.status import read_status
from experiments.spec import load_spec
from tests.support.commands import check_invoked
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.pages.simulated_runs import SimulatedRun

SPEC = """
experiment: trial
seed: 5
scope: {source: logged_pages, profiles: 12, pages_per_profile: 2}
variants: [{name: control}, {name: popularity, configuration: {ranking: {model: popularity}}}]
"""


def now() -> datetime:
    return datetime(2024, 5, 6, tzinfo=UTC)


def test_a_run_tells_how_far_it_is_and_what_failed(
    simulated_run: SimulatedRun, tmp_path: Path
) -> None:
    run, file = tmp_path / "run", tmp_path / "experiment.yaml"
    file.write_text(SPEC)
    url = f"sqlite:///{shutil.copy(simulated_run.directory / 'store.db', tmp_path)}"
    with (
        Store.open(url) as store,
        begin_run(load_spec(file), store, run, snapshot=None, now=now) as (_, queue),
    ):
        for partition in ("control-000", "popularity-000"):
            queue.post(partition, [10, 14])
        lease = queue.lease("control-000", "worker", 60.0)
        assert lease is not None
        queue.acknowledge(lease, {"NOT_FOUND: nobody": 2})
        lease = queue.lease("popularity-000", "worker", 60.0)
        assert lease is not None
        queue.fail(lease, "Ranking died.", pause_seconds=60.0)
        found = read_status(run, now)
        assert found.sentence.startswith("Under way since 2024-05-06")
    assert (found.pages, found.tried, found.failures) == (48, 10, 2)
    assert [dict(one.chunks) for one in found.partitions] == [
        {ChunkState.DONE: 1, ChunkState.WAITING: 1},
        {ChunkState.WAITING: 2},
    ]
    assert [one.error for one in found.failed] == ["Ranking died."]

    assert read_status(run, now).sentence.startswith("Stopped. Start it again")
    told = check_invoked("status", run).output
    for words in (
        "trial",
        "Stopped.",
        "10 of 48 pages tried, 2 of them failed",
        "Ranking died.",
    ):
        assert words in told
    document = check_invoked("status", run, "--json").document
    assert document["partitions"][0]["chunks"] == {
        "done": 1,
        "leased": 0,
        "waiting": 1,
        "dead": 0,
    }
    record = found.record
    failed = replace(record, state=RunState.FAILED, reason="Too few.", ended_at="2024-05-07")
    write_record(run, failed)
    assert read_status(run, now).sentence.startswith("Failed at 2024-05-07: Too few. Start")
    write_record(run, replace(record, state=RunState.FINISHED, ended_at="2024-05-07"))
    assert read_status(run, now).sentence == "Finished at 2024-05-07."


def test_a_directory_without_a_run_has_no_status(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound):
        read_status(tmp_path, now)
