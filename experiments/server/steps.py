"""The steps of an experiment that need no stack, each in a process of its own.

A step that is tried again finds what it did before, and goes on from there.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from core.errors import PagesimError, Unavailable
from core.moments import format_moment, to_micros
from experiments.errors import RunUnderWay, WrongExperimentState
from experiments.generation.external_ids import write_external_ids
from experiments.generation.pages import PartitionPath
from experiments.generation.partitions import plan_partitions
from experiments.generation.segments import lay_out_facts
from experiments.queue.schema import ChunkState
from experiments.register.states import ExperimentState
from experiments.runs.beginning import hold_run
from experiments.runs.measurement import RunMeasurement, write_run_report
from experiments.runs.purge import purge_erased_since
from experiments.runs.requests import find_profiles
from experiments.runs.run_record import PartitionRecord, RunState, write_record
from experiments.server.settings import name_process, read_clock
from experiments.server.telling import tell_owners
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from experiments.generation.partitions import Partition
    from experiments.generation.segments import Advance
    from experiments.register.register import Experiment
    from experiments.runs.beginning import HeldRun
    from experiments.server.settings import ServerSettings, Tables

PLAN: Final = "plan"
MEASURE: Final = "measure"
TELL: Final = "tell"
FAILED: Final = 1
TRY_AGAIN: Final = 75
"""Exit codes of a step: the experiment has failed, or the step is to be tried again."""

_LOOK_SECONDS: Final = 0.5
_MAKING: Final = {ExperimentState.RUNNING, ExperimentState.PAUSED}

_log = structlog.get_logger("experiments.server")


def run_step(name: str, experiment_id: str, settings: ServerSettings, tables: Tables) -> int:
    """Run a step of an experiment, and return the exit code of its process."""
    register = tables.register
    experiment = register.get(experiment_id)
    attempt = register.begin_step(experiment_id, name, name_process())
    try:
        STEPS[name](experiment, settings, tables)
    except PagesimError as error:
        register.end_step(experiment_id, name, attempt, str(error))
        passes = isinstance(error, Unavailable | RunUnderWay)
        _log.warning("step_failed", step=name, experiment=experiment_id, reason=str(error))
        if passes:
            return TRY_AGAIN
        if name == TELL:
            return FAILED  # which fails no experiment
        fail_experiment(tables, experiment_id, str(error))
        return FAILED
    register.end_step(experiment_id, name, attempt, None)
    return 0


def fail_experiment(tables: Tables, experiment_id: str, reason: str) -> None:
    """Let an experiment fail, unless it is over or cancelled meanwhile."""
    try:
        tables.register.move(experiment_id, ExperimentState.FAILED, reason)
    except WrongExperimentState as error:
        _log.info("too_late_to_fail", experiment=experiment_id, reason=error.problem)


def _plan(experiment: Experiment, settings: ServerSettings, tables: Tables) -> None:
    """Draw the pages of an experiment, write them down, and post their chunks."""
    directory = settings.find_directory(experiment.experiment_id)
    with _hold(experiment, settings) as (held, store):
        snapshot, profile_ids = held.record.snapshot, find_profiles(held.slices)
        write_external_ids(directory, store, profile_ids, snapshot)
        lay_out_facts(store, snapshot, profile_ids, settings.segments, progress=_log_progress)
        queue = tables.open_queue(experiment.experiment_id)
        for partition in plan_partitions(held.slices, experiment.spec.variants):
            queue.post(partition.stack_id, map(len, partition.slice.chunks))
    tables.register.move(experiment.experiment_id, ExperimentState.RUNNING)


def _measure(experiment: Experiment, settings: ServerSettings, tables: Tables) -> None:
    """Measure the slices of an experiment as they are made, and write its report."""
    directory = settings.find_directory(experiment.experiment_id)
    with _hold(experiment, settings) as (held, store):
        record, profile_ids = held.record, find_profiles(held.slices)
        partitions = plan_partitions(held.slices, experiment.spec.variants)
        segment = lay_out_facts(
            store, record.snapshot, profile_ids, settings.segments, progress=_log_progress
        )
        with RunMeasurement(
            record.describe(directory).measured,
            _find_paths(experiment, settings, partitions),
            sum(map(len, held.slices)),
            store,
            SegmentReader(segment),
            profile_ids,
        ) as measurement:
            made = _wait_for_pages(experiment, tables, partitions, measurement.note_made)
            if made is None:
                return  # the experiment is cancelled, or has failed
            record = replace(record, partitions=made)
            measurement.finish(record.upkeep, _log_progress)
        write_run_report(record, directory, store, progress=_log_progress)
        ended_at = format_moment(to_micros(read_clock()))
        write_record(directory, replace(record, state=RunState.FINISHED, ended_at=ended_at))
        purge_erased_since(record.upkeep, directory, store)
    tables.register.move(experiment.experiment_id, ExperimentState.FINISHED)


STEPS: Final[Mapping[str, Callable[[Experiment, ServerSettings, Tables], None]]] = {
    PLAN: _plan,
    MEASURE: _measure,
    TELL: tell_owners,
}


@contextmanager
def _hold(experiment: Experiment, settings: ServerSettings) -> Iterator[tuple[HeldRun, Store]]:
    directory = settings.find_directory(experiment.experiment_id)
    with (
        Store.open(settings.store_url) as store,
        hold_run(experiment.spec, store, directory, snapshot=None, now=read_clock) as held,
    ):
        yield held, store


def _find_paths(
    experiment: Experiment, settings: ServerSettings, partitions: Sequence[Partition]
) -> Mapping[str, Sequence[PartitionPath]]:
    """Return where the pages of each slice are, control's first."""
    directory = settings.find_directory(experiment.experiment_id)
    paths: dict[str, list[PartitionPath]] = {}
    for one in partitions:
        path = PartitionPath(
            directory, experiment.spec.name, one.variant.name, one.partition_id
        )
        paths.setdefault(one.partition_id, []).append(path)
    return paths


def _wait_for_pages(
    experiment: Experiment,
    tables: Tables,
    partitions: Sequence[Partition],
    note_made: Callable[[str, str], None],
) -> tuple[PartitionRecord, ...] | None:
    """Return what each partition made, once all have; None if nobody makes them any more."""
    queue = tables.open_queue(experiment.experiment_id)
    made: dict[str, PartitionRecord] = {}
    while True:
        done = {one.partition: one.count(ChunkState.DONE) for one in queue.progress()}
        for partition in partitions:
            name, chunks = partition.stack_id, len(partition.slice.chunks)
            if name not in made and done.get(name) == chunks:
                made[name] = PartitionRecord.of(
                    partition, queue.done(name), queue.measure_seconds(name)
                )
                note_made(partition.variant.name, partition.partition_id)
        if len(made) == len(partitions):
            return tuple(made[partition.stack_id] for partition in partitions)
        if tables.register.get(experiment.experiment_id).state not in _MAKING:
            return None
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _log_progress(description: str, total: int | None = None, /) -> Iterator[Advance]:
    """Log when a stretch of work begins and ends."""
    _log.info("begun", what=description, total=total)

    def advance(amount: int = 1, /, *, description: str | None = None) -> None:
        del amount, description

    yield advance
    _log.info("ended", what=description)
