"""The ingest service answers every chunk, and its client loses none."""

from __future__ import annotations

import hashlib
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest
from pagesim.ingest.v1 import ingest_pb2, ingest_pb2_grpc

from core.errors import Exhausted, Unavailable
from core.grpc_status import error_from_call
from tests.support.facts.dirty_facts import GROUPS, random_batches, seeded
from tests.support.facts.ingest_service import (
    PAST,
    chunk,
    ingestable,
    page_bytes,
    serving_ingest,
    taste,
)
from timetravel.errors import (
    ChunkExists,
    ChunkOutOfOrder,
    InvalidChunk,
    StreamMismatch,
    TooManyStreams,
)
from timetravel.facts.model import LoggedFeatures, LoggedPageFact
from timetravel.ingest.limits import Limits
from timetravel.ingest.stream.client import IngestClient, connect_to_ingest
from timetravel.ingest.stream.encoding import encode_fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timetravel.facts.model import JsonValue
    from timetravel.store import Store


@pytest.fixture
def channel(store: Store) -> Iterator[grpc.Channel]:
    with serving_ingest(store, limits=Limits(chunk_bytes=100_000)) as opened:
        yield opened


@pytest.fixture
def client(channel: grpc.Channel) -> IngestClient:
    return IngestClient(channel)


def outcomes(
    channel: grpc.Channel, *chunks: ingest_pb2.IngestRequest
) -> list[ingest_pb2.IngestResponse]:
    return list(ingest_pb2_grpc.IngestServiceStub(channel).Ingest(iter(chunks)))


def send_bytes(channel: grpc.Channel, *messages: bytes) -> list[ingest_pb2.IngestResponse]:
    call: grpc.StreamStreamMultiCallable[bytes, ingest_pb2.IngestResponse]
    call = channel.stream_stream(
        "/pagesim.ingest.v1.IngestService/Ingest",
        response_deserializer=ingest_pb2.IngestResponse.FromString,
    )
    return list(call(iter(messages)))


def test_a_refused_chunk_does_not_end_the_call(channel: grpc.Channel, store: Store) -> None:
    answers = outcomes(
        channel,
        chunk(records=[taste()]),
        chunk(records=[taste(op=0), taste(known_at=None)], sequence=2),
        chunk(records=[taste()], sequence=3),
        chunk(records=[taste()], sequence=2),
        chunk(records=[taste(feature_entity_id=2)]),
        chunk(records=[taste()], sequence=3),
    )
    assert [answer.sequence for answer in answers] == [1, 2, 3, 2, 1, 3]
    assert [answer.refused.reason for answer in answers] == [
        "",
        "InvalidChunk",
        "ChunkOutOfOrder",
        "",
        "ChunkExists",
        "",
    ]
    mistakes = answers[1].refused.mistakes
    assert [(mistake.index, mistake.field) for mistake in mistakes] == [
        (0, "op"),
        (1, "known_at"),
    ]
    assert mistakes[0].value == "0"
    assert answers[5].acknowledged.tx_id == store.snapshot()


def test_bytes_that_are_no_chunk_are_refused_and_the_call_goes_on(
    channel: grpc.Channel,
) -> None:
    right = chunk(records=[taste()]).SerializeToString()
    answers = send_bytes(channel, b"\xff\xff", b"\x0a\x02\xc3\x28", b"", right)
    assert [answer.refused.reason for answer in answers] == ["InvalidChunk"] * 3 + [""]
    assert "not a pagesim.ingest.v1.IngestRequest" in answers[0].refused.problem
    assert "must be UTF-8" in answers[1].refused.remedy
    assert answers[3].acknowledged.records == 1


def test_a_chunk_that_is_too_large_is_refused_and_the_call_goes_on(
    channel: grpc.Channel,
) -> None:
    large = chunk(records=[taste()] * 5000)
    answers = outcomes(channel, large, chunk(records=[taste()]))
    assert "larger than 100000" in answers[0].refused.problem
    assert "fewer records" in answers[0].refused.remedy
    assert answers[1].acknowledged.records == 1


def test_a_message_beyond_what_grpc_takes_ends_the_call_and_nothing_else(
    channel: grpc.Channel,
) -> None:
    with pytest.raises(grpc.RpcError) as ended:
        send_bytes(channel, bytes(65 << 20))
    assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert outcomes(channel, chunk(records=[taste()]))[0].acknowledged.records == 1


def test_a_call_beyond_those_served_at_once_is_refused(store: Store) -> None:
    with serving_ingest(store, calls_at_once=1) as channel, ExitStack() as ending:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        done = threading.Event()
        ending.callback(done.set)

        def slowly() -> Iterator[ingest_pb2.IngestRequest]:
            yield chunk(records=[taste()])
            done.wait()

        first = stub.Ingest(slowly())
        assert next(first).acknowledged.records == 1
        with pytest.raises(grpc.RpcError) as refused:
            next(stub.Ingest(iter([chunk(records=[taste()], sequence=2)])))
        error = error_from_call(refused.value)
        assert isinstance(error, TooManyStreams)
        assert isinstance(error, Exhausted)
        # Its client waits for its turn.
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            done.set()
            list(first)

        (answer,) = IngestClient(channel, sleep=wait).send(
            [chunk(records=[taste()], sequence=2)]
        )
        assert answer.acknowledged.records == 1
        assert waited == [0.1]


