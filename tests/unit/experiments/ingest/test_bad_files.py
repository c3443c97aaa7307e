"""What is wrong in a file is told with its line; the rest of the file is taken."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import InvalidInput
from experiments.errors import DataNotFound, InvalidMapping, UnreadableData

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.experiments.ingest.conftest import Load
    from timetravel.store import Store

SQL = "'); DROP TABLE event_fact; --"
EVENTS = """
event_id: id
profile_id: profile
event_at: at
known_at: seen
kind: what
video_id: film
value: value
"""
EVENT: dict[str, Any] = {
    "id": "e",
    "profile": 1,
    "at": "2024-03-04T12:00:00Z",
    "seen": "2024-03-04T12:00:01Z",
    "what": "rating",
    "film": 7,
    "value": 4.5,
}
TASTE = """
group: profile_taste
entity_id: id
valid_from: at
known_at: at
values: [a, b]
"""
VECTOR: dict[str, Any] = {"id": 1, "at": "2024-03-04T12:00:00Z", "a": 0.5, "b": 0.25}
LICENCES = """
window_id: id
video_id: film
country: country
valid_from: begins
valid_to: ends
known_at: begins
"""
LICENCE: dict[str, Any] = {
    "id": "w",
    "film": 7,
    "country": "NZ",
    "begins": "2024-03-04T12:00:00Z",
    "ends": "2025-03-04T12:00:00Z",
}
KINDS = {
    "events": (EVENTS, EVENT),
    "features": (TASTE, VECTOR),
    "availability": (LICENCES, LICENCE),
}

WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("events", {"profile": "one"}, "profile_id", "not a whole number"),
    ("events", {"profile": SQL}, "profile_id", "not a whole number"),
    ("events", {"profile": -1}, "profile_id", "Ids lie between"),
    ("events", {"profile": 2**63}, "profile_id", "Ids lie between"),
    ("events", {"film": "1.5"}, "video_id", "not a whole number"),
    ("events", {"id": ""}, "event_id", "Nothing stands here"),
    ("events", {"id": "x" * 600}, "event_id", "longer than 512"),
    ("events", {"what": "dance"}, "kind", "none of the words"),
    ("events", {"value": "NaN"}, "value", "not a finite number"),
    ("events", {"value": "1e300"}, "value", "float32"),
    ("events", {"value": 0}, "value", "0.5 to 5 stars"),
    ("events", {"value": 10}, "value", "0.5 to 5 stars"),
    ("events", {"what": "play", "value": 5}, "value", "share watched"),
    ("events", {"what": "thumb", "value": 0}, "value", "1 or -1"),
    ("events", {"what": "list", "value": 2}, "value", "1 or 0"),
    ("events", {"what": "impression"}, "value", "no value"),
    ("events", {"at": "2024-03-04T12:00:00"}, "event_at", "no time zone"),
    ("events", {"at": "2024-13-04T12:00:00Z"}, "event_at", "not a moment"),
    ("events", {"at": "2124-03-04T12:00:00Z"}, "event_at", "in the future"),
    ("events", {"seen": "2124-03-04T12:00:00Z"}, "known_at", "in the future"),
    ("events", {"seen": "1824-03-04T12:00:00Z"}, "known_at", "1900"),
    ("features", {"a": "Infinity"}, "values.a", "not a finite number"),
    ("features", {"a": "1e39"}, "values.a", "within float32"),
    ("features", {"b": "lots"}, "values.b", "not a finite number"),
    ("features", {"at": "2300-01-01T00:00:00Z"}, "valid_from", "2200"),
    ("availability", {"country": " "}, "country", "without spaces around it"),
    ("availability", {"country": "NZ "}, "country", "without spaces around it"),
    ("availability", {"ends": "2024-03-04T12:00:00Z"}, "valid_to", "ends at"),
    ("availability", {"ends": "2023-03-04T12:00:00Z"}, "valid_to", "ends at"),
]


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    """Write records in the format that the file's name says; Parquet as text throughout."""
    match path.suffix:
        case ".csv":
            lines = [",".join(records[0])]
            lines += [",".join(str(value) for value in record.values()) for record in records]
            path.write_text("\n".join(lines) + "\n")
        case ".jsonl":
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        case _:
            texts = [{key: str(value) for key, value in one.items()} for one in records]
            pq.write_table(pa.Table.from_pylist(texts), path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("kind", "changed", "field", "rule"), WRONG)
