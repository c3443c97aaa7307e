"""The life of production's own documents."""

from __future__ import annotations

import itertools
from typing import Final

import pytest

from services.page.configuration import parse_configuration
from services.page.production import production_documents
from services.ranking.model import parse_model
from timetravel.facts.model import DocumentFact
from worlds.durations import DAY_MICROS
from worlds.production import document_history

SINCE: Final = 19_000 * DAY_MICROS
UNTIL: Final = SINCE + 60 * DAY_MICROS


@pytest.fixture(name="facts")
def documents() -> list[DocumentFact]:
    facts = [entry.fact for entry in document_history(SINCE, UNTIL)]
    return [fact for fact in facts if isinstance(fact, DocumentFact)]


def test_every_document_is_there_from_the_start(facts: list[DocumentFact]) -> None:
    first = {(fact.collection, fact.name) for fact in facts if fact.known_at == SINCE}
    assert first == {
        (document.collection, document.name) for document in production_documents()
    }


def test_every_version_can_be_read(facts: list[DocumentFact]) -> None:
    for fact in facts:
        assert fact.body is not None
        if fact.collection == "configuration":
            parse_configuration(fact.body, schema_version=fact.schema_version)
        else:
            parse_model(fact.body, schema_version=fact.schema_version)


def test_configuration_and_a_model_change_in_mid_life(facts: list[DocumentFact]) -> None:
    changed = {(fact.collection, fact.name) for fact in facts if SINCE < fact.known_at < UNTIL}
    assert changed == {("configuration", "homepage"), ("model", "personal")}


def test_versions_of_a_document_differ_from_each_other(facts: list[DocumentFact]) -> None:
    for fact, later in itertools.pairwise(facts):
        if (fact.collection, fact.name) == (later.collection, later.name):
            assert fact.body != later.body


def test_in_the_end_production_is_as_its_documents_say(facts: list[DocumentFact]) -> None:
    newest = {(fact.collection, fact.name): fact.body for fact in facts}
    for document in production_documents():
        assert newest[document.collection, document.name] == document.body


@pytest.mark.parametrize("days", [*range(1, 11), 3650])
@pytest.mark.parametrize("since", [SINCE, SINCE + DAY_MICROS // 2])
def test_in_a_world_of_any_length_no_document_has_two_versions_from_one_moment(
    days: int, since: int
) -> None:
    facts = [entry.fact for entry in document_history(since, since + days * DAY_MICROS)]
    versions = [
        (fact.collection, fact.name, fact.valid_from)
        for fact in facts
        if isinstance(fact, DocumentFact)
    ]
    assert len(versions) == len(set(versions)) == len(facts)
    assert min(fact.known_at for fact in facts) == since
    newest = {fact.name: fact.body for fact in facts if isinstance(fact, DocumentFact)}
    for document in production_documents():
        assert newest[document.name] == document.body
