"""Compares entities that are named by whole numbers with entities that are named by texts.

    python -m benchmarks.text_ids [--rounds NUMBER] [--pages NUMBER]

The same facts are loaded twice into SQLite files, once by numbers and once by texts of 36
characters (UUIDs): by `pagesim ingest` from Parquet and CSV, and as chunks that the ingest
service takes from their bytes on, without what carries and sends them. Events are 20 of each
profile in turn; attributes are three of each of 20,000 profiles that the store does not know
yet; vectors have 50 fields, 20 versions a profile. The same pages are made in process of a
synthetic world with numbers and of the same world with texts, facts from the segment. Both
take turns, load by load and batch by batch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from pagesim.ingest.v1 import ingest_pb2
from pagesim.timetravel.v1 import timetravel_pb2

from benchmarks.pages import BATCH_PAGES, Measured, draw
from core.moments import parse_moment
from core.timestamps import encode_timestamp
from experiments.ingest.loading import Loader
from experiments.ingest.mapping.mapping import load_mapping
from experiments.ingest.plan import make_plan
from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from timetravel.database.migrate import upgrade
from timetravel.facts.external_ids import IdForm, hash_id
from timetravel.facts.model import EntityKind, FeatureGroup
from timetravel.ingest.limits import Limits
from timetravel.ingest.stream.chunks import ChunkTaker
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store
from worlds.directory import open_world
from worlds.external_ids import text_of
from worlds.live import live_forward
from worlds.synthetic.generation import generate_world
from worlds.synthetic.plan import SyntheticPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FORMS: Final = (IdForm.NUMBERS, IdForm.TEXTS)
FIELDS: Final = tuple(f"field-{number}" for number in range(50))
VERSIONS_PER_PROFILE: Final = 20
FILMS: Final = 5_000
FIRST: Final = parse_moment("2024-01-01")
DAY: Final = 86_400 * 1_000_000
ROWS: Final = {"events": 100_000, "attributes": 20_000, "features": 100_000}
"""Rows of a file, by kind of fact."""
SENT: Final = {"events": 20_000, "attributes": 20_000, "features": 20_000}
"""Records of a chunk that the service takes."""
MOMENT: Final = "{column: at, unit: microseconds}"
MAPPINGS: Final = {
    "events": f"""
event_id: event
profile_id: profile
event_at: {MOMENT}
known_at: {MOMENT}
kind: {{constant: play}}
video_id: film
value: share
""",
    "attributes": f"""
entity_kind: {{constant: profile}}
entity_id: profile
valid_from: {MOMENT}
known_at: {MOMENT}
values: {{country: country, plan: plan, joined: joined}}
""",
    "features": f"""
group: {{name: vectors, entity_kind: profile}}
entity_id: profile
valid_from: {MOMENT}
known_at: {MOMENT}
values: [{", ".join(FIELDS)}]
""",
}
KINDS: Final = {"profile": EntityKind.PROFILE, "film": EntityKind.VIDEO}
PLAN: Final = SyntheticPlan(profiles=200, videos=2_000, days=15)


def main() -> None:
    """Load the facts, make the pages, and print what each cost."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.text_ids",
        description="Compare entities named by whole numbers with entities named by texts.",
    )
    parser.add_argument("--rounds", type=int, default=2, help="loads of each kind")
    parser.add_argument("--pages", type=int, default=30_000)
    given = parser.parse_args()
    if given.rounds < 1 or given.pages < 2 * BATCH_PAGES:
        parser.error(f"give at least 1 round and {2 * BATCH_PAGES} pages, two batches")
    with tempfile.TemporaryDirectory() as name:
        compare_loading(Path(name), given.rounds)
    with tempfile.TemporaryDirectory() as name:
        compare_pages(Path(name), given.pages)