def test_a_bad_record_is_refused_by_name_and_the_others_are_taken(
    load: Load,
    store: Store,
    kind: str,
    changed: dict[str, Any],
    field: str,
    rule: str,
    suffix: str,
) -> None:
    mapping, right = KINDS[kind]
    other = {"id": 2 if kind == "features" else "other"}
    records = [right, {**right, **changed}, {**right, **other}]
    path = write(Path(f"data.{suffix}"), records)
    report = load([path], kind, mapping)
    assert (report.records, report.facts, report.refused) == (3, 2, 1)
    told = {refused.field: refused for refused in report.first_refused}
    assert field in told
    assert rule in told[field].rule
    assert told[field].remedy
    assert told[field].line == (3 if suffix == "csv" else 2)
    assert sum(store.count_facts().values()) == 2


@pytest.mark.parametrize(
    ("column", "field", "rule"),
    [
        (pa.array([2.0**24], pa.float32()), "profile_id", "A float32 holds"),
        (pa.array([2.0**53]), "profile_id", "exactly below"),
        (pa.array([float(2**53 + 1)]), "profile_id", "exactly below"),
        (pa.array([2**63], pa.uint64()), "profile_id", "Ids lie between"),
        (pa.array([1_709_553_630.0], pa.float32()), "event_at", "A float32 holds"),
        (pa.array([1_709_553_630_000.0], pa.float32()), "known_at", "A float32 holds"),
        (pa.array([1], pa.duration("us")), "event_at", "not a type that is read"),
        (pa.array([math.nan]), "event_id", "not text"),
        (pa.array([math.inf], pa.float32()), "event_id", "not text"),
        (pa.array([[7]]), "event_id", "not text"),
        (pa.array([Decimal("7.50")]), "event_id", "not text"),
        (pa.array([None], pa.int64()), "event_id", "Nothing stands here"),
    ],
)
def test_a_cell_that_may_be_another_number_is_refused(
    load: Load, column: pa.Array, field: str, rule: str
) -> None:
    mapping = """
event_id: {columns: [id, film]}
profile_id: profile
event_at: {column: at, unit: seconds}
known_at: {column: seen, unit: seconds}
kind: {constant: play}
video_id: film
"""
    right: dict[str, Any] = {"id": "e", "profile": 1, "at": 1_709_553_600, "film": 7}
    table = pa.table({name: [value] for name, value in {**right, "seen": right["at"]}.items()})
    name = {"event_id": "id", "profile_id": "profile", "event_at": "at", "known_at": "seen"}[
        field
    ]
    at = table.column_names.index(name)
    pq.write_table(table.set_column(at, name, column), "data.parquet")
    report = load([Path("data.parquet")], "events", mapping)
    assert report.facts == 0
    assert [(one.field, rule in one.rule) for one in report.first_refused] == [(field, True)]


def test_an_id_of_several_columns_has_all_of_them_whatever_their_types(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store]
) -> None:
    """A decimal is how warehouses write whole numbers."""
    mapping = EVENTS.replace("event_id: id", "event_id: {columns: [profile, film, at]}")
    digests = set()
    for kind in (pa.int64(), pa.uint64(), pa.string(), pa.decimal128(38), pa.decimal256(50)):
        table = pa.Table.from_pylist([{**EVENT, "film": film} for film in (7, 8)])
        for name in ("profile", "film"):
            cells = table[name].to_pylist()
            cast = [str(cell) if kind == pa.string() else cell for cell in cells]
            place = table.column_names.index(name)
            table = table.set_column(place, name, pa.array(cast, kind))
        pq.write_table(table, "data.parquet")
        store = new_store()
        report = load_into(store)([Path("data.parquet")], "events", f"{mapping}source: test\n")
        assert (report.facts, report.refused) == (2, 0)
        digests.add(store.digest())
    assert len(digests) == 1


