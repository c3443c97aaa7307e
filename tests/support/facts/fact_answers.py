"""Asks a reader everything there is to ask, in a form that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.oracle.in_memory import InMemoryFacts, Transaction
from tests.oracle.in_memory_reader import InMemoryReader
from tests.support.facts.dirty_facts import (
    DOCUMENTS,
    GROUPS,
    NAMES,
    POPULARITY,
    PROFILES,
    START,
    TASTE,
    TESTS,
    VIDEOS,
    Batches,
)
from timetravel.database.engine import writing
from timetravel.database.schema import ingest_transaction, metadata
from timetravel.errors import UnknownDocument
from timetravel.facts.model import EntityKind, EventKind
from timetravel.reading.allocations import read_allocations
from timetravel.rpc.client import TimeTravelClient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from timetravel.reading.reader import AllocationRows, FactReader, Identities, Moments
    from timetravel.store import Store

UNKNOWN_PROFILE = 9
TRANSACTION = Transaction(START, "test", synthetic=True)
"""What every batch is appended as."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a store was filled with: the same facts in memory, and where they begin."""

    in_memory: InMemoryFacts
    snapshot_before: int

    def snapshot(self, batches: int | None) -> int | None:
        """Return the snapshot that holds the groups and so many batches, None for None."""
        return None if batches is None else self.snapshot_before + len(GROUPS) + batches


def fill(store: Store, batches: Batches) -> Filled:
    """Take all facts out of a store and append the batches.

    Transactions go on counting: a snapshot never comes to mean something else, and a service
    may rely on that.
    """
    with writing(store._engine) as connection:
        for table in metadata.sorted_tables:
            if table is not ingest_transaction:
                connection.execute(table.delete())
    in_memory = InMemoryFacts()
    snapshot_before = store.snapshot()
    with store.begin(START) as writer:
        for group in GROUPS:
            writer.register(group)
            in_memory.register(group)
        for batch in batches:
            tx_id = writer.append(batch, source="test", synthetic=True)
            in_memory.append(batch, tx_id=tx_id, transaction=TRANSACTION)
    return Filled(in_memory, snapshot_before)


def ask_features(reader: FactReader, moments: Sequence[int]) -> object:
    """Return vectors of all profiles and of all videos, each at several moments."""
    answers: list[object] = []
    for group, entities in ((TASTE, (*PROFILES, UNKNOWN_PROFILE)), (POPULARITY, VIDEOS)):
        ids, at = _every(entities, moments)
        rows = reader.features(group.name, ids, at)
        answers.append((rows.group, _plain(rows.values), _plain(rows.known_at)))
        answers.append((_plain(rows.valid_from), rows.newest_known_at))
    return answers


def ask_attributes(reader: FactReader, moments: Sequence[int]) -> object:
    """Return attributes of all profiles and of all videos, each at several moments."""
    answers: list[object] = []
    for kind, entities in ((EntityKind.PROFILE, PROFILES), (EntityKind.VIDEO, VIDEOS)):
        ids, at = _every(entities, moments)
        rows = reader.attributes(kind, ids, at, [*NAMES, "unheard"])
        answers.append((dict(rows.columns), _plain(rows.newest_known_at)))
    return answers


def allocations_of(
    reader: FactReader, profile_ids: Identities, at: Moments, tests: Sequence[str]
) -> AllocationRows:
    """Return cells of A/B tests: of the oracle and of the service as they say themselves."""
    if isinstance(reader, InMemoryReader | TimeTravelClient):
        return reader.allocations(profile_ids, at, tests)
    return read_allocations(reader, profile_ids, at, tests)


def ask_allocations(reader: FactReader, moments: Sequence[int]) -> object:
    """Return cells of A/B tests of all profiles, each at several moments."""
    ids, at = _every((*PROFILES, UNKNOWN_PROFILE), moments)
    rows = allocations_of(reader, ids, at, [*TESTS, "unheard"])
    known = {test: column.tolist() for test, column in rows.is_known.items()}
    return [dict(rows.cells), known, _plain(rows.newest_known_at)]


def ask_history(reader: FactReader, moments: Sequence[int]) -> object:
    """Return histories of all profiles: whole, the newest two, windows, some kinds only."""
    ids, at = _every((*PROFILES, UNKNOWN_PROFILE), moments)
    chosen = (EventKind.PLAY, EventKind.IMPRESSION, EventKind.RATING)
    each = [moment - 3 for moment in at]
    answers: list[object] = []
    for kinds, max_events, since in (
        ((), 0, None),
        ((), 2, None),
        (chosen, 0, None),
        (chosen, 1, None),
        ((), 0, START + 4),
        ((), 2, each),
        (chosen, 1, each),
    ):
        rows = reader.history(ids, at, kinds, max_events, since)
        columns = (rows.offsets, rows.video_ids, rows.event_at, rows.kinds, rows.values)
        answers.append([_plain(column) for column in (*columns, rows.newest_known_at)])
    return answers


def ask_catalogue(reader: FactReader, moments: Sequence[int]) -> object:
    """Return the whole catalogue with attributes at several moments."""
    answers: list[object] = []
    for at in moments:
        rows = reader.catalogue(at, NAMES)
        answers.append((rows.catalogue_version, _plain(rows.video_ids), dict(rows.columns)))
        answers.append((rows.newest_known_at,))
    return answers


def ask_catalogue_features(reader: FactReader, moments: Sequence[int]) -> object:
    """Return the whole catalogue with features at several moments."""
    answers: list[object] = []
    for at in moments:
        rows = reader.catalogue_features(POPULARITY.name, at)
        answers.append((rows.catalogue_version, rows.group, _plain(rows.values)))
        answers.append((rows.newest_known_at,))
    return answers


def ask_availability(reader: FactReader, moments: Sequence[int]) -> object:
    """Return licences at several moments."""
    answers: list[object] = []
    for at in moments:
        rows = reader.availability(at)
        answers.append((rows.catalogue_version, rows.countries, rows.available.tolist()))
        answers.append((rows.newest_known_at,))
    return answers


def ask_documents(reader: FactReader, moments: Sequence[int]) -> object:
    """Return documents at several moments, None where none was visible."""
    answers: list[object] = []
    for name in DOCUMENTS:
        for at in moments:
            try:
                version = reader.document("configuration", name, at)
            except UnknownDocument:
                answers.append(None)
            else:
                answers.append(
                    (dict(version.body), version.schema_version, version.newest_known_at)
                )
    return answers


QUESTIONS: dict[str, Callable[[FactReader, Sequence[int]], object]] = {
    "features": ask_features,
    "attributes": ask_attributes,
    "allocations": ask_allocations,
    "history": ask_history,
    "catalogue": ask_catalogue,
    "catalogue_features": ask_catalogue_features,
    "availability": ask_availability,
    "documents": ask_documents,
}
"""Every question about facts, by name."""


def ask_everything(reader: FactReader, moments: Sequence[int]) -> dict[str, object]:
    """Return the answers to all questions."""
    return {name: ask(reader, moments) for name, ask in QUESTIONS.items()}


def _every(entities: Sequence[int], moments: Sequence[int]) -> tuple[list[int], list[int]]:
    pairs = [(entity, at) for at in moments for entity in entities]
    return [entity for entity, _ in pairs], [at for _, at in pairs]


def _plain(array: NDArray[Any]) -> object:
    plain = array.astype(object)
    if array.dtype.kind == "f":
        plain[np.isnan(array)] = None
    return plain.tolist()