def compare_loading(folder: Path, rounds: int) -> None:
    """Load the same facts by numbers and by texts, in turn, and print the speeds."""
    stores = {form: open_store(folder / f"{form.name}.db") for form in FORMS}
    speeds: dict[tuple[str, str], dict[IdForm, list[float]]] = defaultdict(
        lambda: {form: [] for form in FORMS}
    )
    for number in range(rounds):
        for kind in MAPPINGS:
            for way, load in (("parquet", load_file), ("csv", load_file), ("service", send)):
                table = make_table(kind, way, number)
                for form in FORMS[:: -1 if number % 2 else 1]:
                    path = folder / f"facts.{way}"
                    speeds[kind, way][form].append(
                        load(stores[form], kind, name_entities(table, form), path)
                    )
    print(f"{'facts per second of CPU':32}{'numbers':>12}{'texts':>12}{'ratio':>9}")
    for (kind, way), found in speeds.items():
        numbers, texts = (rounds / sum(1 / speed for speed in found[form]) for form in FORMS)
        print(f"{f'{kind}, {way}':32}{numbers:>12,.0f}{texts:>12,.0f}{texts / numbers:>8.0%}")
    for store in stores.values():
        store.close()


def open_store(path: Path) -> Store:
    """Return a new store that knows the feature group."""
    url = f"sqlite:///{path}"
    upgrade(url)
    store = Store.open(url)
    with store.begin(0) as writer:
        writer.register(FeatureGroup("vectors", EntityKind.PROFILE, 1, FIELDS))
    return store


