"""Files are loaded once, in chunks, and gone on with after any interruption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.ingest.files.parquet_file import ParquetFile
from tests.support.facts.ingest_service import NOW
from timetravel.database.chunks import Chunk
from timetravel.database.engine import writing
from timetravel.errors import StreamMismatch
from timetravel.facts.model import EntityKind
from timetravel.writing.tombstones import note_erased

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.experiments.ingest.conftest import Load
    from timetravel.store import Store

PLAYS = """
source: test
event_id: id
profile_id: profile
event_at: at
known_at: at
kind: {constant: play}
video_id: film
value: share
"""


def write_plays(path: Path, begin: int, end: int, *, wrong: tuple[int, ...] = ()) -> Path:
    """Write plays with some of them wrong; every seventh line is not even a record."""
    lines = ["id,profile,at,film,share"]
    for number in range(begin, end):
        share = "much" if number in wrong else "0.5"
        more = ",more" if number % 7 == 3 else ""
        lines.append(f"e{number},{number % 5},2024-03-04T12:00:00Z,{number},{share}{more}")
    path.write_text("\n".join(lines) + "\n")
    return path


class StoppedError(Exception):
    """Stands for whatever stops a load."""


def stopping_after(chunks: int) -> Callable[[int], None]:
    """Return an `advance` that stops the load after some chunks."""
    seen = 0

    def advance(_bytes: int) -> None:
        nonlocal seen
        seen += 1
        if seen == chunks:
            raise StoppedError

    return advance


def test_a_load_that_was_stopped_goes_on_and_ends_as_one_that_was_not(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store]
) -> None:
    wrong = (5, 99, 100, 230, 399)
    files = [
        write_plays(Path("first.csv"), 0, 250, wrong=wrong),
        write_plays(Path("second.csv"), 250, 400, wrong=wrong),
    ]
    undisturbed, disturbed = new_store(), new_store()
    whole = load_into(undisturbed)(
        files,
        "events",
        PLAYS,
        stream="plays",
        rejects=Path("whole.jsonl"),
        records_per_chunk=30,
    )
    load = load_into(disturbed)
    for chunks in (1, 1, 4, 3):
        with pytest.raises(StoppedError):
            load(
                files,
                "events",
                PLAYS,
                stream="plays",
                rejects=Path("parts.jsonl"),
                records_per_chunk=30,
                advance=stopping_after(chunks),
            )
        # What was noted after the last chunk was never committed.
        with Path("parts.jsonl").open("a") as file:
            file.write('{"half a line')
    parts = load(
        files,
        "events",
        PLAYS,
        stream="plays",
        rejects=Path("parts.jsonl"),
        records_per_chunk=30,
    )
    assert not whole.went_on
    assert parts.went_on
    for report in (whole, parts):
        assert (report.records, report.refused) == (400, 57 + len(wrong))
        assert report.facts == report.records - report.refused
    assert disturbed.digest() == undisturbed.digest()
    assert Path("parts.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()
    told = [json.loads(line) for line in Path("whole.jsonl").read_text().splitlines()]
    assert len(told) == whole.refused
    assert told == sorted(told, key=lambda one: (one["file"], one["line"]))


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_every_format_is_gone_on_with(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store], suffix: str
) -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"e{n}", "profile": 1, "at": "2024-03-04T12:00:00Z", "film": n, "share": 0.5}
        for n in range(100)
    ]
    path = Path(f"plays.{suffix}")
    if suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=13)
    undisturbed, disturbed = new_store(), new_store()
    load_into(undisturbed)([path], "events", PLAYS, records_per_chunk=20)
    load = load_into(disturbed)
    for chunks in (1, 3):
        with pytest.raises(StoppedError):
            load([path], "events", PLAYS, records_per_chunk=20, advance=stopping_after(chunks))
    assert load([path], "events", PLAYS, records_per_chunk=20).facts == 100
    assert disturbed.digest() == undisturbed.digest()


def test_a_load_that_is_done_changes_nothing_when_it_is_run_again(
    load: Load, store: Store
) -> None:
    files = [write_plays(Path("plays.csv"), 0, 50, wrong=(7,))]
    first = load(files, "events", PLAYS)
    snapshot = store.snapshot()
    again = load(files, "events", PLAYS)
    assert (again.records, again.facts, again.refused) == (
        first.records,
        first.facts,
        first.refused,
    )
    assert again.went_on
    assert store.snapshot() == snapshot == first.snapshot


def test_a_stream_whose_files_or_mapping_changed_is_refused(load: Load, store: Store) -> None:
    path = write_plays(Path("plays.csv"), 0, 50)
    load([path], "events", PLAYS, stream="plays")
    snapshot = store.snapshot()
    with pytest.raises(StreamMismatch, match="mapping"):
        load([path], "events", PLAYS + "synthetic: true\n", stream="plays")
    with pytest.raises(StreamMismatch, match="mapping"):
        load([path], "events", PLAYS, stream="plays", known_at="ingest-time")
    write_plays(path, 0, 51)
    with pytest.raises(StreamMismatch, match="files have changed"):
        load([path], "events", PLAYS, stream="plays")
    assert store.snapshot() == snapshot
    # Without a name it is another stream.
    assert not load([path], "events", PLAYS).went_on


def test_a_stream_of_another_sender_is_refused(load: Load, store: Store) -> None:
    with store.begin(0) as writer:
        writer.note_chunk(Chunk("plays", 1, "x", 0, 1, "100"))
    with pytest.raises(StreamMismatch, match="another sender"):
        load([write_plays(Path("plays.csv"), 0, 5)], "events", PLAYS, stream="plays")


def test_of_two_loads_of_one_stream_at_once_one_is_refused(load: Load, store: Store) -> None:
    path = write_plays(Path("plays.csv"), 0, 50)

    def interfere(_bytes: int) -> None:
        newest = store.newest_chunk("plays")
        assert newest is not None
        with store.begin(0) as writer:
            writer.note_chunk(Chunk("plays", newest.sequence + 1, "x", 0, 1, newest.bookmark))

    with pytest.raises(StreamMismatch, match="at the same time"):
        load([path], "events", PLAYS, stream="plays", records_per_chunk=10, advance=interfere)
    assert store.count_facts()["events"] < 10


def test_a_dry_run_checks_everything_and_writes_nothing(load: Load, store: Store) -> None:
    path = write_plays(Path("plays.csv"), 0, 50, wrong=(8,))
    digest = store.digest()
    report = load([path], "events", PLAYS, is_dry=True, rejects=Path("rejects.jsonl"))
    assert (report.records, report.facts, report.refused) == (50, 42, 8)
    assert len(Path("rejects.jsonl").read_text().splitlines()) == 8
    assert store.digest() == digest
    assert not load([path], "events", PLAYS).went_on


def test_a_dry_run_knows_the_group_that_a_load_would_register(load: Load, store: Store) -> None:
    mapping = """