@pytest.mark.parametrize("op", ["absent", "retract"])
@pytest.mark.parametrize("size", [1, 100])
def test_the_value_of_an_event_that_is_not_asserted_is_not_read(
    load: Load, op: str, size: int
) -> None:
    records = [{**EVENT, "op": op, "value": value} for value in (4.5, 9, "n/a", None)]
    path = write(Path("data.jsonl"), records)
    report = load([path], "events", f"{EVENTS}op: op\n", records_per_chunk=size)
    assert (report.facts, report.refused) == (4, 0)


def test_a_file_says_the_same_in_every_format(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store]
) -> None:
    events = [
        {**EVENT, "id": f"e{n}", "film": n, "what": "play", "value": 0.5} for n in range(250)
    ]
    vectors = [{**VECTOR, "id": n, "a": n / 7} for n in range(250)]
    digests = set()
    for suffix in ("csv", "jsonl", "parquet"):
        store = new_store()
        load = load_into(store)
        path = write(Path(f"events.{suffix}"), events)
        assert load([path], "events", f"{EVENTS}source: test\n").facts == 250
        path = write(Path(f"taste.{suffix}"), vectors)
        assert load([path], "features", f"{TASTE}source: test\n").facts == 250
        digests.add(store.digest())
    assert len(digests) == 1


def test_text_that_is_sql_is_kept_as_text(load: Load, store: Store) -> None:
    path = write(Path("events.jsonl"), [{**EVENT, "id": SQL}])
    assert load([path], "events", EVENTS).facts == 1
    assert store.count_facts()["events"] == 1


def test_lines_are_those_of_the_file_whatever_stands_between(load: Load) -> None:
    rows = [
        "id,profile,at,seen,what,film,value",
        'a,1,2024-03-04T12:00:00Z,2024-03-04T12:00:01Z,"rat\ning",7,1',
        "",
        "b,1,2024-03-04T12:00:00Z,2024-03-04T12:00:01Z,rating,7",
        "c,1,2024-03-04T12:00:00Z,2024-03-04T12:00:01Z,rating,7,1",
        "d,1,2024-03-04T12:00:00Z,2024-03-04T12:00:01Z,rating,7,1,1",
        '"e\n\n",x,2024-03-04T12:00:00Z,2024-03-04T12:00:01Z,rating,7,1',
        "f,x,2024-03-04T12:00:00Z,2024-03-04T12:00:01Z,rating,7,1",
    ]
    Path("events.csv").write_text("\n".join(rows), encoding="utf-8-sig")
    report = load([Path("events.csv")], "events", EVENTS)
    assert [(one.line, one.field) for one in report.first_refused] == [
        (2, "kind"),
        (5, ""),
        (7, ""),
        (8, "profile_id"),
        (11, "profile_id"),
    ]
    assert (report.records, report.facts, report.refused) == (6, 1, 5)


def test_cells_that_are_not_utf8_are_refused_with_their_lines(load: Load) -> None:
    right = ",1,2024-03-04T12:00:00Z,2024-03-04T12:00:01Z,rating,7,1\n"
    lines = ["id,profile,at,seen,what,film,value\n", f"a{right}", f"\xff{right}", f"c{right}"]
    Path("events.csv").write_bytes("".join(lines).encode("latin-1"))
    report = load([Path("events.csv")], "events", EVENTS)
    (refused,) = report.first_refused
    assert (refused.line, refused.field, refused.rule) == (3, "event_id", "This is not UTF-8.")
    assert report.facts == 2


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"id": NaN}', "NaN"),
        (b'{"id": 1, "id": 2}', "'id' twice"),
        (b'{"id": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "no JSON|nested too deep"),
        (b'{"id": ' + b"9" * 5000 + b"}", "too long"),
        (b'{"id": "' + b"x" * (17 << 20) + b'"}', "longer than"),
    ],
)
def test_a_line_that_is_no_record_is_refused(load: Load, line: bytes, rule: str) -> None:
    right = json.dumps(EVENT).encode()
    Path("events.jsonl").write_bytes(b"\n".join([right, line, b"", right, b""]))
    report = load([Path("events.jsonl")], "events", EVENTS)
    (refused,) = report.first_refused
    assert refused.line == 2
    assert any(one in refused.rule for one in rule.split("|"))
    assert (report.records, report.facts, report.refused) == (3, 2, 1)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", "it is empty"),
        ("quotes.csv", b'"id" x,at\n1,2\n', "text follows a closing quote"),
        ("data.parquet", b"id\n", "as Parquet"),
        ("data.xlsx", b"PK", "not a format that is read"),
        ("latin.csv", b"\xff,id\n", "header is not UTF-8"),
    ],
)
def test_a_file_that_is_not_of_its_format_is_refused(
    load: Load, name: str, content: bytes, words: str
) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(UnreadableData, match=words):
        load([Path(name)], "events", EVENTS)


