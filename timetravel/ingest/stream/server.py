"""Servicer of `pagesim.ingest.v1.IngestService`."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError
from pagesim.ingest.v1 import ingest_pb2

from timetravel.errors import (
    ChunkExists,
    ChunkOutOfOrder,
    InvalidChunk,
    TimeTravelError,
    TooManyStreams,
)
from timetravel.ingest.limits import Limits
from timetravel.ingest.stream.chunks import ChunkTaker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from timetravel.database.chunks import Chunk
    from timetravel.store import Store

SERVICE: Final = "pagesim.ingest.v1.IngestService"
CALLS_AT_ONCE: Final = 4
"""Each holds a worker of the process for as long as its sender likes."""


class IngestServicer:
    """Take the chunks of streams into a store.

    Back-pressure is gRPC's own: the next chunk is not read from the call before the one
    before it has been answered, and what a sender has under way beyond that waits at its end.

    Args:
        taker: Takes the chunks.
        calls_at_once: Calls of Ingest that are served at once; more are refused.
    """

    def __init__(self, taker: ChunkTaker, calls_at_once: int = CALLS_AT_ONCE) -> None:
        self._taker = taker
        self._calls_at_once = calls_at_once
        self._free = threading.Semaphore(calls_at_once)

    def Ingest(
        self, chunks: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[ingest_pb2.IngestResponse]:
        """Answer each chunk."""
        del context
        with self._a_place():
            for message in _until_gone(chunks):
                yield self._answer(message)

    def GetStream(
        self, request: ingest_pb2.GetStreamRequest, context: grpc.ServicerContext
    ) -> ingest_pb2.GetStreamResponse:
        """Say how far a stream has come."""
        del context
        limits = self._taker.limits
        told = ingest_pb2.ChunkLimits(records=limits.chunk_records, bytes=limits.chunk_bytes)
        newest = self._taker.newest(request.stream)
        if newest is None:
            return ingest_pb2.GetStreamResponse(limits=told)
        return ingest_pb2.GetStreamResponse(
            sequence=newest.sequence,
            tx_id=newest.tx_id,
            bookmark=newest.bookmark,
            limits=told,
        )

    def _answer(self, message: bytes) -> ingest_pb2.IngestResponse:
        request = ingest_pb2.IngestRequest()
        try:
            self._parse(message, request)
            taken = self._taker.take(request)
        except (InvalidChunk, ChunkExists, ChunkOutOfOrder) as error:
            return _refuse(request, error)
        return _acknowledge(taken)

    def _parse(self, message: bytes, request: ingest_pb2.IngestRequest) -> None:
        # Bytes that are not a chunk would otherwise end the call, with the chunks before them
        # under way.
        most = self._taker.limits.chunk_bytes
        if len(message) > most:
            raise InvalidChunk(
                f"A chunk of {len(message)} bytes is larger than {most}.",
                remedy="Send fewer records at once.",
                field="records",
            )
        try:
            request.ParseFromString(message)
        except DecodeError:
            request.Clear()
            raise InvalidChunk(
                f"These {len(message)} bytes are not a {request.DESCRIPTOR.full_name}.",
                remedy="Send a serialised chunk; text in it must be UTF-8.",
            ) from None

    @contextmanager
    def _a_place(self) -> Iterator[None]:
        if not self._free.acquire(blocking=False):
            raise TooManyStreams(
                f"{self._calls_at_once} senders are served already.",
                remedy="Try again later, or send several streams in one call.",
            )
        try:
            yield
        finally:
            self._free.release()


def add_ingest(
    server: grpc.Server,
    store: Store,
    *,
    now_micros: Callable[[], int],
    limits: Limits | None = None,
    calls_at_once: int = CALLS_AT_ONCE,
) -> None:
    """Serve ingest into a store.

    Args:
        server: Serves it.
        store: Where facts go.
        now_micros: Tells the time.
        limits: What a chunk may hold.
        calls_at_once: Calls of Ingest that are served at once.
    """
    taker = ChunkTaker(store, limits or Limits(), now_micros)
    servicer = IngestServicer(taker, calls_at_once)
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        # Without a deserialiser, so that the servicer gets bytes.
        "Ingest": grpc.stream_stream_rpc_method_handler(
            servicer.Ingest,
            response_serializer=ingest_pb2.IngestResponse.SerializeToString,
        ),
        "GetStream": grpc.unary_unary_rpc_method_handler(
            servicer.GetStream,
            request_deserializer=ingest_pb2.GetStreamRequest.FromString,
            response_serializer=ingest_pb2.GetStreamResponse.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def _until_gone(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except grpc.RpcError:
        return  # the sender went away; what was answered is in the store


def _acknowledge(taken: Chunk) -> ingest_pb2.IngestResponse:
    return ingest_pb2.IngestResponse(
        stream=taken.stream,
        sequence=taken.sequence,
        acknowledged=ingest_pb2.Acknowledgement(tx_id=taken.tx_id, records=taken.records),
    )


def _refuse(
    request: ingest_pb2.IngestRequest, error: TimeTravelError
) -> ingest_pb2.IngestResponse:
    refusal = ingest_pb2.Refusal(
        reason=type(error).__name__,
        problem=f"{error.field}: {error.problem}" if error.field else error.problem,
        remedy=error.remedy,
    )
    if isinstance(error, InvalidChunk):
        refusal.total_mistakes = error.total_mistakes
        refusal.mistakes.extend(
            ingest_pb2.Mistake(
                index=mistake.index,
                field=mistake.field,
                value=mistake.value,
                rule=mistake.rule,
                remedy=mistake.remedy,
            )
            for mistake in error.mistakes
        )
    return ingest_pb2.IngestResponse(
        stream=request.stream, sequence=request.sequence, refused=refusal
    )
