"""Measures how fast features enter a store, and that memory stays as it is.

    python -m benchmarks.ingest [--versions NUMBER]

Into an SQLite file, and into a PostgreSQL server of its own as it is out of the box (every
commit waits for the disk), both in a temporary directory. Vectors of 50 float32 fields, 20
versions a profile, in chunks of 50,000. Figures of one run on one machine: compare them with
each other.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from pagesim.ingest.v1 import ingest_pb2
from pagesim.timetravel.v1 import timetravel_pb2

from core.moments import parse_moment
from experiments.ingest.loading import Loader
from experiments.ingest.mapping.mapping import load_mapping
from experiments.ingest.plan import make_plan
from mesh.serving import Registration, ServingOptions, start
from tests.support.facts.postgres_server import PostgresServer, find_programs
from timetravel.database import migrate
from timetravel.facts.feature_batch import FeatureBatch
from timetravel.facts.model import EntityKind, FeatureGroup
from timetravel.ingest.stream.client import IngestClient, connect_to_ingest
from timetravel.ingest.stream.server import SERVICE, add_ingest
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import grpc

    from core.arrays import Float32Array, Int64Array

Chunks: TypeAlias = "Iterator[tuple[Int64Array, Int64Array, Float32Array]]"
"""Profiles, moments and values."""
Tick: TypeAlias = "Callable[[int], None]"
"""Is told the versions loaded since it was told last."""
Loading: TypeAlias = "Callable[[Tick], None]"

FIELDS: Final = tuple(f"field-{number}" for number in range(50))
VERSIONS_PER_PROFILE: Final = 20
CHUNK: Final = 50_000
FIRST: Final = parse_moment("2024-01-01")
DAY: Final = 86_400 * 1_000_000
MAPPING: Final = """
group: {{name: {group}, entity_kind: profile}}
entity_id: profile
valid_from: {{column: at, unit: microseconds}}
known_at: {{column: at, unit: microseconds}}
values: [{fields}]
"""


def main() -> None:
    """Load the same facts in several ways, and print what each took."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ingest",
        description="Measure how fast features enter a store.",
    )
    parser.add_argument("--versions", type=int, default=2_000_000)
    namespace = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure_store(f"sqlite:///{name}/store.db", namespace.versions, Path(name))
    programs = find_programs()
    if programs is None:
        print("PostgreSQL is not installed here (Debian: apt-get install postgresql).")
        return
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as files:
        server = PostgresServer(Path(name), programs)
        server.start()
        try:
            measure_store(server.url, namespace.versions, Path(files))
        finally:
            server.stop()


def measure_store(url: str, versions: int, folder: Path) -> None:
    """Measure all ways into one store, and print a table."""
    migrate.upgrade(url)
    with Store.open(url) as store:
        print(f"{url.partition(':')[0]}: {versions:,} versions x {len(FIELDS)} float32")
        print(f"{'':44}{'versions/s':>12}{'memory, first and most MB':>28}")
        measure_all(store, versions, folder)


