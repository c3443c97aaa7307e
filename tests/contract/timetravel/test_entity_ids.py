"""Entities are named by whole numbers or by texts, as the first fact of their kind decided."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.facts.fact_answers import fill
from timetravel.errors import InvalidFact, InvalidQuestion, ProfileErased, UnknownEntity
from timetravel.facts import external_ids
from timetravel.facts.external_ids import ExternalIds, IdForm, hash_id
from timetravel.facts.model import AttributeFact, EntityKind, EventFact, EventKind
from timetravel.removal.removals import erase_profiles

if TYPE_CHECKING:
    from timetravel.store import Store

ODD = ("  a b ", "A b", "a b", "e\u0301", "\u00e9", "007", "7", "\U0001f600", "x" * 512)


def _title(video_id: int, value: str = "Alien") -> AttributeFact:
    return AttributeFact(EntityKind.VIDEO, video_id, "title", 0, 0, value)


def _play(profile_id: int, video_id: int) -> EventFact:
    event_id = f"{profile_id}-{video_id}"
    return EventFact(event_id, profile_id, 0, EventKind.PLAY, video_id, 1.0, 0)


def _append(
    store: Store, *facts: AttributeFact | EventFact, ids: ExternalIds | None = None
) -> None:
    with store.begin(0) as writer:
        writer.append(facts, source="test", synthetic=False, external_ids=ids or ExternalIds())


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store, [])
    return store


def test_texts_come_back_as_they_were_given(filled: Store) -> None:
    ids = ExternalIds()
    numbers = [ids.note(EntityKind.VIDEO, text, field="video_id") for text in ODD]
    assert len(set(numbers)) == len(ODD)
    assert all(0 <= number < 2**63 for number in numbers)
    _append(filled, *map(_title, numbers), ids=ids)
    assert filled.id_forms() == {EntityKind.VIDEO: IdForm.TEXTS}
    assert filled.name_entities(EntityKind.VIDEO, numbers) == list(ODD)
    assert [filled.find_entity(EntityKind.VIDEO, text) for text in ODD] == numbers


def test_each_kind_decides_for_itself_and_once(filled: Store) -> None:
    ids = ExternalIds()
    member = ids.note(EntityKind.PROFILE, "ann", field="profile_id")
    _append(filled, _play(member, 7), ids=ids)
    numbers, texts = IdForm.NUMBERS, IdForm.TEXTS
    assert filled.id_forms() == {EntityKind.PROFILE: texts, EntityKind.VIDEO: numbers}
    # Known texts need not be given again.
    _append(filled, _play(member, 8))
    with pytest.raises(InvalidFact, match="5 is a whole number, and profiles have texts"):
        _append(filled, _play(5, 7))
    video = ids.note(EntityKind.VIDEO, "alien", field="video_id")
    with pytest.raises(InvalidFact, match="'alien' is a text, and videos have whole numbers"):
        _append(filled, _title(video), ids=ids)
    assert filled.name_entities(EntityKind.VIDEO, [7, 8]) == ["7", "8"]


def test_the_number_of_a_text_depends_on_nothing_else() -> None:
    keyed = hashlib.blake2b(b"ann", digest_size=8, key=b"pagesim.external_id.v1.PROFILE")
    expected = int.from_bytes(keyed.digest(), "big") >> 1
    assert hash_id(EntityKind.PROFILE, "ann") == expected == 4_434_225_786_096_544_410
    assert hash_id(EntityKind.VIDEO, "ann") != expected


def test_two_texts_of_one_number_are_refused_by_name(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_ids, "hash_id", lambda _kind, _text: 5)
    ids, others = ExternalIds(), ExternalIds()
    ids.note(EntityKind.VIDEO, "one", field="video_id")
    with pytest.raises(InvalidFact, match="'one' and 'two' of videos have one hash, 5"):
        ids.note(EntityKind.VIDEO, "two", field="video_id")
    _append(filled, _title(5), ids=ids)
    others.note(EntityKind.VIDEO, "two", field="video_id")
    with pytest.raises(InvalidFact, match="'one' and 'two' of videos have one hash, 5"):
        _append(filled, _title(5), ids=others)


def test_texts_of_videos_that_no_fact_is_about_come_back(filled: Store) -> None:
    ids = ExternalIds()
    ann = ids.note(EntityKind.PROFILE, "ann", field="profile_id")
    later = ids.note(EntityKind.VIDEO, "later", field="value")
    blocked = AttributeFact(EntityKind.PROFILE, ann, "blocked_videos", 0, 0, [later])
    _append(filled, blocked, ids=ids)
    assert filled.id_forms()[EntityKind.VIDEO] is IdForm.TEXTS
    assert filled.name_entities(EntityKind.VIDEO, [later]) == ["later"]


def test_erasure_takes_the_text_and_its_entity_stays_refused(filled: Store) -> None:
    ids = ExternalIds()
    ann, bob = (
        ids.note(EntityKind.PROFILE, name, field="profile_id") for name in ("ann", "bob")
    )
    _append(filled, _play(ann, 1), _play(bob, 1), ids=ids)
    erased = erase_profiles(filled.engine, [ann], reason="asked", began_at=0, nonce=b"")
    assert erased.removed["external_id"] == 1
    assert filled.name_entities(EntityKind.PROFILE, [ann, bob]) == ["(unknown)", "bob"]
    with pytest.raises(UnknownEntity, match="no profile 'ann'"):
        filled.find_entity(EntityKind.PROFILE, "ann")
    with pytest.raises(ProfileErased, match="erased: ann"):
        _append(filled, _play(ann, 2), ids=ids)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "An id is empty"),
        ("x" * 513, "has 513 bytes"),
        ("\u00e9" * 257, "has 514 bytes"),
        ("a\0", "no store can hold"),
        ("\ud800", "no store can hold"),
        ("Ann", "no profile 'Ann'"),
    ],
)
def test_a_text_that_is_no_id_or_not_there_is_refused(
    filled: Store, name: str, message: str
) -> None:
    ids = ExternalIds()
    ann = ids.note(EntityKind.PROFILE, "ann", field="profile_id")
    _append(filled, _play(ann, 1), ids=ids)
    with pytest.raises((InvalidQuestion, UnknownEntity), match=message):
        filled.find_entity(EntityKind.PROFILE, name)
    if message != "no profile 'Ann'":
        with pytest.raises(InvalidFact, match=message):
            ids.note(EntityKind.PROFILE, name, field="profile_id")


@pytest.mark.parametrize("name", ["ann", "-1", "1.0", "", "9" * 19, " 7"])
def test_a_name_that_is_no_whole_number_is_refused_where_the_store_has_these(
    filled: Store, name: str
) -> None:
    _append(filled, _title(7))
    with pytest.raises(InvalidQuestion, match="whole numbers in this store"):
        filled.find_entity(EntityKind.VIDEO, name)
    assert filled.find_entity(EntityKind.VIDEO, "7") == 7


@settings(deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True)
)
def test_different_texts_have_different_numbers(texts: list[str]) -> None:
    texts = [text for text in texts if "\0" not in text and len(text.encode()) <= 512]
    ids = ExternalIds()
    numbers = [ids.note(EntityKind.VIDEO, text, field="video_id") for text in texts]
    assert [ids.texts[EntityKind.VIDEO][number] for number in numbers] == texts
