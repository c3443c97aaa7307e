"""Codec of `pagesim.ranking.v1`."""

from __future__ import annotations

import numpy as np
from pagesim.ranking.v1 import ranking_pb2

from core.columns import (
    decode_floats,
    decode_integers,
    encode_floats,
    encode_integers,
    read_floats,
)
from services.errors import InvalidPages
from services.page.wire import (
    decode_batch,
    decode_bitmaps,
    decode_counts,
    decode_positions,
    decode_row,
    encode_batch,
    encode_row,
)
from services.ranking.task import RankedRows, RankingTask, Seen

_LARGEST_POSITION = 2**31


def encode_request(task: RankingTask) -> ranking_pb2.RankRequest:
    """Return a ranking task as a message."""
    return ranking_pb2.RankRequest(
        pages=encode_batch(task.requests),
        catalogue_version=task.catalogue_version,
        eligible=task.bitmaps.tobytes(),
        rows=[encode_row(row) for row in task.rows],
        given_counts=encode_integers(task.given_counts),
        is_given=task.is_given.astype(np.uint8).tobytes(),
        given_positions=encode_integers(task.given_positions),
        depth=task.depth,
        row_score_depth=task.row_score_depth,
        seen_counts=encode_integers(task.seen.counts),
        seen_positions=encode_integers(task.seen.positions),
    )


def decode_request(message: ranking_pb2.RankRequest) -> RankingTask:
    """Return the ranking task of a message.

    Raises:
        InvalidPages: The columns do not add up.
    """
    requests = decode_batch(message.pages)
    pages, rows = len(requests), len(message.rows)
    if len(message.is_given) != rows or set(message.is_given) - {0, 1}:
        raise InvalidPages(
            f"is_given has {len(message.is_given)} bytes for {rows} rows.",
            remedy="Send one byte per row, 0 or 1.",
            field="is_given",
        )
    counts = decode_counts(message.given_counts, field="given_counts", length=pages * rows)
    positions = decode_positions(
        message.given_positions,
        field="given_positions",
        length=int(counts.sum()),
        limit=_LARGEST_POSITION,
    )
    return RankingTask(
        requests=requests,
        catalogue_version=message.catalogue_version,
        bitmaps=decode_bitmaps(message.eligible, field="eligible", pages=pages),
        rows=tuple(decode_row(row) for row in message.rows),
        is_given=np.frombuffer(message.is_given, np.uint8).astype(np.bool_),
        given_counts=counts.reshape(pages, rows),
        given_positions=positions,
        depth=message.depth,
        row_score_depth=message.row_score_depth,
        seen=_decode_seen(message, pages),
    )


def _decode_seen(message: ranking_pb2.RankRequest, pages: int) -> Seen:
    if not message.HasField("seen_counts"):
        return Seen.nothing(pages)
    counts = decode_counts(message.seen_counts, field="seen_counts", length=pages)
    positions = decode_positions(
        message.seen_positions,
        field="seen_positions",
        length=int(counts.sum()),
        limit=_LARGEST_POSITION,
    )
    return Seen(counts, positions)


def encode_response(ranked: RankedRows) -> ranking_pb2.RankResponse:
    """Return ranked rows as a message."""
    return ranking_pb2.RankResponse(
        catalogue_version=ranked.catalogue_version,
        counts=encode_integers(ranked.counts),
        positions=encode_integers(ranked.positions),
        scores=encode_floats(ranked.scores),
        row_scores=encode_floats(ranked.row_scores),
        newest_known_at_micros=encode_integers(ranked.newest_known_at),
    )


def decode_response(message: ranking_pb2.RankResponse, task: RankingTask) -> RankedRows:
    """Return the ranked rows of a message that answers a task.

    Raises:
        InvalidPages: The columns do not add up, or do not answer the task.
    """
    pages, rows = len(task.requests), len(task.rows)
    counts = decode_counts(message.counts, field="counts", length=pages * rows)
    kept = int(counts.sum())
    positions = decode_positions(
        message.positions, field="positions", length=kept, limit=8 * task.bitmaps.shape[1]
    )
    row_scores = decode_floats(message.row_scores, field="row_scores", length=pages * rows)
    return RankedRows(
        catalogue_version=message.catalogue_version,
        counts=counts.reshape(pages, rows).astype(np.int32),
        positions=positions,
        scores=read_floats(message.scores, field="scores", length=kept),
        row_scores=row_scores.reshape(pages, rows),
        newest_known_at=decode_integers(
            message.newest_known_at_micros, field="newest_known_at_micros", length=pages
        ),
    )
