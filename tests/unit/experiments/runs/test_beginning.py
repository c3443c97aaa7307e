"""A run begins where nothing is, and goes on where it was stopped; nowhere else."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import pytest

from core.atomic_files import UNFINISHED
from experiments.errors import InvalidSpec, NoLoggedPages, OutputExists, RunUnderWay
from experiments.queue.schema import ChunkState
from experiments.runs.beginning import QUEUE_FILE, HeldRun, begin_run
from experiments.runs.purge import purge_results
from experiments.runs.requests import FOLDER, find_profiles
from experiments.runs.run_record import RECORD_FILE, RunState, write_record
from experiments.spec import ExperimentSpec, Variant, load_spec
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from experiments.queue.chunk_queue import ChunkQueue
    from tests.support.pages.simulated_runs import SimulatedRun

SPEC = """
experiment: trial
seed: 5
scope: {source: logged_pages, profiles: 12, pages_per_profile: 2, strata: [country]}
slices: 2
variants:
  - {name: control}
  - {name: popularity, configuration: {ranking: {model: popularity}}}
"""

Begin: TypeAlias = "Callable[..., AbstractContextManager[tuple[HeldRun, ChunkQueue]]]"


@pytest.fixture
def spec(tmp_path: Path) -> ExperimentSpec:
    path = tmp_path / "experiment.yaml"
    path.write_text(SPEC)
    return load_spec(path)


@pytest.fixture
def begin(simulated_run: SimulatedRun, tmp_path: Path) -> Iterator[Begin]:
    path = shutil.copy(simulated_run.directory / "store.db", tmp_path / "store.db")
    with Store.open(f"sqlite:///{path}") as store:
        yield partial(
            begin_run,
            store=store,
            directory=tmp_path / "run",
            now=lambda: datetime(2024, 5, 6, tzinfo=UTC),
        )


def test_a_run_that_was_stopped_goes_on_with_what_was_planned(
    begin: Begin, spec: ExperimentSpec
) -> None:
    with begin(spec, snapshot=None) as (begun, queue):
        first = begun.record
        assert sum(map(len, begun.slices)) == 24
        queue.post("control-000", [12, 12])
        lease = queue.lease("control-000", "worker", 60.0)
        assert lease is not None
    for asked in (None, first.snapshot):
        with begin(spec, snapshot=asked) as (again, queue_again):
            assert again.record == first
            assert [one.number for one in again.slices] == ["000", "001"]
            assert queue_again.count("control-000") == {ChunkState.WAITING: 2}


def test_a_run_that_failed_goes_on_with_other_limits(
    begin: Begin,
    spec: ExperimentSpec,
    tmp_path: Path,
) -> None:
    with begin(spec, snapshot=None) as (begun, _):
        failed = replace(begun.record, state=RunState.FAILED, reason="Too few.", ended_at="now")
        write_record(tmp_path / "run", failed)
    lenient = replace(spec, limits=replace(spec.limits, page_yield=0.1))
    with begin(lenient, snapshot=None) as (begun, _):
        assert begun.record.spec == lenient
        assert (begun.record.state, begun.record.reason) == (RunState.RUNNING, "")


def test_what_another_experiment_has_left_stays(
    begin: Begin,
    spec: ExperimentSpec,
    tmp_path: Path,
) -> None:
    with begin(spec, snapshot=None) as (begun, _):
        record = begun.record
    for asked, told in (
        ({"spec": replace(spec, seed=6), "snapshot": None}, "another experiment file"),
        ({"spec": spec, "snapshot": record.snapshot - 1}, "another snapshot"),
    ):
        with pytest.raises(OutputExists, match=told), begin(**asked):
            pass
    for changed, told in (
        ({"store": "sqlite:///elsewhere.db"}, "another store"),
        ({"version": "0.0.1"}, "another pagesim, 0.0.1"),
        ({"state": RunState.FINISHED}, "holds something already"),
    ):
        write_record(tmp_path / "run", replace(record, **changed))
        with pytest.raises(OutputExists, match=told), begin(spec, snapshot=None):
            pass


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.FINISHED])
def test_a_run_goes_on_with_more_variants_and_the_same_pages(
    begin: Begin, spec: ExperimentSpec, tmp_path: Path, state: RunState
) -> None:
    with begin(spec, snapshot=None) as (begun, _):
        first = begun
    write_record(tmp_path / "run", replace(first.record, state=state))
    more = replace(spec, variants=(*spec.variants, Variant("new", "", {"dedup": {}})))
    with begin(more, snapshot=None) as (begun, _):
        assert begun.record.spec == more
        assert begun.record.state is RunState.RUNNING
        assert find_profiles(begun.slices).tolist() == find_profiles(first.slices).tolist()
    write_record(tmp_path / "run", replace(first.record, state=state))
    told = "another experiment file" if state is RunState.RUNNING else "something already"
    for variants in (more.variants[:0:-1], (spec.variants[0], more.variants[-1])):
        other = replace(spec, variants=variants)
        with pytest.raises(OutputExists, match=told), begin(other, snapshot=None):
            pass


@pytest.mark.parametrize("stranger", ["notes.txt", f"{FOLDER}.txt", RECORD_FILE])
def test_a_directory_with_anything_else_is_refused(
    begin: Begin,
    spec: ExperimentSpec,
    tmp_path: Path,
    stranger: str,
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / stranger).write_text("{}")
    with ExitStack() as refused:
        refused.enter_context(pytest.raises(Exception, match=r"holds something already"))
        refused.enter_context(begin(spec, snapshot=None))
    assert [one.name for one in (tmp_path / "run").iterdir()] == [stranger]


def test_what_was_stopped_while_it_was_planned_is_planned_anew(
    begin: Begin,
    spec: ExperimentSpec,
    tmp_path: Path,
) -> None:
    with begin(spec, snapshot=None) as (_, queue):
        queue.post("control-000", [99])
    (tmp_path / "run" / RECORD_FILE).unlink()
    (tmp_path / "run" / FOLDER / "slice=999.parquet").write_bytes(b"half")
    with begin(spec, snapshot=None) as (_, queue):
        assert queue.count("control-000") == {}
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {FOLDER, QUEUE_FILE, RECORD_FILE} <= names
    assert len(list((tmp_path / "run" / FOLDER).iterdir())) == 2


def test_a_run_of_which_everybody_was_erased_does_not_go_on(
    begin: Begin, spec: ExperimentSpec, tmp_path: Path
) -> None:
    with begin(spec, snapshot=None) as (begun, _):
        assert not begun.goes_on
        everybody = find_profiles(begun.slices)
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        purge_results(tmp_path / "run", everybody, store)
    with pytest.raises(NoLoggedPages, match="were erased"), begin(spec, snapshot=None):
        pass


def test_what_a_killed_process_left_half_written_is_removed(
    begin: Begin, spec: ExperimentSpec, tmp_path: Path
) -> None:
    left = tmp_path / "run" / f".run.json.1234{UNFINISHED}"
    left.parent.mkdir()
    left.write_text("{")
    with begin(spec, snapshot=None):
        assert not left.exists()


def test_two_processes_do_not_make_one_run(begin: Begin, spec: ExperimentSpec) -> None:
    with (
        begin(spec, snapshot=None),
        pytest.raises(RunUnderWay, match="Another process"),
        begin(spec, snapshot=None),
    ):
        pass
    with begin(spec, snapshot=None):
        pass


def test_an_experiment_that_cannot_be_run_leaves_nothing(
    begin: Begin,
    spec: ExperimentSpec,
    tmp_path: Path,
) -> None:
    unknown = replace(spec.variants[1], configuration={"ranking": {"model": "unheard"}})
    asked = replace(spec, variants=(spec.variants[0], unknown))
    with pytest.raises(InvalidSpec), begin(asked, snapshot=None):
        pass
    assert not (tmp_path / "run").exists()
