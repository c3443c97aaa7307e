"""Everything that is wrong with a record is named; nothing of its chunk is taken."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pagesim.ingest.v1 import ingest_pb2
from pagesim.timetravel.v1 import timetravel_pb2

from tests.support.facts.dirty_facts import TASTE
from tests.support.facts.ingest_service import NOW, PAST, chunk, page_bytes, taste
from timetravel.database.engine import writing
from timetravel.errors import InvalidChunk
from timetravel.facts.model import EntityKind, FeatureGroup
from timetravel.ingest.limits import Limits
from timetravel.ingest.stream.chunks import ChunkTaker
from timetravel.writing.tombstones import note_erased

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from timetravel.store import Store

SECONDS = NOW // 1_000_000
SQL = "'); DROP TABLE feature_fact; --"
LIMITS = Limits(vector_fields=20, text_bytes=60, json_bytes=500, json_depth=4)


def at(seconds: int, nanos: int = 0) -> Timestamp:
    return Timestamp(seconds=seconds, nanos=nanos)


def record(
    kind: str, values: dict[str, Any], *, op: int = 1, **times: Timestamp
) -> ingest_pb2.Record:
    made = ingest_pb2.Record(valid_from=PAST, known_at=PAST, **{kind: values})  # type: ignore[arg-type]  # as given
    made.op = timetravel_pb2.Op.ValueType(op)
    for name, moment in times.items():
        getattr(made, name).CopyFrom(moment)
    return made


def event(**values: object) -> ingest_pb2.Record:
    right = {"event_id": "e", "profile_id": 1, "kind": 2, "video_id": 3, "value": 4.0}
    return record("event", {**right, **values})


def attribute(op: int = 1, **values: object) -> ingest_pb2.Record:
    right = {"kind": 2, "entity_id": 1, "name": "title", "value": {"text": "Alien"}}
    return record("attribute", {**right, **values}, op=op)


def licence(**values: object) -> ingest_pb2.Record:
    right = {"window_id": "w", "video_id": 1, "country": "NZ", "valid_to": at(SECONDS + 60)}
    return record("availability", {**right, **values})


def document(op: int = 1, **values: object) -> ingest_pb2.Record:
    right = {"collection": "model", "name": "m", "schema_version": 1, "body_json": "{}"}
    return record("document", {**right, **values}, op=op)


def logged_page(op: int = 1, **values: object) -> ingest_pb2.Record:
    right = {"profile_id": 1, "device": "tv", "context_json": "{}", "page": page_bytes()}
    return record("logged_page", {**right, **values}, op=op)


RIGHT: list[ingest_pb2.Record] = [
    taste(),
    taste(feature_values=[np.nan, 1.0]),
    taste(feature_values=[], feature_fields={"b": 0.5}),
    taste(feature_values=[], op=2),
    event(),
    event(kind=1, value=0.0),
    event(attribution={"shown_at": PAST, "row_id": "new", "position": 2}),
    attribute(),
    attribute(name="mood", value={"json": "null"}),
    attribute(name="mood", value={"integer": 2**62}),
    attribute(name="mood", value={"number": 0.5}),
    attribute(name="withdrawn", value={"boolean": False}),
    attribute(name="mood", value={"text": ""}),
    attribute(op=2, value=None),
    licence(),
    licence(valid_to=at(253_402_214_400)),
    document(),
    document(op=3, body_json=""),
    record("allocation", {"profile_id": 1, "test": "row-order", "cell": "B"}),
    record("allocation", {"profile_id": 1, "test": "row-order"}),
    logged_page(),
    logged_page(op=3, device="", context_json="", page=b""),
]

WRONG: dict[str, tuple[ingest_pb2.Record, str, str]] = {
    # what page services read
    "withdrawn perhaps": (
        attribute(name="withdrawn", value={"text": "perhaps"}),
        "attribute.value",
        "not true or false",
    ),
    "two genres in one text": (
        attribute(kind=1, name="blocked_genres", value={"text": "Drama|War"}),
        "attribute.value",
        "a list of texts",
    ),
    "stars of a hotel": (event(value=6.0), "event.value", "0.5 to 5 stars"),
    "percent": (event(kind=1, value=85.0), "event.value", "share watched"),
    # moments
    "no valid_from": (taste(valid_from=None), "valid_from", "Nothing is given"),
    "no known_at": (taste(known_at=None), "known_at", "Nothing is given"),
    "milliseconds as seconds": (
        taste(known_at=at(SECONDS * 1000)),
        "known_at",
        "outside the years 1 to 9999",
    ),
    "the year 2350": (taste(valid_from=at(12_000_000_000)), "valid_from", "2200"),
    "the year 1800": (taste(valid_from=at(-5_400_000_000)), "valid_from", "1900"),
    "no year": (taste(valid_from=at(2**62)), "valid_from", "outside the years"),
    "known in the future": (taste(known_at=at(SECONDS + 3600)), "known_at", "in the future"),
    "happened in the future": (
        record("event", {"event_id": "e"}, valid_from=at(SECONDS + 3600)),
        "valid_from",
        "in the future",
    ),
    "half a microsecond": (taste(known_at=at(1, 500)), "known_at", "whole microseconds"),
    "nanos of another second": (
        taste(known_at=at(1, 1_000_000_000)),
        "known_at",
        "do not lie within a second",
    ),
    "valid_to before valid_from": (
        licence(valid_to=at(SECONDS - 120)),
        "availability.valid_to",
        "ends at",
    ),
    "valid_to at valid_from": (licence(valid_to=PAST), "availability.valid_to", "ends at"),
    "country with a space": (
        licence(country="NZ "),
        "availability.country",
        "without spaces around it",
    ),
    "no valid_to": (licence(valid_to=None), "availability.valid_to", "Nothing is given"),
    # ops, kinds and what is missing
    "no op": (taste(op=0), "op", "no such number"),
    "unknown op": (taste(op=9), "op", "no such number"),
    "no fact": (ingest_pb2.Record(op=timetravel_pb2.OP_ASSERT), "fact", "Nothing is given"),
    "unknown entity kind": (attribute(kind=9), "attribute.kind", "no such number"),
    "no event kind": (event(kind=0), "event.kind", "no such number"),
    "retraction with a value": (attribute(op=3), "attribute.value", "RETRACT has no value"),
    "assertion without a value": (
        attribute(value=None),
        "attribute.value",
        "An asserted fact has a value",
    ),
    # features
    "unknown group": (taste(feature_group="unheard"), "feature.group", "no such feature group"),
    "SQL for a group": (taste(feature_group=SQL), "feature.group", "no such feature group"),
    "unknown schema version": (
        taste(feature_schema_version=7),
        "feature.schema_version",
        "no such schema version",
    ),
    "unknown field": (
        taste(feature_values=[], feature_fields={"a": 1.0, "c": 2.0}),
        "feature.fields",
        "no such field",
    ),
    "values and fields": (taste(feature_fields={"a": 1.0}), "feature.fields", "Both"),
    "a vector too short": (
        taste(feature_values=[1.0]),
        "feature.values",
        "1 values do not fit",
    ),
    "a vector too long": (
        taste(feature_values=[1.0] * 3),
        "feature.values",
        "3 values do not fit 2 fields",
    ),
    "an oversized vector": (
        taste(feature_values=[1.0] * 21),
        "feature.values",
        "21 values are more than 20",
    ),
    "infinity": (taste(feature_values=[1.0, np.inf]), "feature.values", "not finite"),
    "no values": (taste(feature_values=[]), "feature.values", "An asserted fact has a value"),
    "an absent vector": (taste(op=2), "feature.values", "ABSENT has no value"),
    "a negative id": (taste(feature_entity_id=-1), "feature.entity_id", "Ids lie between"),
    # text
    "no name": (attribute(name=""), "attribute.name", "Nothing is given"),
    "a null character": (attribute(name="a\0b"), "attribute.name", "no null characters"),
    "a long name": (attribute(name="x" * 61), "attribute.name", "longer than 60"),
    "a name of allocations": (attribute(name="allocation/x"), "attribute.name", "allocations"),
    "a long text": (
        attribute(value={"text": "x" * 501}),
        "attribute.value.text",
        "501 characters",
    ),
    # numbers
    "NaN as an event's value": (event(value=np.nan), "event.value", "finite number"),
    "infinity as an event's value": (event(value=np.inf), "event.value", "finite number"),
    "more than float32": (event(value=1e300), "event.value", "float32"),
    "NaN as an attribute": (
        attribute(value={"number": np.nan}),
        "attribute.value.number",
        "finite",
    ),
    "schema version 0": (document(schema_version=0), "document.schema_version", "from 1"),
    "schema version 2**32 - 1": (
        document(schema_version=2**32 - 1),
        "document.schema_version",
        "from 1",
    ),
    # JSON
    "no JSON": (attribute(value={"json": SQL}), "attribute.value.json", "is not JSON"),
    "NaN in JSON": (attribute(value={"json": "[NaN]"}), "attribute.value.json", "NaN"),
    "a huge number in JSON": (
        attribute(value={"json": "1e999"}),
        "attribute.value.json",
        "number '1e999'",
    ),
    "a long number in JSON": (
        attribute(value={"json": "9" * 450}),
        "attribute.value.json",
        "450 digits",
    ),
    "a key twice": (
        attribute(value={"json": '{"a": 1, "a": 2}'}),
        "attribute.value.json",
        "'a' twice",
    ),
    "half a surrogate pair": (
        attribute(value={"json": '"\\ud800"'}),
        "attribute.value.json",
        "not JSON",
    ),
    "deep JSON": (
        attribute(value={"json": "[" * 6 + "]" * 6}),
        "attribute.value.json",
        "nested more than 4",
    ),
    "bottomless JSON": (
        attribute(value={"json": "[" * 400}),
        "attribute.value.json",
        "is not JSON",
    ),
    "long JSON": (
        document(body_json='{"a": "' + "x" * 500 + '"}'),
        "document.body_json",
        "longer than 500 bytes",
    ),
    "a document that is a list": (
        document(body_json="[1]"),
        "document.body_json",
        "not an object",
    ),
    "a document without a body": (document(body_json=""), "document.body_json", "has a value"),
    # places and pages
    "a place without a row": (
        event(attribution={"shown_at": PAST}),
        "event.attribution.row_id",
        "Nothing is given",
    ),
    "a page that is none": (
        logged_page(page=b"\xff"),
        "logged_page.page",
        "not a pagesim.page",
    ),
    "another profile's page": (
        logged_page(page=page_bytes(profile_id=2)),
        "logged_page.page",
        "profile 2's",
    ),
    "a page with titles": (
        logged_page(page=page_bytes(rows=[{"videos": [{"title": "Alien"}]}])),
        "logged_page.page",
        "canonical",
    ),
    "a page with a row of no type": (
        logged_page(page=page_bytes(rows=[{"row_id": "new"}])),
        "logged_page.page",
        "Row 0 has type 0",
    ),
    "a page larger than its device": (
        logged_page(page=page_bytes(geometry={"rows": 1, "viewport_rows": 2})),
        "logged_page.page",
        "viewport",
    ),
    "logged features that do not divide": (
        logged_page(
            features=[
                {
                    "group": "taste",
                    "entity_ids": {"width_bytes": 1, "values": b"\1\2"},
                    "values": {"values": bytes(12)},
                }
            ]
        ),
        "logged_page.features.values",
        "3 values do not divide among 2 entities",
    ),
    "a page that was withdrawn": (logged_page(op=2), "logged_page.page", "ABSENT has no value"),
}


@pytest.fixture
def taker(store: Store) -> ChunkTaker:
    return ChunkTaker(store, LIMITS, lambda: NOW)


def mistakes_of(
    taker: ChunkTaker, records: Sequence[ingest_pb2.Record], sequence: int = 1
) -> InvalidChunk:
    with pytest.raises(InvalidChunk) as refused:
        taker.take(chunk(records=records, sequence=sequence))
    return refused.value


def test_what_is_right_is_taken(taker: ChunkTaker, store: Store) -> None:
    for sequence, one in enumerate(RIGHT, 1):
        record = ingest_pb2.Record()
        record.CopyFrom(one)
        record.known_at.seconds -= sequence  # several say different things of one key
        assert taker.take(chunk(records=[record], sequence=sequence)).records == 1
    counts = store.count_facts()
    assert sum(counts.values()) >= len(RIGHT)
    assert min(counts.values()) > 0


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_record_is_refused_by_name(taker: ChunkTaker, store: Store, name: str) -> None:
    wrong, field, rule = WRONG[name]
    before = store.digest()
    refused = mistakes_of(taker, [RIGHT[0], wrong])
    assert [mistake.index for mistake in refused.mistakes] == [1] * refused.total_mistakes
    told = {mistake.field: mistake for mistake in refused.mistakes}
    assert field in told
    assert rule in told[field].rule
    assert told[field].remedy
    assert store.digest() == before
    assert set(store.count_facts().values()) == {0}


def test_every_mistake_of_every_record_is_told(taker: ChunkTaker) -> None:
    worst = taste(
        op=0, known_at=None, feature_group="unheard", feature_values=[], feature_entity_id=-1
    )
    refused = mistakes_of(taker, [worst, RIGHT[0], event(kind=0, event_id="")])
    assert [(one.index, one.field) for one in refused.mistakes] == [
        (0, "op"),
        (0, "feature.entity_id"),
        (0, "known_at"),
        (0, "feature.group"),
        (0, "feature.values"),
        (2, "event.event_id"),
        (2, "event.kind"),
    ]
    assert refused.mistakes[3].value == "'unheard'"


def test_many_mistakes_are_counted_and_the_first_hundred_told(taker: ChunkTaker) -> None:
    refused = mistakes_of(taker, [taste(op=9)] * 250)
    assert refused.total_mistakes == 250
    assert [mistake.index for mistake in refused.mistakes] == list(range(100))
    assert "250 mistakes; the first, of record 0" in refused.problem


def test_a_shown_value_is_short(taker: ChunkTaker) -> None:
    refused = mistakes_of(taker, [attribute(name="x" * 100_000)])
    assert len(refused.mistakes[0].value) < 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (taste(), taste(feature_values=[1.0, 3.0])),
        (taste(), taste(feature_values=[], op=2)),
        (event(), event(value=5.0)),
        (event(), event(profile_id=2)),
        (attribute(), attribute(value={"text": "Aliens"})),
        (licence(), licence(country="DE")),
        (document(), document(body_json='{"a": 1}')),
        (logged_page(), logged_page(context_json='{"a": 1}')),
    ],
)
def test_a_record_that_contradicts_an_earlier_one_is_named_in_one_chunk_and_in_two(
    taker: ChunkTaker, one: ingest_pb2.Record, other: ingest_pb2.Record
) -> None:
    refused = mistakes_of(taker, [one, RIGHT[18], other, one])
    assert [mistake.index for mistake in refused.mistakes] == [2]
    assert "Record 0 has the same key" in refused.mistakes[0].rule
    taker.take(chunk(records=[one, one]))
    refused = mistakes_of(taker, [RIGHT[18], other], sequence=2)
    assert [mistake.index for mistake in refused.mistakes] == [1]
    assert "A fact in the store has the same key" in refused.mistakes[0].rule
    assert taker.take(chunk(records=[one], sequence=2)).records == 1


def test_records_about_an_erased_profile_are_all_named(taker: ChunkTaker, store: Store) -> None:
    with writing(store._engine) as connection:
        note_erased(connection, [1], 1)
    records = [taste(), taste(feature_entity_id=2), event(), attribute()]
    records.append(event(profile_id=3, event_id="other"))
    refused = mistakes_of(taker, records)
    assert [mistake.index for mistake in refused.mistakes] == [0, 2]
    assert "erased" in refused.mistakes[0].rule
    del records[2], records[0]
    assert taker.take(chunk(records=records)).records == 3


def test_a_record_that_comes_twice_is_taken_once(taker: ChunkTaker, store: Store) -> None:
    assert taker.take(chunk(records=[taste(), event(), taste(), event()])).records == 4
    counts = store.count_facts()
    assert (counts["features"], counts["events"]) == (1, 1)


def test_text_that_is_sql_is_kept_as_text(
    taker: ChunkTaker, store: Store, tmp_path: Path
) -> None:
    taker.take(chunk(records=[attribute(name=SQL), event(event_id=SQL), taste()]))
    assert store.as_of().catalogue(NOW, [SQL]).columns == {SQL: ["Alien"]}
    with sqlite3.connect(tmp_path / "store.db") as connection:
        found = connection.execute("SELECT event_id FROM event_fact").fetchall()
    connection.close()
    assert found == [(SQL,)]
    assert store.count_facts()["features"] == 1


@pytest.mark.parametrize(
    ("group", "field"),
    [
        (FeatureGroup("profile_taste", EntityKind.PROFILE, 1, ("x",)), "schema_version"),
        (FeatureGroup("profile_taste", EntityKind.VIDEO, 2, ("a", "b")), "schema_version"),
        (FeatureGroup("n" * 61, EntityKind.VIDEO, 1, ("a",)), "name"),
        (FeatureGroup("new", EntityKind.VIDEO, 1, ("a" * 61,)), "fields"),
        (
            FeatureGroup("new", EntityKind.VIDEO, 1, tuple(f"f{n}" for n in range(21))),
            "fields",
        ),
        (FeatureGroup("new", EntityKind.VIDEO, 2**31, ("a",)), "schema_version"),
    ],
)
def test_a_bad_feature_group_is_refused_by_name(
    taker: ChunkTaker, store: Store, group: FeatureGroup, field: str
) -> None:
    before = store.digest()
    with pytest.raises(InvalidChunk) as refused:
        taker.take(chunk(groups=[TASTE, group], records=[taste()]))
    (mistake,) = refused.value.mistakes
    assert (mistake.index, mistake.field) == (1, f"feature_groups.{field}")
    assert store.digest() == before


def test_an_unknown_kind_of_entity_in_a_group_is_refused(taker: ChunkTaker) -> None:
    request = chunk()
    request.feature_groups.append(
        timetravel_pb2.FeatureGroup(name="new", schema_version=1, fields=["a", "a"])
    )
    with pytest.raises(InvalidChunk) as refused:
        taker.take(request)
    assert refused.value.mistakes[0].field == "feature_groups.entity_kind"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"stream": ""}, "stream"),
        ({"stream": "x" * 61}, "stream"),
        ({"stream": "a\0b"}, "stream"),
        ({"sequence": 0}, "sequence"),
        ({"sequence": -1}, "sequence"),
        ({"source": ""}, "source"),
        ({"bookmark": "x" * 61}, "bookmark"),
        ({"records": []}, "records"),
        ({"records": [taste()] * 51}, "records"),
    ],
)
def test_a_chunk_whose_own_fields_are_wrong_is_refused_by_name(
    store: Store, changed: dict[str, Any], field: str
) -> None:
    taker = ChunkTaker(store, Limits(text_bytes=60, chunk_records=50), lambda: NOW)
    right = {"stream": "test", "sequence": 1, "source": "test", "records": [taste()]}
    with pytest.raises(InvalidChunk) as refused:
        taker.take(ingest_pb2.IngestRequest(**{**right, **changed}))
    assert refused.value.field == field


def test_fields_that_are_not_known_here_are_refused(taker: ChunkTaker) -> None:
    request = chunk(records=[taste()])
    request.records[0].MergeFromString(b"\xf8\x07\x01")
    with pytest.raises(InvalidChunk, match="not known here"):
        taker.take(request)
