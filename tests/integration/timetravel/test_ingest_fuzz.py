"""Chunks gone wrong by the thousand: the service answers each, and takes no part of one."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import sqlalchemy as sa
from pagesim.ingest.v1 import ingest_pb2

from tests.oracle.in_memory import InMemoryFacts
from tests.support.effort import effort
from tests.support.facts.dirty_facts import GROUPS, SPAN, START, random_batches, seeded
from tests.support.facts.fact_answers import ask_everything
from tests.support.facts.ingest_service import (
    chunk,
    ingestable,
    register_groups,
    serving_ingest,
    taste,
)
from tests.support.facts.mutated_chunks import mutate_bytes, mutate_fields
from timetravel.database import migrate, schema
from timetravel.database.engine import reading
from timetravel.facts.feature_batch import FeatureBatch
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    Attribution,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
    LoggedPageFact,
    Op,
)
from timetravel.ingest.stream.client import IngestClient
from timetravel.store import Store

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import grpc
    from google.protobuf.timestamp_pb2 import Timestamp

    from timetravel.facts.model import Fact

pytestmark = pytest.mark.integration

TITLE: Final = AttributeFact(EntityKind.VIDEO, 1, "title", START, START, "Alien")
SEED: Final = 20_240_601
MESSAGES: Final = effort(5_000, 100_000)
MOMENTS: Final = (START, START + SPAN // 2, START + SPAN)


def originals(chance: random.Random) -> list[bytes]:
    """Return small chunks with which nothing is wrong, of every kind of record."""
    batches = random_batches(chance, batches=60, facts=4)
    right = [ingestable(batch) for batch in batches]
    named = taste(feature_values=[], feature_fields={"a": 0.5})
    chunks = [chunk(facts) for facts in right if facts]
    chunks += [chunk(facts, records=[named]) for facts in right[:10]]
    # One: a registry of thousands of groups is nothing that is measured here.
    chunks.append(chunk(right[0], groups=GROUPS))
    return [one.SerializeToString() for one in chunks]


def mutated(chance: random.Random) -> Iterator[bytes]:
    """Yield chunks, each of a stream of its own unless that is what went wrong."""
    right = originals(chance)
    for number in range(MESSAGES):
        one = chance.choice(right)
        fault = chance.random()
        if fault < 0.5:
            one = mutate_bytes(chance, one, right)
        elif fault < 0.995:
            one = mutate_fields(chance, one)
        # Of a field that comes twice, the last counts: so the name may be lost or not.
        named = ingest_pb2.IngestRequest(stream=f"stream {number}").SerializeToString()
        yield named + one if fault < 0.05 else one + named


@pytest.mark.scaled
def test_chunks_gone_wrong_change_nothing_but_by_being_taken(tmp_path: Path) -> None:
    path = tmp_path / "fuzzed.db"
    migrate.upgrade(f"sqlite:///{path}")
    with Store.open(f"sqlite:///{path}") as empty:
        register_groups(empty)
    shutil.copy(path, tmp_path / "plain.db")
    with Store.open(f"sqlite:///{path}") as store:
        taken, reasons = send(store, mutated(seeded(SEED)))
        assert sum(reasons.values()) + len(taken) == MESSAGES + 1
        # All three ways through were taken often enough to mean something; what contradicts
        # an earlier chunk is refused, the more the longer.
        assert len(taken) > MESSAGES // 100
        assert reasons["InvalidChunk"] > MESSAGES // 2
        with Store.open(f"sqlite:///{tmp_path / 'plain.db'}") as plain:
            appended = Plain(plain)
            appended.append(taken)
            assert tables(store) == tables(plain)
            expected = ask_everything(appended.in_memory().as_of(), MOMENTS)
            assert ask_everything(store.as_of(), MOMENTS) == expected


def send(
    store: Store, messages: Iterator[bytes]
) -> tuple[list[ingest_pb2.IngestRequest], dict[str, int]]:
    """Send messages in one call, and one with which nothing is wrong in another.

    Returns:
        The chunks that were taken, and how many of the others were refused for what reason.
    """
    sent: list[bytes] = []
    taken: list[ingest_pb2.IngestRequest] = []
    reasons: dict[str, int] = {}

    def keep() -> Iterator[bytes]:
        for message in messages:
            sent.append(message)
            yield message

    with serving_ingest(store) as channel:
        ingest: grpc.StreamStreamMultiCallable[bytes, ingest_pb2.IngestResponse]
        ingest = channel.stream_stream(
            "/pagesim.ingest.v1.IngestService/Ingest",
            response_deserializer=ingest_pb2.IngestResponse.FromString,
        )
        acknowledged: dict[tuple[str, int], ingest_pb2.Acknowledgement] = {}
        for number, answer in enumerate(ingest(keep())):
            key = (answer.stream, answer.sequence)
            if answer.WhichOneof("outcome") == "refused":
                assert answer.refused.problem
                assert answer.refused.remedy
                reasons[answer.refused.reason] = reasons.get(answer.refused.reason, 0) + 1
            elif key in acknowledged:
                assert answer.acknowledged == acknowledged[key]
                reasons["again"] = reasons.get("again", 0) + 1
            else:
                acknowledged[key] = answer.acknowledged
                taken.append(ingest_pb2.IngestRequest.FromString(sent[number]))
        # It is as well as before.
        last = chunk([TITLE], stream="last")
        (answer,) = IngestClient(channel).send([last])
        taken.append(last)
        assert answer.acknowledged.tx_id == store.snapshot()
    return taken, reasons


@dataclass
class Plain:
    """A store to which chunks are appended as they say, read without any checks.

    Attributes:
        store: The store.
        fields: Fields by group and schema version.
        groups: The newest version of each group.
        appended: Transactions with their facts; a feature is a batch of one row.
    """

    store: Store
    fields: dict[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    groups: dict[str, FeatureGroup] = field(default_factory=dict)
    appended: list[tuple[int, list[Fact | FeatureBatch]]] = field(default_factory=list)

    def append(self, taken: Sequence[ingest_pb2.IngestRequest]) -> None:
        for group in GROUPS:
            self._know(group)
        with self.store.begin(0) as writer:
            for one in taken:
                for message in one.feature_groups:
                    kind = EntityKind(message.entity_kind)
                    names = tuple(message.fields)
                    group = FeatureGroup(message.name, kind, message.schema_version, names)
                    writer.register(group)
                    self._know(group)
                facts = [read_plainly(record, self) for record in one.records]
                if facts:
                    writer.append(facts, source=one.source, synthetic=one.synthetic)
                    self.appended.append((writer.newest_tx_id, facts))

    def in_memory(self) -> InMemoryFacts:
        """Return the facts in memory, features by the fields of the newest version."""
        found = InMemoryFacts()
        for group in self.groups.values():
            found.register(group)
        for tx_id, facts in self.appended:
            kept = [
                self._by_newest_fields(fact) if isinstance(fact, FeatureBatch) else fact
                for fact in facts
                if not isinstance(fact, LoggedPageFact)
            ]
            found.append(kept, tx_id=tx_id)
        return found

    def _know(self, group: FeatureGroup) -> None:
        self.groups[group.name] = group
        self.fields[group.name, group.schema_version] = group.fields

    def _by_newest_fields(self, batch: FeatureBatch) -> FeatureFact:
        assert batch.schema_version is not None
        own = self.fields[batch.group, batch.schema_version]
        values = dict(zip(own, batch.values[0].tolist(), strict=True))
        newest = [values.get(name, np.nan) for name in self.groups[batch.group].fields]
        op = Op(int(batch.ops[0]))
        return FeatureFact(
            batch.group,
            int(batch.entity_ids[0]),
            int(batch.valid_from[0]),
            int(batch.known_at[0]),
            np.array(newest, np.float32) if op is Op.ASSERT else None,
            op,
        )


def read_plainly(  # noqa: PLR0911 - one for each kind
    record: ingest_pb2.Record, plain: Plain
) -> Fact | FeatureBatch:
    op = Op(record.op - 1)
    begins, known_at = micros(record.valid_from), micros(record.known_at)
    asserted = op is Op.ASSERT
    match record.WhichOneof("fact"):
        case "feature":
            feature = record.feature
            version = feature.schema_version or plain.groups[feature.group].schema_version
            names = plain.fields[feature.group, version]
            values = list(feature.values) or [feature.fields.get(n, np.nan) for n in names]
            matrix = np.array([values if asserted else [np.nan] * len(names)], np.float32)
            matrix[np.isnan(matrix)] = np.nan  # there are many, and they all mean one thing
            return FeatureBatch(
                feature.group,
                np.array([feature.entity_id], np.int64),
                np.array([begins], np.int64),
                np.array([known_at], np.int64),
                np.array([op], np.int8),
                matrix,
                version,
            )
        case "attribute":
            attribute = record.attribute
            value = attribute.value
            kind = value.WhichOneof("kind")
            read: Any = (
                json.loads(value.json) if kind == "json" else getattr(value, kind or "", None)
            )
            return AttributeFact(
                EntityKind(attribute.kind),
                attribute.entity_id,
                attribute.name,
                begins,
                known_at,
                read,
                op,
            )
        case "allocation":
            allocation = record.allocation
            cell = allocation.cell if allocation.HasField("cell") else None
            return AllocationFact(
                allocation.profile_id, allocation.test, begins, known_at, cell, op
            )
        case "availability":
            licence = record.availability
            return AvailabilityFact(
                licence.window_id,
                licence.video_id,
                licence.country,
                begins,
                micros(licence.valid_to),
                known_at,
                op,
            )
        case "event":
            event = record.event
            place = event.attribution
            return EventFact(
                event.event_id,
                event.profile_id,
                begins,
                EventKind(event.kind),
                event.video_id,
                event.value if event.HasField("value") else None,
                known_at,
                op,
                Attribution(micros(place.shown_at), place.row_id, place.position)
                if event.HasField("attribution")
                else None,
            )
        case "document":
            document = record.document
            body = json.loads(document.body_json) if asserted else None
            return DocumentFact(
                document.collection,
                document.name,
                begins,
                known_at,
                document.schema_version,
                body,
                op,
            )
        case _:
            return LoggedPageFact.withdraw(record.logged_page.profile_id, begins, known_at, op)


def micros(timestamp: Timestamp) -> int:
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1_000


def tables(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a store holds, but when transactions were committed and chunk numbers."""
    left_out = {"committed_at"}
    found = {}
    with reading(store._engine) as connection:
        for table in schema.metadata.sorted_tables:
            if table is not schema.ingest_chunk:
                columns = [column for column in table.columns if column.name not in left_out]
                statement = sa.select(*columns).order_by(*table.primary_key.columns)
                found[table.name] = [tuple(row) for row in connection.execute(statement)]
    return found
