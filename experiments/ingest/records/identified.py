"""Converts records into facts that have an id: licences, events and logged pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from experiments.ingest.records.fact_builder import build_facts
from experiments.ingest.records.logged_pages import logged_page
from timetravel.errors import InvalidFact
from timetravel.facts.meanings import check_event_value
from timetravel.facts.model import (
    Attribution,
    AvailabilityFact,
    EntityKind,
    EventFact,
    EventKind,
    Op,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.ingest.mapping.entries import (
        AvailabilityEntry,
        EventsEntry,
        LoggedPagesEntry,
    )
    from experiments.ingest.records.reading import Reading
    from timetravel.facts.model import Fact

EVENT_KINDS: Final[Mapping[str, EventKind]] = {kind.name.lower(): kind for kind in EventKind}


def read_availability(
    reading: Reading, entry: AvailabilityEntry, known: Sequence[int], ops: Sequence[Op]
) -> list[tuple[int, Fact]]:
    """Return licences, each with its row."""
    rules = reading.rules
    records = zip(
        reading.texts("window_id", entry.window_id),
        reading.identities("video_id", entry.video_id, EntityKind.VIDEO).tolist(),
        reading.countries("country", entry.country),
        reading.moments("valid_from", entry.valid_from, rules.valid_from).tolist(),
        reading.moments("valid_to", entry.valid_to, rules.valid_to).tolist(),
        known,
        ops,
        strict=True,
    )
    return build_facts(reading, "valid_to", records, lambda record: AvailabilityFact(*record))


def read_events(
    reading: Reading, entry: EventsEntry, known: Sequence[int], ops: Sequence[Op]
) -> list[tuple[int, Fact]]:
    """Return events, each with its row."""
    kinds = reading.choices("kind", entry.kind, EVENT_KINDS)
    values = reading.numbers("value", entry.value, ops)
    for row, (kind, value, op) in enumerate(zip(kinds, values, ops, strict=True)):
        if op is Op.ASSERT and not reading.wrong_rows[row]:
            try:
                check_event_value(kind, value)
            except InvalidFact as error:
                reading.wrong(row, "value", value, error)
    records = zip(
        reading.texts("event_id", entry.event_id),
        reading.identities("profile_id", entry.profile_id, EntityKind.PROFILE).tolist(),
        reading.moments("event_at", entry.event_at, reading.rules.past).tolist(),
        kinds,
        reading.identities("video_id", entry.video_id, EntityKind.VIDEO).tolist(),
        values,
        known,
        ops,
        _read_attributions(reading, entry),
        strict=True,
    )
    return build_facts(reading, "", records, lambda record: EventFact(*record))


def _read_attributions(reading: Reading, entry: EventsEntry) -> list[Attribution | None]:
    place = entry.attribution
    if place is None:
        return [None] * reading.rows
    parts = (place.shown_at, place.row_id, place.position)
    given = reading.given(*parts)
    for row in np.flatnonzero((given > 0) & (given < len(parts))).tolist():
        error = InvalidFact(
            "A part of the place on the page is missing.", remedy="Give all of it, or nothing."
        )
        reading.wrong(row, "attribution", None, error)
    rules = reading.rules
    records = zip(
        reading.moments("attribution.shown_at", place.shown_at, rules.past, required=False),
        reading.texts("attribution.row_id", place.row_id, required=False),
        reading.integers(
            "attribution.position", place.position, rules.identity, required=False
        ),
        strict=True,
    )
    found: list[Attribution | None] = [None] * reading.rows
    for row, (shown_at, row_id, position) in enumerate(records):
        if given[row] and row_id is not None and not reading.wrong_rows[row]:
            found[row] = Attribution(int(shown_at), row_id, position)
    return found


def read_logged_pages(
    reading: Reading, entry: LoggedPagesEntry, known: Sequence[int], ops: Sequence[Op]
) -> list[tuple[int, Fact]]:
    """Return logged pages, each with its row."""
    pages = reading.objects("page", entry.page, ops, required=True)
    contexts: Sequence[object] = [None] * reading.rows
    if entry.context is not None:
        contexts = reading.objects("context", entry.context, ops, required=False)
    records = zip(
        reading.identities("profile_id", entry.profile_id, EntityKind.PROFILE).tolist(),
        reading.moments("shown_at", entry.shown_at, reading.rules.past).tolist(),
        known,
        reading.texts("device", entry.device),
        contexts,
        pages,
        ops,
        strict=True,
    )
    limits = reading.rules.limits
    return build_facts(
        reading,
        "page",
        records,
        lambda record: logged_page(*record, limits=limits, names=reading.names),
    )
