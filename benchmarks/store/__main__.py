"""Compares ways to read features as of a moment, in one run.

    python -m benchmarks.store [--rivals PYTHON]

Facts are the same for all: versions of 50 float32 per profile, 5% of them known late and 3%
corrected, read in batches of 256 rows, each at a moment of its own. Figures are medians in
milliseconds; compare them with each other, not with another machine's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.store.dataset import (
    BATCH,
    DAY,
    FIELDS,
    SPAN_DAYS,
    START,
    Questions,
    Versions,
    make_questions,
    make_versions,
)
from benchmarks.store.service import ECHO, serve_echo, serve_store
from mesh.call.context import CallContext
from mesh.serving import connect_without_mesh
from timetravel.database import migrate
from timetravel.facts.model import EntityKind, EventFact, EventKind, FeatureFact, FeatureGroup
from timetravel.rpc.client import TimeTravelClient
from timetravel.segments.directory import SegmentDirectory
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from timetravel.reading.reader import FactReader

TASTE = FeatureGroup(
    "taste", EntityKind.PROFILE, 1, tuple(f"f{number}" for number in range(FIELDS))
)
BATCHES = 60
SEED = 1
DEEPER = 10
EVENT_PROFILES, EVENTS = 5_000, 200
LAST_EVENTS = 100
APPENDED_AT_ONCE = 100_000
NOW = START + 2 * SPAN_DAYS * DAY


def main() -> None:
    """Make the facts, time every way to read them, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.store",
        description="Compare ways to read features as of a moment.",
    )
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--depth", type=int, default=20, help="versions of each profile")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks/store"))
    parser.add_argument("--rivals", help="python of an environment with Feast, pandas, polars")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    questions = make_questions(arguments.profiles, BATCHES, SEED)
    shallow = make_store(folder / "shallow", arguments.profiles, arguments.depth)
    deep = make_store(folder / "deep", arguments.profiles // DEEPER, arguments.depth * DEEPER)
    medians = measure(shallow, folder / "shallow", questions)
    medians |= {
        f"{name}, {DEEPER} times deeper": taken
        for name, taken in measure_in_process(
            deep,
            folder / "deep",
            make_questions(arguments.profiles // DEEPER, BATCHES, SEED),
        ).items()
    }
    medians |= measure_history(folder / "events")
    if arguments.rivals:
        medians |= measure_rivals(folder, arguments, questions)
    print_table(medians)


def make_store(folder: Path, profiles: int, depth: int) -> str:
    """Return the URL of a store that holds the versions; make it if it is not there."""
    url = f"sqlite:///{folder / 'store.db'}"
    if (folder / "whole").exists():
        return url
    folder.mkdir(exist_ok=True)
    (folder / "store.db").unlink(missing_ok=True)
    migrate.upgrade(url)
    versions = make_versions(profiles, depth, SEED)
    with Store.open(url) as store:
        with store.begin(START) as writer:
            writer.register(TASTE)
        for first in range(0, len(versions.values), APPENDED_AT_ONCE):
            with store.begin(START) as writer:
                writer.append(
                    facts(versions, slice(first, first + APPENDED_AT_ONCE)),
                    source="benchmark",
                    synthetic=True,
                )
    (folder / "whole").touch()
    return url


def facts(versions: Versions, place: slice) -> list[FeatureFact]:
    """Return some of the versions as facts."""
    columns = (versions.profile_ids, versions.valid_from, versions.known_at)
    rows = zip(*(column[place].tolist() for column in columns), strict=True)
    return [
        FeatureFact(TASTE.name, profile_id, valid_from, known_at, values)
        for (profile_id, valid_from, known_at), values in zip(
            rows, versions.values[place], strict=True
        )
    ]


def measure(url: str, folder: Path, questions: Questions) -> dict[str, float]:
    """Return what reading takes in this process and over gRPC."""
    medians = measure_in_process(url, folder, questions)
    with Store.open(url) as store:
        snapshot = store.snapshot()
    context = CallContext("benchmark", NOW, snapshot=snapshot)
    for name, arguments in (
        ("SQL, over gRPC", ()),
        ("segment, over gRPC", ("--segments", str(folder / "segments"))),
    ):
        with serve_store(url, *arguments) as address:
            channel = connect_without_mesh(address, context)
            medians[name] = median_milliseconds(TimeTravelClient(channel), questions)
            channel.close()
    with serve_echo() as address, grpc.insecure_channel(address) as channel:
        echo: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(ECHO)
        size = str(BATCH * FIELDS * 4 + 2 * BATCH * 8).encode()
        medians["echo of the same bytes, over gRPC"] = median(
            [partial(echo, size)] * len(questions.at)
        )
    return medians


def measure_in_process(url: str, folder: Path, questions: Questions) -> dict[str, float]:
    """Return what reading takes by SQL and from a segment."""
    with Store.open(url) as store:
        snapshot = store.snapshot()
        directory = SegmentDirectory(folder / "segments")
        segment = SegmentReader(store.segment(snapshot, directory=directory))
        by_sql = store.as_of(snapshot)
        check_equal(by_sql, segment, questions)
        return {
            "SQL": median_milliseconds(by_sql, questions),
            "segment": median_milliseconds(segment, questions),
        }


def check_equal(one: FactReader, other: FactReader, questions: Questions) -> None:
    """Refuse to compare readers that answer differently."""
    for profile_ids, at in zip(questions.profile_ids, questions.at, strict=True):
        rows, expected = (each.features(TASTE.name, profile_ids, at) for each in (one, other))
        np.testing.assert_array_equal(rows.values, expected.values)
        np.testing.assert_array_equal(rows.known_at, expected.known_at)


def measure_history(folder: Path) -> dict[str, float]:
    """Return what the last events of a batch take, from a segment."""
    url = f"sqlite:///{folder / 'store.db'}"
    chance = np.random.default_rng(SEED)
    if not (folder / "whole").exists():
        folder.mkdir(exist_ok=True)
        (folder / "store.db").unlink(missing_ok=True)
        migrate.upgrade(url)
        moments = np.sort(
            chance.integers(START, START + SPAN_DAYS * DAY, (EVENT_PROFILES, EVENTS))
        ).tolist()
        with Store.open(url) as store, store.begin(START) as writer:
            for profile_id, own in enumerate(moments):
                writer.append(
                    [
                        EventFact(f"{profile_id}/{n}", profile_id, at, EventKind.PLAY, n, 1, at)
                        for n, at in enumerate(own)
                    ],
                    source="benchmark",
                    synthetic=True,
                )
        (folder / "whole").touch()
    with Store.open(url) as store:
        directory = SegmentDirectory(folder / "segments")
        reader = SegmentReader(store.segment(store.snapshot(), directory=directory))
    profile_ids = chance.integers(0, EVENT_PROFILES, (BATCHES, BATCH))
    late = START + SPAN_DAYS * DAY * 3 // 4
    at = chance.integers(late, START + SPAN_DAYS * DAY, (BATCHES, BATCH))
    asks = [
        partial(reader.history, ids, moments, (), LAST_EVENTS)
        for ids, moments in zip(profile_ids, at, strict=True)
    ]
    return {f"last {LAST_EVENTS} events, segment": median(asks)}


def measure_rivals(
    folder: Path, arguments: argparse.Namespace, questions: Questions
) -> dict[str, float]:
    """Return what other tools take, on the same versions and rows."""
    path = folder / "versions.parquet"
    if not path.exists():
        versions = make_versions(arguments.profiles, arguments.depth, SEED)
        moment = pa.timestamp("us", "UTC")
        columns = {
            "profile": versions.profile_ids,
            "event_timestamp": pa.array(versions.valid_from, moment),
            "created": pa.array(versions.known_at, moment),
        }
        columns |= {name: versions.values[:, n] for n, name in enumerate(TASTE.fields)}
        pq.write_table(pa.table(columns), path)
    np.savez(folder / "questions.npz", profile_ids=questions.profile_ids, at=questions.at)
    rivals = Path(__file__).with_name("rivals.py")
    # What rivals' own libraries deprecate among themselves is not ours to see.
    quiet = ("-W", "ignore::DeprecationWarning")
    subprocess.run([arguments.rivals, *quiet, rivals, folder], check=True)
    medians: dict[str, float] = json.loads((folder / "rivals.json").read_text())
    return medians


def median_milliseconds(reader: FactReader, questions: Questions) -> float:
    """Return the median over all batches."""
    return median(
        [
            partial(reader.features, TASTE.name, ids, at)
            for ids, at in zip(questions.profile_ids, questions.at, strict=True)
        ]
    )


def median(asks: Sequence[Callable[[], object]]) -> float:
    """Return the median in milliseconds, after one round to warm up."""
    for ask in asks:
        ask()
    taken = []
    for ask in asks:
        started = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def print_table(medians: dict[str, float]) -> None:
    """Print milliseconds, and how often a segment would have answered meanwhile."""
    print(f"| {BATCH} rows of {FIELDS} features | milliseconds | to a segment |")
    print("|:--|--:|--:|")
    for name, taken in medians.items():
        print(f"| {name} | {taken:.2f} | {taken / medians['segment']:.1f} |")


if __name__ == "__main__":
    main()