group: {name: fame, entity_kind: video}
entity_id: film
valid_from: at
known_at: at
values: {views: share}
"""
    path = write_plays(Path("plays.csv"), 0, 3)
    assert load([path], "features", mapping, is_dry=True).facts == 3
    assert "fame" not in store.as_of().feature_groups()
    assert load([path], "features", mapping).facts == 3
    assert store.as_of().features("fame", [2], NOW).values.tolist() == [[0.5]]


@pytest.mark.parametrize("records_per_chunk", [1, 2, 3, 100])
def test_of_records_that_cannot_both_be_the_first_is_taken_wherever_chunks_end(
    load: Load, store: Store, records_per_chunk: int
) -> None:
    path = write_plays(Path("plays.csv"), 0, 3)
    with path.open("a") as file:
        file.write("e1,1,2024-03-04T12:00:00Z,1,0.75\ne2,2,2024-03-04T12:00:00Z,2,0.5\n")
    report = load([path], "events", PLAYS, records_per_chunk=records_per_chunk)
    assert [(one.line, one.field) for one in report.first_refused] == [(5, "known_at")]
    assert report.refused == 1
    assert store.as_of().history([1], [NOW]).values.tolist() == [0.5]
    again = load([path], "events", PLAYS, stream="again")
    assert (again.records, again.refused) == (5, 1)


def test_features_that_cannot_both_be_are_told(load: Load, store: Store) -> None:
    Path("taste.csv").write_text(
        "id,at,a,b\n"
        "1,2024-03-04T12:00:00Z,1,2\n"
        "2,2024-03-04T12:00:00Z,1,\n"
        "1,2024-03-04T12:00:00Z,1,\n"
        "2,2024-03-04T12:00:00Z,1,NaN\n"
    )
    mapping = (
        "group: profile_taste\nentity_id: id\nvalid_from: at\nknown_at: at\nvalues: [a, b]\n"
    )
    for is_dry in (True, False):
        report = load([Path("taste.csv")], "features", mapping, is_dry=is_dry)
        assert [one.line for one in report.first_refused] == [4]
    values = store.as_of().features("profile_taste", [1, 2], NOW).values
    assert np.array_equal(values, np.array([[1, 2], [1, np.nan]]), equal_nan=True)


def test_a_row_of_many_facts_is_refused_whole_if_one_contradicts(load: Load) -> None:
    Path("films.csv").write_text(
        "id,at,title,year,maturity\n"
        "1,2024-03-04T12:00:00Z,A,1990,1\n"
        "1,2024-03-04T12:00:00Z,A,1991,2\n"
        "1,2024-03-04T12:00:00Z,A,1990,2\n"
        "1,2024-03-04T12:00:00Z,A,1990,1\n"
    )
    mapping = """