def measure_all(store: Store, versions: int, folder: Path) -> None:
    """Measure the writer, files and the service; the slower ways with fewer versions."""
    measure("columns, sorted by profile", append(store, "sorted", by_profile(versions)))
    measure("columns, in order of time", append(store, "timely", by_time(versions)))
    few = versions // 4
    for suffix in ("parquet", "csv"):
        path = folder / f"vectors.{suffix}"
        write_file(path, by_profile(few))
        measure(f"pagesim ingest, {suffix}", load(store, f"from_{suffix}", path, folder))
        path.unlink()
    measure("service, over loopback", send(store, "sent", by_profile(versions // 20)))


def measure(title: str, loading: Loading) -> None:
    """Load, and print the speed and the memory."""
    loaded, memory = 0, list[int]()

    def tick(rows: int) -> None:
        nonlocal loaded
        loaded += rows
        memory.append(own_memory_megabytes())

    started = time.perf_counter()
    loading(tick)
    seconds = time.perf_counter() - started
    # The first chunks find their buffers.
    first = memory[min(2, len(memory) - 1)]
    print(f"  {title:42}{loaded / seconds:>12,.0f}{first:>17,} {max(memory):>10,}", flush=True)


def own_memory_megabytes() -> int:
    """Return the memory that is the process's own: without the database file, mapped."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) // 1024


def by_profile(versions: int) -> Chunks:
    """Yield profiles, moments and values in chunks, all versions of a profile together."""
    chance = np.random.default_rng(0)
    for begin in range(0, versions, CHUNK):
        places = np.arange(begin, min(begin + CHUNK, versions))
        moments = FIRST + places % VERSIONS_PER_PROFILE * DAY
        yield places // VERSIONS_PER_PROFILE, moments, values_for(len(places), chance)


def by_time(versions: int) -> Chunks:
    """Yield the same in the order in which they would arrive, profiles at random."""
    chance = np.random.default_rng(0)
    profiles = max(1, versions // VERSIONS_PER_PROFILE)
    for day in range(VERSIONS_PER_PROFILE):
        shuffled = chance.permutation(profiles)
        for begin in range(0, profiles, CHUNK):
            some = shuffled[begin : begin + CHUNK]
            moments = np.full(len(some), FIRST + day * DAY)
            yield some, moments, values_for(len(some), chance)


def values_for(rows: int, chance: np.random.Generator) -> Float32Array:
    """Return float32[rows, fields]."""
    return chance.random((rows, len(FIELDS)), np.float32)


def append(store: Store, name: str, chunks: Chunks) -> Loading:
    """Return the appending of chunks, each in one transaction."""

    def loading(tick: Tick) -> None:
        with store.begin(0) as writer:
            writer.register(FeatureGroup(name, EntityKind.PROFILE, 1, FIELDS))
        for profiles, moments, values in chunks:
            ops = np.zeros(len(profiles), np.int8)
            batch = FeatureBatch(name, profiles, moments, moments, ops, values)
            with store.begin(0) as writer:
                writer.append([batch], source="benchmark", synthetic=True)
            tick(len(batch))

    return loading


def write_file(path: Path, chunks: Chunks) -> None:
    """Write chunks to a Parquet or CSV file."""
    schema = pa.schema(
        [
            ("profile", pa.int64()),
            ("at", pa.int64()),
            *((field, pa.float32()) for field in FIELDS),
        ]
    )
    make: Any = pq.ParquetWriter if path.suffix == ".parquet" else pc.CSVWriter
    with make(path, schema) as writer:
        for profiles, moments, values in chunks:
            columns = [profiles, moments, *np.ascontiguousarray(values.T)]
            writer.write_table(pa.table(columns, schema=schema))


def load(store: Store, name: str, path: Path, folder: Path) -> Loading:
    """Return the loading of a file, as the command does it."""
    mapping = folder / "mapping.yaml"
    mapping.write_text(MAPPING.format(group=name, fields=", ".join(FIELDS)))
    loaded = load_mapping(mapping, "features")
    plan = make_plan([path], loaded, store.registry(), stream=None, known_at=None)
    loader = Loader(store, plan, now_micros=now_micros, records_per_chunk=CHUNK)
    return lambda tick: tick(loader.load(None, lambda _bytes: tick(0)).facts)


def send(store: Store, name: str, chunks: Chunks) -> Loading:
    """Return the sending of records to the service, in this process."""

    def add(server: grpc.Server) -> None:
        add_ingest(server, store, now_micros=now_micros)

    def loading(tick: Tick) -> None:
        group = FeatureGroup(name, EntityKind.PROFILE, 1, FIELDS)
        server = start([Registration(SERVICE, add, needs_context=False)], ServingOptions())
        try:
            with connect_to_ingest(server.address) as channel:
                records = (
                    record_of(name, profile, moment, values)
                    for profiles, moments, matrix in chunks
                    for profile, moment, values in zip(profiles, moments, matrix, strict=True)
                )
                done = IngestClient(channel).ingest(
                    name, records, source="benchmark", feature_groups=[group]
                )
                tick(int(done.bookmark))
        finally:
            server.stop(0)

    return loading


def record_of(
    name: str, profile: np.int64, moment: np.int64, values: Float32Array
) -> ingest_pb2.Record:
    """Return a record."""
    record = ingest_pb2.Record(
        op=timetravel_pb2.OP_ASSERT,
        feature=ingest_pb2.FeatureRecord(
            group=name, entity_id=int(profile), values=values.tolist()
        ),
    )
    record.valid_from.seconds = record.known_at.seconds = int(moment) // 1_000_000
    return record


def now_micros() -> int:
    """Return what the clock says."""
    return time.time_ns() // 1_000


if __name__ == "__main__":
    main()
