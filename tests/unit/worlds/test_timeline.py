"""Facts in the order in which they become known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.facts.dirty_facts import SMALL, seeded
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
)
from worlds.errors import MalformedWorld
from worlds.records import ATTRIBUTES, AVAILABILITY, DOCUMENTS, EVENTS, SourcedFact, to_table
from worlds.timeline import Timeline, sort_records, write_records

if TYPE_CHECKING:
    from pathlib import Path

    from timetravel.facts.model import Fact
    from worlds.records import RecordKind

KINDS: dict[type, RecordKind] = {
    DocumentFact: DOCUMENTS,
    AttributeFact: ATTRIBUTES,
    AvailabilityFact: AVAILABILITY,
    EventFact: EVENTS,
}


def dirty_facts(seed: int, count: int) -> list[SourcedFact]:
    chance = seeded(seed)
    facts = [SMALL.fact(chance) for _ in range(count)]
    return [
        SourcedFact(_unattributed(fact), chance.choice(("a", "b")), chance.random() < 0.5)
        for fact in facts
        if type(fact) in KINDS
    ]


def _unattributed(fact: Fact) -> Fact:
    return replace(fact, attribution=None) if isinstance(fact, EventFact) else fact


def write(directory: Path, facts: list[SourcedFact]) -> Timeline:
    for fact_type, kind in KINDS.items():
        own = [entry for entry in facts if isinstance(entry.fact, fact_type)]
        table = sort_records(to_table(kind, own))
        write_records(directory / f"{kind.name}.parquet", kind, [table])
    return Timeline(directory)


def as_text(entry: SourcedFact) -> str:
    return repr(entry)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 2**16), st.integers(0, 40))
def test_facts_of_all_kinds_come_back_whole_and_in_known_order(
    tmp_path: Path, seed: int, count: int
) -> None:
    facts = dirty_facts(seed, count)
    found = list(write(tmp_path, facts).facts())
    known_at = [entry.fact.known_at for entry in found]
    assert known_at == sorted(known_at)
    assert sorted(map(as_text, found)) == sorted(map(as_text, facts))


def test_at_one_moment_documents_come_first_and_events_last(tmp_path: Path) -> None:
    found = write(tmp_path, dirty_facts(3, 400)).facts()
    order = [(entry.fact.known_at, list(KINDS).index(type(entry.fact))) for entry in found]
    assert order == sorted(order)


def test_the_moments_of_catalogue_wide_facts_are_known_ahead(tmp_path: Path) -> None:
    facts = [entry.fact for entry in dirty_facts(3, 400)]
    timeline = write(tmp_path, dirty_facts(3, 400))
    attributes = {
        fact.known_at
        for fact in facts
        if isinstance(fact, AttributeFact) and fact.kind is EntityKind.VIDEO
    }
    licences = {fact.known_at for fact in facts if isinstance(fact, AvailabilityFact)}
    documents = {fact.known_at for fact in facts if isinstance(fact, DocumentFact)}
    assert timeline.catalogue_moments().tolist() == sorted(attributes)
    assert timeline.availability_moments().tolist() == sorted(licences)
    assert timeline.document_moments().tolist() == sorted(documents)


@pytest.mark.parametrize("split", [0, 1, 7])
def test_facts_out_of_order_are_not_written(tmp_path: Path, split: int) -> None:
    events = [entry for entry in dirty_facts(3, 400) if isinstance(entry.fact, EventFact)]
    table = sort_records(to_table(EVENTS, events))
    backwards = table.take(np.arange(len(events))[::-1])
    with pytest.raises(MalformedWorld) as caught:
        write_records(
            tmp_path / "events.parquet", EVENTS, [backwards[:split], backwards[split:]]
        )
    assert caught.value.field == "events"


def test_a_file_whose_order_was_changed_is_refused_when_it_is_read(tmp_path: Path) -> None:
    timeline = write(tmp_path, dirty_facts(3, 400))
    path = tmp_path / "events.parquet"
    table = sort_records(
        to_table(EVENTS, [e for e in dirty_facts(3, 400) if isinstance(e.fact, EventFact)])
    )
    pq.write_table(table.take(np.arange(len(table))[::-1]), path)
    with pytest.raises(MalformedWorld, match=r"events\.parquet"):
        list(timeline.facts())


def test_a_missing_or_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    timeline = write(tmp_path, dirty_facts(3, 40))
    path = tmp_path / "attributes.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(MalformedWorld, match=r"attributes\.parquet"):
        list(timeline.facts())
    path.unlink()
    with pytest.raises(MalformedWorld, match=r"attributes\.parquet"):
        timeline.catalogue_moments()


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    timeline = write(tmp_path, dirty_facts(3, 40))
    (tmp_path / "events.parquet").write_bytes((tmp_path / "documents.parquet").read_bytes())
    with pytest.raises(MalformedWorld, match="columns"):
        list(timeline.facts())