entity_kind: {constant: video}
entity_id: id
valid_from: at
known_at: at
values: {title: title, year: year, maturity: maturity}
"""
    for is_dry in (True, False):
        report = load([Path("films.csv")], "attributes", mapping, is_dry=is_dry)
        assert [one.line for one in report.first_refused] == [3, 4]
        assert (report.facts, report.refused) == (6, 2)


def test_facts_about_an_erased_profile_are_refused_and_the_others_taken(
    load: Load, store: Store
) -> None:
    load([write_plays(Path("some.csv"), 0, 10)], "events", PLAYS)
    with writing(store._engine) as connection:
        note_erased(connection, [2], 1)
    report = load([write_plays(Path("more.csv"), 20, 40)], "events", PLAYS)
    erased = [one for one in report.first_refused if one.field]
    assert [one.line for one in erased] == [4, 9, 14, 19]
    assert report.facts == 20 - 3 - 4


def test_the_moment_of_ingest_can_be_said_to_be_the_moment_of_knowledge(
    load: Load, store: Store
) -> None:
    path = write_plays(Path("plays.csv"), 0, 2)
    load([path], "events", PLAYS, known_at="ingest-time")
    assert store.as_of().history([1], NOW).newest_known_at.tolist() == [NOW]
    assert store.as_of().history([1], NOW - 1).video_ids.tolist() == []


def test_a_column_takes_the_place_of_the_mappings_known_at(load: Load, store: Store) -> None:
    Path("plays.csv").write_text(
        "id,profile,at,film,share,loaded\ne,1,2024-03-04T12:00:00Z,7,0.5,1709640000\n"
    )
    mapping = PLAYS.replace("known_at: at", "known_at: {column: at, unit: seconds}")
    assert load([Path("plays.csv")], "events", mapping, known_at="loaded").refused == 0
    known = store.as_of().history([1], NOW).newest_known_at
    assert known.tolist() == [1_709_640_000_000_000]


def test_records_say_absent_and_retract(load: Load, store: Store) -> None:
    Path("names.csv").write_text(
        "film,title,at,what\n"
        "1,Alien,2024-01-01T00:00:00Z,I\n"
        "1,ignored,2024-01-02T00:00:00Z,D\n"
        "2,Brazil,2024-01-01T00:00:00Z,I\n"
        "2,Brasil,2024-01-02T00:00:00Z,I\n"
        "3,Cube,2024-01-01T00:00:00Z,what\n"
    )
    mapping = """
entity_kind: {constant: video}
entity_id: film
valid_from: at
known_at: at
op: {column: what, values: {I: assert, D: absent, X: retract}}
values: {title: title}
"""
    report = load([Path("names.csv")], "attributes", mapping)
    assert [(one.line, one.field) for one in report.first_refused] == [(6, "op")]
    Path("again.csv").write_text(
        "film,title,at,what,later\n2,,2024-01-02T00:00:00Z,X,2024-01-03T00:00:00Z\n"
    )
    load([Path("again.csv")], "attributes", mapping, known_at="later")
    reader = store.as_of()
    titles = reader.attributes(EntityKind.VIDEO, [1, 2], NOW, ["title"]).columns["title"]
    assert titles == [None, "Brazil"]


def test_memory_holds_a_chunk_and_not_the_file(load: Load) -> None:
    seen: list[int] = []
    path = write_plays(Path("plays.csv"), 0, 5_000)
    load([path], "events", PLAYS, records_per_chunk=1_000, advance=seen.append)
    assert len(seen) == 5
    assert sum(seen) == path.stat().st_size


def test_a_parquet_file_is_held_a_few_row_groups_at_a_time(tmp_path: Path) -> None:
    path, rows, groups = tmp_path / "vectors.parquet", 10_000, 60
    values = np.random.default_rng(0).random(rows * groups)
    pq.write_table(pa.table({"value": values}), path, row_group_size=rows)
    before = pa.total_allocated_bytes()
    slices = ParquetFile(path).read(["value"], 0, rows)
    held = [pa.total_allocated_bytes() - before for _ in slices]
    assert len(held) == groups
    assert max(held) < values.nbytes / 5
