"""A reader that leaks is found out, whatever it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sqlalchemy as sa

from core.moments import format_moment
from timetravel.errors import LeakedFact
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
)
from timetravel.queries import as_of_queries as as_of_questions
from timetravel.queries import visibility
from timetravel.reading.allocations import read_allocations
from timetravel.reading.leak_guard import GuardedReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from timetravel.store import Store

    Ask = Callable[[Any], object]

NOW, LATER = 1_000, 2_000
VECTOR = np.array([1.0], np.float32)
QUESTIONS: dict[str, tuple[str, Ask]] = {
    "features of a profile": (
        "features taste of profile 1",
        lambda reader: reader.features("taste", [2, 1], NOW),
    ),
    "attributes of a profile": (
        "attribute country of profile 1",
        lambda reader: reader.attributes(EntityKind.PROFILE, [2, 1], NOW, ["plan", "country"]),
    ),
    "allocations": (
        "allocation artwork of profile 1",
        lambda reader: read_allocations(reader, [2, 1], [NOW, NOW], ["artwork"]),
    ),
    "history": ("event of profile 1", lambda reader: reader.history([2, 1], NOW)),
    "the catalogue": (
        "attribute title of video 5",
        lambda reader: reader.catalogue(NOW, ["year", "title"]),
    ),
    "features of the catalogue": (
        "features popularity of video 5",
        lambda reader: reader.catalogue_features("popularity", NOW),
    ),
    "licences": ("availability of the catalogue", lambda reader: reader.availability(NOW)),
    "documents": (
        "document of model/personal",
        lambda reader: reader.document("model", "personal", NOW),
    ),
}


@pytest.fixture
def late(store: Store) -> Store:
    profile, video = EntityKind.PROFILE, EntityKind.VIDEO
    with store.begin(0) as writer:
        writer.register(FeatureGroup("taste", profile, 1, ("a",)))
        writer.register(FeatureGroup("popularity", video, 1, ("a",)))
        writer.append(
            [
                FeatureFact("taste", 1, 0, LATER, VECTOR),
                FeatureFact("popularity", 5, 0, LATER, VECTOR),
                AttributeFact(profile, 1, "country", 0, LATER, "NZ"),
                AttributeFact(profile, 1, "plan", 0, 0, "basic"),
                AttributeFact(video, 5, "title", 0, LATER, "Alien"),
                AttributeFact(video, 5, "year", 0, 0, 1979),
                AllocationFact(1, "artwork", 0, LATER, "B"),
                EventFact("e", 1, 0, EventKind.PLAY, 5, 1.0, LATER),
                AvailabilityFact("w", 5, "NZ", 0, 9_000, LATER),
                DocumentFact("model", "personal", 0, 0, 1, {"old": 1}),
                DocumentFact("model", "personal", 0, LATER, 1, {"new": 1}),
            ],
            source="test",
            synthetic=False,
        )
    return store


def leaking(store: Store, monkeypatch: pytest.MonkeyPatch) -> GuardedReader:
    for module in (visibility, as_of_questions):
        monkeypatch.setattr(module, "is_known", lambda *_: sa.true())
    broken = type(store)(store._engine)
    return GuardedReader(broken.as_of(store.snapshot()), lambda: None)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_leak_is_refused_by_the_name_of_what_leaked(
    late: Store, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    told, ask = QUESTIONS[question]
    moments = f"known at {format_moment(LATER)}, was used as of {format_moment(NOW)}"
    with pytest.raises(LeakedFact, match=f"The {told}, {moments}"):
        ask(leaking(late, monkeypatch))


@pytest.mark.parametrize("question", QUESTIONS)
def test_honest_answers_pass_as_they_are(late: Store, question: str) -> None:
    _, ask = QUESTIONS[question]
    reader = late.as_of()
    assert repr(ask(GuardedReader(reader, lambda: None))) == repr(ask(reader))
    known_now = late.as_of(known_by=LATER)
    assert repr(ask(GuardedReader(known_now, lambda: LATER))) == repr(ask(known_now))
    with pytest.raises(LeakedFact):
        ask(GuardedReader(known_now, lambda: None))


def test_several_leaks_are_counted(late: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = leaking(late, monkeypatch)
    with pytest.raises(LeakedFact, match=r"\(and 1 more\)"):
        guarded.features("taste", [1, 1], [NOW, NOW + 1])


def test_a_guarded_reader_is_otherwise_the_reader(late: Store) -> None:
    guarded = GuardedReader(late.as_of(), lambda: None)
    assert guarded.feature_groups() == late.as_of().feature_groups()
    assert guarded.history([1], LATER).video_ids.tolist() == [5]
    assert read_allocations(guarded, [1], LATER, ["artwork"]).cells == {"artwork": ["B"]}