def make_table(kind: str, way: str, number: int) -> pa.Table:
    """Return facts of a round, by numbers; no two rounds or ways have the same."""
    rows = np.arange((SENT if way == "service" else ROWS)[kind])
    load = 3 * number + ("parquet", "csv", "service").index(way)
    random = np.random.default_rng(load)
    profiles = rows // VERSIONS_PER_PROFILE
    columns: dict[str, Any] = {"at": FIRST + load * 10 * DAY + rows % 20 * DAY // 4}
    match kind:
        case "events":
            columns |= {
                "event": [f"play-{load}-{row}" for row in rows.tolist()],
                "profile": profiles,
                "film": random.integers(0, FILMS, len(rows)),
                "share": random.integers(0, 101, len(rows)) / 100,
            }
        case "attributes":
            columns |= {
                "profile": 1_000_000 * (load + 1) + rows,
                "country": np.array(["DE", "FR", "US"])[rows % 3],
                "plan": np.array(["basic", "family"])[rows % 2],
                "joined": 2000 + rows % 20,
            }
        case _:
            values = random.random((len(FIELDS), len(rows)), np.float32)
            columns |= {"profile": profiles, **dict(zip(FIELDS, values, strict=True))}
    return pa.table(columns)


def name_entities(table: pa.Table, form: IdForm) -> pa.Table:
    """Return a table in which entities are named as the form says."""
    if form is IdForm.NUMBERS:
        return table
    for place, name in enumerate(table.column_names):
        if name in KINDS:
            numbers = table[name].combine_chunks().dictionary_encode()
            texts = [text_of(KINDS[name], one) for one in numbers.dictionary.to_pylist()]
            table = table.set_column(place, name, pa.array(texts).take(numbers.indices))
    return table


def load_file(store: Store, kind: str, table: pa.Table, path: Path) -> float:
    """Load a file as the command does it, and return facts per second of CPU."""
    write: Callable[[pa.Table, Path], None] = (
        pq.write_table if path.suffix == ".parquet" else pc.write_csv
    )
    write(table, path)
    mapping = path.with_name("mapping.yaml")
    mapping.write_text(MAPPINGS[kind])
    began = time.process_time()
    loaded = load_mapping(mapping, kind)
    plan = make_plan([path], loaded, store.registry(), stream=None, known_at=None)
    report = Loader(store, plan, now_micros=now_micros).load(None, lambda _bytes: None)
    took = time.process_time() - began
    assert report.refused == 0, report  # noqa: S101 - the same work
    return report.facts / took


def send(store: Store, kind: str, table: pa.Table, path: Path) -> float:
    """Take the bytes of a chunk as the service does, and return facts per second of CPU."""
    del path
    stream = kind
    newest = store.newest_chunk(stream)
    records = [record for row in table.to_pylist() for record in RECORDS[kind](row)]
    request = ingest_pb2.IngestRequest(
        stream=stream,
        source="benchmark",
        sequence=1 if newest is None else newest.sequence + 1,
    )
    taken = 0.0
    for first in range(0, len(records), Limits().chunk_records):
        del request.records[:]
        request.records.extend(records[first : first + Limits().chunk_records])
        content = request.SerializeToString()
        taker = ChunkTaker(store, Limits(), now_micros)
        began = time.process_time()
        taker.take(ingest_pb2.IngestRequest.FromString(content))
        taken += time.process_time() - began
        request.sequence += 1
    return len(records) / taken


def event_records(row: Mapping[str, Any]) -> Sequence[ingest_pb2.Record]:
    """Return the record of an event."""
    record = at_moment(row)
    record.event.event_id, record.event.value = row["event"], row["share"]
    record.event.kind = timetravel_pb2.EVENT_KIND_PLAY
    name_entity(record.event, "profile", row["profile"])
    name_entity(record.event, "video", row["film"])
    return [record]


def attribute_records(row: Mapping[str, Any]) -> Sequence[ingest_pb2.Record]:
    """Return the records of a profile's attributes."""
    records = [at_moment(row) for _ in range(3)]
    for record, name in zip(records, ("country", "plan", "joined"), strict=True):
        record.attribute.name = name
        record.attribute.kind = timetravel_pb2.ENTITY_KIND_PROFILE
        if name == "joined":
            record.attribute.value.integer = row[name]
        else:
            record.attribute.value.text = row[name]
        name_entity(record.attribute, "entity", row["profile"])
    return records


def feature_records(row: Mapping[str, Any]) -> Sequence[ingest_pb2.Record]:
    """Return the record of a vector."""
    record = at_moment(row)
    record.feature.group = "vectors"
    record.feature.values.extend(row[field] for field in FIELDS)
    name_entity(record.feature, "entity", row["profile"])
    return [record]


RECORDS: Final = {
    "events": event_records,
    "attributes": attribute_records,
    "features": feature_records,
}


def at_moment(row: Mapping[str, Any]) -> ingest_pb2.Record:
    """Return a record that holds nothing but its moments."""
    moment = encode_timestamp(row["at"])
    return ingest_pb2.Record(op=timetravel_pb2.OP_ASSERT, valid_from=moment, known_at=moment)


def name_entity(message: object, field: str, name: int | str) -> None:
    """Set the number of an entity, or its text."""
    setattr(message, f"{field}_external_id" if isinstance(name, str) else f"{field}_id", name)


def compare_pages(folder: Path, pages: int) -> None:
    """Make the same pages of members with numbers and with texts, and print the costs."""
    stores = {form: live(folder / form.name, form) for form in FORMS}
    drawn = draw(stores[IdForm.NUMBERS], pages, members=22)
    measured = {
        form: Measured(InProcessAssembler(SegmentReader(store.segment(store.snapshot()))))
        for form, store in stores.items()
    }
    for first in range(0, len(drawn), BATCH_PAGES):
        batch = drawn[first : first + BATCH_PAGES]
        for form in FORMS[:: -1 if first // BATCH_PAGES % 2 else 1]:
            asked = [
                (number_of(profile_id, form), moment, device)
                for profile_id, moment, device in batch
            ]
            measured[form].make(PageRequests.of(asked), counts=first > 0)
    numbers, texts = (measured[form].micros_per_page for form in FORMS)
    print(f"{'us of CPU per page':32}{'numbers':>12}{'texts':>12}{'speed':>9}")
    title = f"{len(drawn):,} pages of {PLAN.videos:,} titles"
    print(f"{title:32}{numbers:>12,.0f}{texts:>12,.0f}{numbers / texts:>8.0%}")
    for store in stores.values():
        store.close()


def live(folder: Path, form: IdForm) -> Store:
    """Return a store in which the world has been lived."""
    folder.mkdir()
    generate_world(PLAN, folder / "world", ids=form)
    url = f"sqlite:///{folder / 'store.db'}"
    upgrade(url)
    store = Store.open(url)
    live_forward(open_world(folder / "world"), store)
    return store


def number_of(profile_id: int, form: IdForm) -> int:
    """Return the number that a profile has in a store with numbers, or with texts."""
    if form is IdForm.NUMBERS:
        return profile_id
    return hash_id(EntityKind.PROFILE, text_of(EntityKind.PROFILE, profile_id))


def now_micros() -> int:
    """Return what the clock says."""
    return time.time_ns() // 1_000


if __name__ == "__main__":
    main()
