"""Sends facts to a store's ingest service in chunks, and sends them again after a failure."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import grpc
from pagesim.ingest.v1 import ingest_pb2, ingest_pb2_grpc

from core.errors import Unavailable
from mesh.call.addresses import parse_address
from mesh.channels.channels import CHANNEL_OPTIONS
from timetravel.errors import StreamMismatch, TooManyStreams
from timetravel.ingest.stream.answers import check_answer, raising_own_errors
from timetravel.ingest.stream.cutting import count_records, cut_records
from timetravel.rpc.wire import encode_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from timetravel.facts.model import FeatureGroup

_CHUNKS_IN_FLIGHT: Final = 4
_RECORDS_PER_CHUNK: Final = 5_000
_ATTEMPTS: Final = 10
_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """How far a stream has come.

    Attributes:
        sequence: Place of the last chunk that is in the store; 0 if none is.
        tx_id: Newest transaction that it made.
        bookmark: The sender's note with it.
        chunk_records: Records that a chunk may hold.
        chunk_bytes: Bytes that a chunk may have.
    """

    sequence: int
    tx_id: int
    bookmark: str
    chunk_records: int
    chunk_bytes: int


def connect_to_ingest(address: str) -> grpc.Channel:
    """Open a channel to a server that takes facts.

    Raises:
        InvalidInput: The address is not a host:port.
    """
    target = str(parse_address(address, field="address"))
    return grpc.insecure_channel(target, options=CHANNEL_OPTIONS)


class IngestClient:
    """Sends chunks, and waits where it must.

    What is refused raises the error that the server raised. While the server cannot be
    reached, or its store is locked, what is not acknowledged is sent again: the server takes
    no chunk twice.

    Args:
        channel: Leads to the service; see `connect_to_ingest`.
        chunks_in_flight: Sent and not yet acknowledged, at most.
        attempts: Failures in a row after which `Unavailable` is raised.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        *,
        chunks_in_flight: int = _CHUNKS_IN_FLIGHT,
        attempts: int = _ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stub = ingest_pb2_grpc.IngestServiceStub(channel)
        self._chunks_in_flight = chunks_in_flight
        self._attempts = attempts
        self._sleep = sleep

    def position(self, stream: str) -> StreamPosition:
        """Return how far a stream has come.

        Raises:
            Unavailable: The server could not be reached, however often it was tried.
        """
        request = ingest_pb2.GetStreamRequest(stream=stream)
        failures = 0
        while True:
            try:
                with raising_own_errors():
                    answer = self._stub.GetStream(request)
            except Unavailable:
                failures = self._wait_after(failures)
                continue
            return StreamPosition(
                answer.sequence,
                answer.tx_id,
                answer.bookmark,
                answer.limits.records,
                answer.limits.bytes,
            )

    def ingest(
        self,
        stream: str,
        records: Iterable[ingest_pb2.Record],
        *,
        source: str,
        synthetic: bool = False,
        feature_groups: Sequence[FeatureGroup] = (),
        records_per_chunk: int = _RECORDS_PER_CHUNK,
    ) -> StreamPosition:
        """Send records, without those that an earlier call has brought.

        Give the same records in the same order to go on after a failure: the bookmark of a
        stream says how many of them are in the store.

        Args:
            stream: Name of the stream.
            records: All of them, from the first.
            source: Who says so.
            synthetic: Whether a seeded rule made them up.
            feature_groups: To register before the first record.
            records_per_chunk: Fewer where the server, or the size of a message, asks for it.

        Raises:
            InvalidChunk: Some records are wrong; those in chunks before are in the store.
            StreamMismatch: Somebody else fills the stream.
            Unavailable: The server could not be reached, however often it was tried.
        """
        position = self.position(stream)
        done = _count_done(position, stream)
        remaining = islice(records, done, None)
        size = min(records_per_chunk, position.chunk_records - len(feature_groups))
        chunks = cut_records(remaining, size, position.chunk_bytes // 2)
        requests = (
            ingest_pb2.IngestRequest(
                stream=stream,
                sequence=position.sequence + place,
                source=source,
                synthetic=synthetic,
                bookmark=str(total),
                feature_groups=[encode_group(group) for group in feature_groups]
                if place == 1
                else [],
                records=chunk,
            )
            for place, (total, chunk) in enumerate(count_records(chunks, done), 1)
        )
        for _ in self.send(requests):
            pass
        return self.position(stream)

    def send(
        self, chunks: Iterable[ingest_pb2.IngestRequest]
    ) -> Iterator[ingest_pb2.IngestResponse]:
        """Send chunks and yield their acknowledgements, in order.

        Raises:
            InvalidChunk: A chunk was refused for what it holds; the ones before are in the
                store.
            ChunkExists: Another chunk came under its key.
            ChunkOutOfOrder: A chunk before it is missing.
            Unavailable: The server could not be reached, however often it was tried.
        """
        waiting: deque[ingest_pb2.IngestRequest] = deque()
        unsent = iter(chunks)
        failures = 0
        while True:
            # gRPC takes the next chunk from here, in a thread of its own.
            outbox: SimpleQueue[ingest_pb2.IngestRequest | None] = SimpleQueue()
            for chunk in waiting:
                outbox.put(chunk)
            call = self._stub.Ingest(iter(outbox.get, None))
            try:
                while self._fill(waiting, unsent, outbox):
                    with raising_own_errors():
                        answer = next(call)
                    check_answer(answer)
                    waiting.popleft()
                    failures = 0
                    yield answer
            except (Unavailable, TooManyStreams):
                failures = self._wait_after(failures)
            else:
                return
            finally:
                outbox.put(None)
                call.cancel()

    def _fill(
        self,
        waiting: deque[ingest_pb2.IngestRequest],
        unsent: Iterator[ingest_pb2.IngestRequest],
        outbox: SimpleQueue[ingest_pb2.IngestRequest | None],
    ) -> bool:
        """Send while there is room; return whether anything waits for its answer."""
        while len(waiting) < self._chunks_in_flight:
            chunk = next(unsent, None)
            if chunk is None:
                break
            waiting.append(chunk)
            outbox.put(chunk)
        return bool(waiting)

    def _wait_after(self, failures: int) -> int:
        if failures + 1 >= self._attempts:
            raise Unavailable(
                f"The ingest service did not answer, {self._attempts} times in a row.",
                remedy="Start it (python -m timetravel --ingest), and send the stream again.",
            )
        self._sleep(min(_FIRST_WAIT_SECONDS * 2**failures, _LONGEST_WAIT_SECONDS))
        return failures + 1


def _count_done(position: StreamPosition, stream: str) -> int:
    try:
        return int(position.bookmark or 0)
    except ValueError:
        raise StreamMismatch(
            f"{stream!r} is filled by another sender: its bookmark is {position.bookmark!r}, "
            "and no number of records.",
            remedy="Give another name.",
            field="stream",
        ) from None
