"""Codec of pagesim.timetravel.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pagesim.timetravel.v1 import timetravel_pb2

from core.columns import decode_floats, decode_integers, encode_integers
from core.errors import InvalidColumn
from core.moments import EARLIEST_MICROS
from core.timestamps import decode_timestamp, encode_timestamp
from timetravel.errors import InvalidQuestion
from timetravel.facts.model import EntityKind, EventKind, FeatureGroup
from timetravel.reading.reader import AllocationRows, HistoryRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagesim.columns.v1.columns_pb2 import IntegerColumn

    from core.arrays import BoolArray, Int64Array

_FIRST_CELL: Final = 2
"""The code of the first cell; those before it say that there is none."""


def encode_lineage(newest_known_at: int, snapshot: int) -> timetravel_pb2.Lineage:
    """Return what an answer was made from; EARLIEST_MICROS means from nothing."""
    found = newest_known_at != EARLIEST_MICROS
    return timetravel_pb2.Lineage(
        newest_known_at=encode_timestamp(newest_known_at if found else None), snapshot=snapshot
    )


def decode_lineage(lineage: timetravel_pb2.Lineage) -> int:
    """Return the newest known_at of an answer, EARLIEST_MICROS if it was made from nothing."""
    if not lineage.HasField("newest_known_at"):
        return EARLIEST_MICROS
    return decode_timestamp(lineage.newest_known_at, field="lineage.newest_known_at")


def encode_group(group: FeatureGroup) -> timetravel_pb2.FeatureGroup:
    """Return a feature group as a message."""
    return timetravel_pb2.FeatureGroup(
        name=group.name,
        entity_kind=encode_entity_kind(group.entity_kind),
        schema_version=group.schema_version,
        fields=group.fields,
    )


def decode_group(message: timetravel_pb2.FeatureGroup) -> FeatureGroup:
    """Return a feature group of a message."""
    return FeatureGroup(
        message.name,
        decode_entity_kind(message.entity_kind),
        message.schema_version,
        tuple(message.fields),
    )


def encode_allocations(rows: AllocationRows) -> list[timetravel_pb2.AllocationColumn]:
    """Return the cells of many profiles, a column for each test."""
    columns = []
    for test, cells in rows.cells.items():
        names = sorted({cell for cell in cells if cell is not None})
        codes = {name: _FIRST_CELL + place for place, name in enumerate(names)}
        columns.append(
            timetravel_pb2.AllocationColumn(
                test=test,
                cells=names,
                codes=encode_integers(
                    [
                        codes[cell] if cell is not None else int(known)
                        for cell, known in zip(cells, rows.is_known[test], strict=True)
                    ]
                ),
            )
        )
    return columns


def decode_allocations(
    message: timetravel_pb2.BatchGetAllocationsResponse, rows: int
) -> AllocationRows:
    """Return the cells of many profiles.

    Raises:
        InvalidColumn: Columns do not fit, or name a cell that is not there.
    """
    cells: dict[str, list[str | None]] = {}
    is_known: dict[str, BoolArray] = {}
    for column in message.columns:
        codes = decode_integers(column.codes, field="codes", length=rows)
        names: list[str | None] = [None] * _FIRST_CELL + list(column.cells)
        if len(codes) and not 0 <= codes.min() <= codes.max() < len(names):
            raise InvalidColumn(
                f"Codes of {column.test} do not lie within its {len(column.cells)} cells.",
                remedy="Send 0, 1, or 2 plus the place of a cell.",
                field="codes",
            )
        cells[column.test] = [names[code] for code in codes.tolist()]
        is_known[column.test] = codes > 0
    known_at = decode_integers(
        message.newest_known_at_micros, field="newest_known_at_micros", length=rows
    )
    return AllocationRows(cells, is_known, known_at)


def decode_history(
    message: timetravel_pb2.BatchGetHistoryResponse | timetravel_pb2.BatchGetEngagementResponse,
    rows: int,
) -> HistoryRows:
    """Return the events of many rows.

    Raises:
        InvalidColumn: Columns do not fit.
    """

    def column(integers: IntegerColumn, field: str, length: int) -> Int64Array:
        return decode_integers(integers, field=field, length=length)

    counts = column(message.counts, "counts", rows)
    events = int(counts.sum())
    return HistoryRows(
        np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)]),
        column(message.video_ids, "video_ids", events),
        column(message.event_at_micros, "event_at_micros", events),
        column(message.kinds, "kinds", events).astype(np.int8),
        decode_floats(message.values, field="values", length=events),
        column(message.newest_known_at_micros, "newest_known_at_micros", rows),
    )


def encode_entity_kind(kind: EntityKind) -> timetravel_pb2.EntityKind.ValueType:
    """Return the kind as the message has it: the numbers are the same."""
    return timetravel_pb2.EntityKind.ValueType(kind.value)


def decode_entity_kind(number: int) -> EntityKind:
    """Return the kind of a number.

    Raises:
        InvalidQuestion: There is no such kind.
    """
    try:
        return EntityKind(number)
    except ValueError:
        raise InvalidQuestion(
            f"{number} is not a kind of entity.",
            remedy=f"Give one of {[kind.name for kind in EntityKind]}.",
            field="kind",
        ) from None


def encode_event_kinds(
    kinds: Sequence[EventKind],
) -> list[timetravel_pb2.EventKind.ValueType]:
    """Return the kinds as the message has them: the numbers are the same."""
    return [timetravel_pb2.EventKind.ValueType(kind.value) for kind in kinds]


def decode_event_kinds(numbers: Sequence[int]) -> list[EventKind]:
    """Return the kinds of numbers.

    Raises:
        InvalidQuestion: One of them is not a kind.
    """
    try:
        return [EventKind(number) for number in numbers]
    except ValueError as error:
        raise InvalidQuestion(
            f"{error}.",
            remedy=f"Give some of {[kind.name for kind in EventKind]}.",
            field="kinds",
        ) from None