def test_a_sender_that_goes_away_gives_its_place_back(store: Store) -> None:
    with serving_ingest(store, calls_at_once=1) as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        for sequence in range(1, 6):
            gone = threading.Event()

            def half(
                sequence: int = sequence, gone: threading.Event = gone
            ) -> Iterator[ingest_pb2.IngestRequest]:
                yield chunk(records=[taste()], sequence=sequence)
                gone.wait()

            call = stub.Ingest(half())
            # The one before may not have been missed yet.
            sent = False
            while not sent:
                try:
                    sent = next(call).acknowledged.records == 1
                except grpc.RpcError:
                    gone.set()
                    gone = threading.Event()
                    call = stub.Ingest(half(sequence, gone))
            call.cancel()
            gone.set()
    assert store.count_facts()["features"] == 5


def test_no_more_chunks_are_under_way_than_were_agreed(channel: grpc.Channel) -> None:
    drawn: list[int] = []
    acknowledged = 0
    most = 0

    def count() -> Iterator[ingest_pb2.IngestRequest]:
        for sequence in range(1, 30):
            drawn.append(sequence)
            yield chunk(records=[taste(feature_entity_id=sequence)], sequence=sequence)

    for _ in IngestClient(channel, chunks_in_flight=3).send(count()):
        most = max(most, len(drawn) - acknowledged)
        acknowledged += 1
    assert acknowledged == 29
    assert most == 3


def test_a_stream_says_how_far_it_has_come_and_what_it_takes(client: IngestClient) -> None:
    before = client.position("test")
    assert (before.sequence, before.bookmark, before.chunk_bytes) == (0, "", 100_000)
    list(client.send([chunk(records=[taste()], bookmark="x")]))
    after = client.position("test")
    assert (after.sequence, after.bookmark) == (1, "x")
    assert after.tx_id == len(GROUPS) + 1


def test_the_client_raises_what_the_server_refused(client: IngestClient) -> None:
    with pytest.raises(InvalidChunk) as refused:
        list(client.send([chunk(records=[taste(), taste(op=0)])]))
    (mistake,) = refused.value.mistakes
    assert (mistake.index, mistake.field) == (1, "op")
    with pytest.raises(ChunkOutOfOrder, match="Send chunk 1"):
        list(client.send([chunk(records=[taste()], sequence=2)]))
    list(client.send([chunk(records=[taste()])]))
    with pytest.raises(ChunkExists):
        list(client.send([chunk(records=[taste(feature_entity_id=2)])]))


def test_records_are_cut_into_chunks_and_gone_on_with(
    client: IngestClient, store: Store
) -> None:
    facts = ingestable(random_batches(seeded(5), batches=1, facts=120)[0])
    records = [encode_fact(fact) for fact in facts]
    half = client.ingest("all", records[:50], source="test", records_per_chunk=20)
    assert (half.sequence, half.bookmark) == (3, "50")
    whole = client.ingest("all", records, source="test", records_per_chunk=7)
    assert whole.bookmark == str(len(records))
    assert whole.sequence == 3 + -(-(len(records) - 50) // 7)
    assert sum(store.count_facts().values()) == len(facts)
    assert client.ingest("all", records, source="test") == whole


def test_chunks_are_cut_by_size_too(client: IngestClient) -> None:
    records = [taste(feature_entity_id=number) for number in range(5000)]
    position = client.ingest("all", records, source="test")
    assert position.bookmark == "5000"
    assert position.sequence > 2


def test_a_stream_of_somebody_else_is_not_gone_on_with(client: IngestClient) -> None:
    list(client.send([chunk(records=[taste()], bookmark="file 3")]))
    with pytest.raises(StreamMismatch, match="'file 3'"):
        client.ingest("test", [taste()], source="test")


def test_a_failure_of_the_sender_reaches_the_sender(client: IngestClient) -> None:
    def fail() -> Iterator[ingest_pb2.IngestRequest]:
        yield chunk(records=[taste()])
        raise OSError("disk unreadable")

    with pytest.raises(OSError, match="disk unreadable"):
        list(client.send(fail()))


def test_a_server_that_is_not_there_is_waited_for_and_then_named() -> None:
    waited: list[float] = []
    with connect_to_ingest("127.0.0.1:1") as channel:
        client = IngestClient(channel, attempts=5, sleep=waited.append)
        with pytest.raises(Unavailable, match="5 times in a row"):
            client.position("test")
        assert waited == [0.1, 0.2, 0.4, 0.8]
        with pytest.raises(Unavailable):
            list(client.send([chunk(records=[taste()])]))


def test_logged_pages_travel_with_their_features(client: IngestClient, store: Store) -> None:
    ids = np.array([3, 70_000], np.int64)
    values = np.array([[1, np.nan, 3]] * 2, np.float32)
    logged = LoggedFeatures(GROUPS[1].name, ids, values, ids + 1, ids - 1)
    shown_at = PAST.seconds * 1_000_000
    page = page_bytes()
    digest = hashlib.sha256(page).hexdigest()
    context: dict[str, JsonValue] = {"country": "NZ"}
    fact = LoggedPageFact(1, shown_at, shown_at, "tv", context, page, digest, (logged,))
    client.ingest("pages", [encode_fact(fact)], source="test")
    (found,) = store.logged_pages()
    assert (found.page, found.page_digest, found.context) == (page, digest, context)
    assert np.array_equal(found.features[0].values, values, equal_nan=True)
    assert found.features[0].known_at.tolist() == [4, 70_001]