def test_a_file_that_is_not_there_is_named(load: Load) -> None:
    with pytest.raises(DataNotFound, match=r"none\.csv"):
        load([Path("none.csv")], "events", EVENTS)


def test_a_file_with_nothing_but_a_header_has_no_records(load: Load) -> None:
    Path("events.csv").write_text("id,profile,at,seen,what,film,value\n")
    assert load([Path("events.csv")], "events", EVENTS).records == 0


def test_columns_that_a_file_lacks_are_told_with_the_mappings_lines(load: Load) -> None:
    Path("events.csv").write_text("id,profil,at,seen,what,film\n")
    with pytest.raises(InvalidMapping) as refused:
        load([Path("events.csv")], "events", EVENTS)
    told = str(refused.value)
    assert "mapping.yaml:3: profile_id.column: events.csv has no column 'profile'" in told
    assert "mapping.yaml:8: value.column" in told
    assert "'profil'" in told


@pytest.mark.parametrize(
    ("kind", "mapping", "words"),
    [
        ("events", EVENTS.replace("event_id: id\n", ""), ["event_id", "missing"]),
        ("events", EVENTS + "valeu: x\n", [":9: valeu", "'value'"]),
        ("events", EVENTS + "time_zone: Mars/Base\n", [":9: time_zone", "not a time zone"]),
        ("events", EVENTS + "time_zone: localtime\n", [":9: time_zone", "not a time zone"]),
        ("events", EVENTS + "op: {values: {}}\n", [":9: op", "Nothing says where"]),
        (
            "events",
            EVENTS.replace("film\n", "{column: film, constant: 3}\n"),
            [":7: video_id", "both say"],
        ),
        (
            "events",
            EVENTS.replace("event_at: at", "event_at: {column: at, unit: days}"),
            [":4: event_at.unit", "seconds"],
        ),
        ("features", TASTE.replace("profile_taste", "tast"), ["group", "profile_taste"]),
        ("features", TASTE.replace("[a, b]", "[a, c]"), [":6: values", "no field 'c'"]),
        ("features", TASTE + "vector: v\n", ["values, or from a vector"]),
        (
            "features",
            TASTE.replace("profile_taste", "{name: profile_taste, schema_version: 9}"),
            ["schema version 9"],
        ),
        ("documents", "- x\n", ["mapping of keys"]),
        ("documents", "", ["empty", "docs/ingest.md"]),
    ],
)
def test_mistakes_of_a_mapping_are_told_with_their_lines(
    load: Load, kind: str, mapping: str, words: list[str]
) -> None:
    path = write(Path("data.csv"), [{**KINDS.get(kind, ("", EVENT))[1], "c": 1}])
    with pytest.raises(InvalidMapping) as refused:
        load([path], kind, mapping)
    for word in words:
        assert word in str(refused.value)


def test_every_mistake_of_a_mapping_is_told_at_once(load: Load) -> None:
    path = write(Path("data.csv"), [EVENT])
    wrong = EVENTS.replace("kind: what", "kind: [what]").replace("event_at: at", "event_at: 7")
    with pytest.raises(InvalidMapping, match="There are 3 mistakes"):
        load([path], "events", wrong + "csv: {delimiter: ';;'}\n")


def test_when_facts_became_known_is_not_guessed(load: Load) -> None:
    path = write(Path("data.csv"), [EVENT])
    with pytest.raises(InvalidInput, match="--known-at COLUMN"):
        load([path], "events", EVENTS.replace("known_at: seen\n", ""))
