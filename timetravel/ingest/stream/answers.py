"""The ingest service's responses as our own errors, on the sender's side."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from core.errors import Unavailable, find_error
from core.grpc_status import error_from_call
from timetravel.errors import InvalidChunk, Mistake, TimeTravelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pagesim.ingest.v1 import ingest_pb2


def check_answer(answer: ingest_pb2.IngestResponse) -> None:
    """Raise what the server refused a chunk with, if it did.

    Raises:
        InvalidChunk: For what it holds.
        ChunkExists: Another chunk came under its key.
        ChunkOutOfOrder: A chunk before it is missing.
    """
    if answer.WhichOneof("outcome") == "acknowledged":
        return
    refused = answer.refused
    kind = find_error(refused.reason, TimeTravelError)
    if issubclass(kind, InvalidChunk):
        raise kind(
            refused.problem,
            remedy=refused.remedy,
            field=f"chunk {answer.sequence}",
            mistakes=[
                Mistake(
                    mistake.index, mistake.field, mistake.value, mistake.rule, mistake.remedy
                )
                for mistake in refused.mistakes
            ],
            total_mistakes=refused.total_mistakes,
        )
    raise kind(refused.problem, remedy=refused.remedy, field=f"chunk {answer.sequence}")


@contextmanager
def raising_own_errors() -> Iterator[None]:
    """Raise failures of a call in the `with` block as errors of our own."""
    try:
        yield
    except StopIteration:
        raise Unavailable(
            "The ingest service ended the call.", remedy="See its log, and send again."
        ) from None
    except grpc.RpcError as failed:
        if failed.code() is grpc.StatusCode.CANCELLED:
            # We cancel no call that we wait for: a server that stops does.
            raise Unavailable("The ingest service stops.", remedy="Send again.") from failed
        error = error_from_call(failed)
        if error is None:
            raise
        raise error from failed
