"""Begins a run, or goes on with one that was stopped.

What decides the pages is fixed when a run is planned: the experiment, the snapshot, the page
requests, and how they are cut into chunks. `run.json` is written last; a directory without it
holds no run yet, and is planned anew. Whoever makes a run holds a lock on its directory.

A run may be given more variants later, even when it is finished: they get the same requests,
and what there is of the others stays.
"""

from __future__ import annotations

import fcntl
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from core.atomic_files import UNFINISHED, is_being_written, remove_unfinished
from core.moments import to_micros
from experiments.errors import NoLoggedPages, OutputExists, RunNotFound, RunUnderWay
from experiments.queue.chunk_queue import ChunkQueue, open_queue_database
from experiments.runs.plan import plan_run
from experiments.runs.requests import FOLDER, read_requests, write_requests
from experiments.runs.run_record import (
    RunRecord,
    RunState,
    read_record,
    write_record,
)
from timetravel.database.engine import SQLITE
from timetravel.upkeep.copies import CopyKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from experiments.generation.partitions import Slice
    from experiments.spec import ExperimentSpec
    from timetravel.facts.model import JsonValue
    from timetravel.store import Store

ATTEMPTS: Final = 3
"""How often a chunk is tried before its run fails."""
QUEUE_FILE: Final = "queue.db"
_LOCK_FILE: Final = ".run.lock"
_QUEUE_FILES: Final = (QUEUE_FILE, f"{QUEUE_FILE}-wal", f"{QUEUE_FILE}-shm")
_RUN_ID: Final = "run"
_DECIDES_NO_PAGE: Final = {"description", "limits", "owners", "notifications"}
"""Keys of an experiment that may differ when a run goes on."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldRun:
    """Hold what is known of a run when pages are to be made.

    Attributes:
        record: Of the run.
        slices: What every variant makes.
        goes_on: Whether it was begun before.
    """

    record: RunRecord
    slices: tuple[Slice, ...]
    goes_on: bool


@contextmanager
def hold_run(
    spec: ExperimentSpec,
    store: Store,
    directory: Path,
    *,
    snapshot: int | None,
    now: Callable[[], datetime],
) -> Iterator[HeldRun]:
    """Hold a run that is to be made, by this process alone.

    Args:
        spec: The experiment.
        store: Holds facts and logged pages.
        directory: Of the run: not there, empty, or of the same run that was stopped.
        snapshot: Append position up to which is read; the newest if left out.
        now: The wall clock.

    Raises:
        OutputExists: The directory holds something else.
        RunUnderWay: Another process makes the run.
        InvalidSpec: It names what the store does not have.
        UnknownSnapshot: The store has not reached it.
        NoLoggedPages: The scope is empty.
        TooFewProfiles: The scope asks for too many.
    """
    planned = None
    if _find_begun(directory, spec, store, snapshot) is None:
        planned = plan_run(spec, store, snapshot, now)
    directory.mkdir(parents=True, exist_ok=True)
    with _lock(directory):
        remove_unfinished(directory)
        begun = _find_begun(directory, spec, store, snapshot)
        if (begun is None) is not (planned is not None):
            raise _under_way(directory)  # and has begun, or is over, since we looked first
        if begun is None:
            assert planned is not None  # noqa: S101 - as was just found
            record, slices = planned.record, planned.slices
        else:
            record = replace(
                begun,
                experiment=spec.to_document(),
                state=RunState.RUNNING,
                reason="",
                ended_at="",
            )
            slices = read_requests(directory)
        store.note_copies(directory, CopyKind.RESULTS, record.snapshot)
        if begun is None:
            _clear(directory)
            write_requests(directory, slices)
        if not slices:
            raise NoLoggedPages(
                f"All profiles of the run in {directory} were erased since it was begun.",
                remedy="Begin another one.",
                field="--output",
            )
        write_record(directory, record)
        yield HeldRun(record, slices, goes_on=begun is not None)


@contextmanager
def begin_run(
    spec: ExperimentSpec,
    store: Store,
    directory: Path,
    *,
    snapshot: int | None,
    now: Callable[[], datetime],
) -> Iterator[tuple[HeldRun, ChunkQueue]]:
    """Hold a run as `hold_run` does, with a queue of its own, in which nothing is leased."""
    with (
        hold_run(spec, store, directory, snapshot=snapshot, now=now) as held,
        open_queue(directory, now) as queue,
    ):
        queue.reclaim()
        queue.post_again()
        yield held, queue


@contextmanager
def open_queue(directory: Path, now: Callable[[], datetime]) -> Iterator[ChunkQueue]:
    """Hold the chunks of the run in a directory."""
    engine = open_queue_database(sa.URL.create(SQLITE, database=str(directory / QUEUE_FILE)))
    try:
        yield ChunkQueue(
            engine, _RUN_ID, attempts=ATTEMPTS, now_micros=lambda: to_micros(now())
        )
    finally:
        engine.dispose()


def is_under_way(directory: Path) -> bool:
    """Return whether a process makes the run in a directory."""
    return is_being_written(directory / _LOCK_FILE)


def _find_begun(
    directory: Path, spec: ExperimentSpec, store: Store, snapshot: int | None
) -> RunRecord | None:
    """Return the record of the same run, if it was begun."""
    if not directory.exists():
        return None
    found = {path.name for path in directory.iterdir()} if directory.is_dir() else {""}
    if {name for name in found if not name.endswith(UNFINISHED)} <= {
        *(FOLDER, _LOCK_FILE, *_QUEUE_FILES)
    }:
        return None
    record = _find_record(directory)
    is_over = (
        record is None
        or not (directory / FOLDER).is_dir()
        or (record.state is RunState.FINISHED and not adds_variants(record.experiment, spec))
    )
    if record is None or is_over:
        raise OutputExists(
            f"{directory} holds something already.",
            remedy="Name another --output, or remove it first.",
            field="--output",
        )
    differing = _find_difference(record, spec, store, snapshot)
    if differing:
        raise OutputExists(
            f"{directory} holds a run that was stopped, of another {differing}.",
            remedy="Go on with it as it was begun, name another --output, or remove it first.",
            field="--output",
        )
    return record


def _find_record(directory: Path) -> RunRecord | None:
    try:
        return read_record(directory)
    except RunNotFound:
        return None


def adds_variants(begun: Mapping[str, JsonValue], asked: ExperimentSpec) -> bool:
    """Return whether an experiment is one that was begun, with more variants after its own.

    Args:
        begun: The experiment file of then, as `ExperimentSpec.to_document` gives it.
        asked: The experiment.
    """
    own, more = begun["variants"], asked.to_document()["variants"]
    assert isinstance(own, list)  # noqa: S101 - the form of the file
    assert isinstance(more, list)  # noqa: S101
    is_longer = len(more) > len(own) and more[: len(own)] == own
    return is_longer and _decides_pages(asked.to_document()) == _decides_pages(begun)


def _decides_pages(document: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Return what of a file decides pages, variants aside."""
    ignored = _DECIDES_NO_PAGE | {"variants"}
    return {name: value for name, value in document.items() if name not in ignored}


def _find_difference(
    record: RunRecord, spec: ExperimentSpec, store: Store, snapshot: int | None
) -> str:
    """Return what decides the pages of a run and is not as it was; empty if all is."""
    asked, begun = spec.to_document(), record.experiment
    is_same = asked["variants"] == begun["variants"] and (
        _decides_pages(asked) == _decides_pages(begun)
    )
    if not is_same and not adds_variants(begun, spec):
        return "experiment file"
    if record.store != store.url:
        return f"store, {record.store}"
    if snapshot not in {None, record.snapshot}:
        return f"snapshot, {record.snapshot}"
    if record.version != version("pagesim"):
        return f"pagesim, {record.version}"
    return ""


def _clear(directory: Path) -> None:
    """Remove what a process has left that was stopped while it planned."""
    shutil.rmtree(directory / FOLDER, ignore_errors=True)
    for name in _QUEUE_FILES:
        (directory / name).unlink(missing_ok=True)


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    with (directory / _LOCK_FILE).open("w") as lock:  # dying gives it back, too
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _under_way(directory) from None
        yield


def _under_way(directory: Path) -> RunUnderWay:
    return RunUnderWay(
        f"Another process makes the run in {directory}.",
        remedy="Wait until it ends, or name another --output.",
        field="--output",
    )
