"""Records name entities by texts, and mean what facts appended by texts mean."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pagesim.ingest.v1 import ingest_pb2
from pagesim.page.v1 import page_pb2
from pagesim.timetravel.v1 import timetravel_pb2

from core.columns import encode_floats, encode_integers
from tests.support.effort import effort
from tests.support.facts.dirty_facts import seeded
from tests.support.facts.ingest_service import NOW, PAST, chunk, page_bytes, taste
from timetravel.database.engine import writing
from timetravel.errors import ChunkExists, InvalidChunk
from timetravel.facts import external_ids
from timetravel.facts.external_ids import ExternalIds, IdForm, hash_id
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    LoggedFeatures,
    LoggedPageFact,
    Op,
)
from timetravel.ingest.limits import Limits
from timetravel.ingest.stream.chunks import ChunkTaker
from timetravel.queries.entity_ids import read_texts
from timetravel.writing import entity_ids
from timetravel.writing.tombstones import note_erased

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import sqlalchemy as sa

    from timetravel.facts.model import Fact
    from timetravel.store import Store

VIDEO, PROFILE = EntityKind.VIDEO, EntityKind.PROFILE
SHAPE = {"rows": 2, "columns": 2, "viewport_rows": 1, "viewport_columns": 1}
ANN, ALIEN, HEAT = " ann", "tt-1", "\u00e9"


def record(fact: str, op: int = 1, /, **values: Any) -> ingest_pb2.Record:  # noqa: ANN401 - fields
    made = ingest_pb2.Record(valid_from=PAST, known_at=PAST, **{fact: values})  # type: ignore[arg-type]  # as given
    made.op = timetravel_pb2.Op.ValueType(op)
    return made


def play(profile: str = ANN, video: str = ALIEN, event_id: str = "e") -> ingest_pb2.Record:
    return record(
        "event",
        event_id=event_id,
        kind=1,
        profile_external_id=profile,
        video_external_id=video,
    )


def numbered_play(profile_id: int, video_id: int) -> ingest_pb2.Record:
    return record("event", event_id="n", kind=1, profile_id=profile_id, video_id=video_id)


def page(**changed: Any) -> bytes:  # noqa: ANN401 - fields
    videos = [{"external_id": HEAT, "score": 0.5, "title": "Heat"}, {"external_id": ALIEN}]
    right = {
        "external_id": ANN,
        "as_of": PAST,
        "device": "tv",
        "geometry": SHAPE,
        "rows": [{"row_id": "new", "type": 7, "videos": videos}],
    }
    return page_pb2.Page(**{**right, **changed}).SerializeToString()


def logged_page(op: int = 1, /, **changed: Any) -> ingest_pb2.Record:  # noqa: ANN401 - fields
    right = {"profile_external_id": ANN, "device": "tv", "context_json": "{}", "page": page()}
    return record("logged_page", op, **{**right, **changed})


def logged_features(group: str, texts: Sequence[str]) -> timetravel_pb2.LoggedFeatures:
    return timetravel_pb2.LoggedFeatures(
        group=group,
        entity_external_ids=texts,
        values=encode_floats([0.5] * 2 * len(texts)),
        known_at_micros=encode_integers([0] * len(texts)),
        valid_from_micros=encode_integers([0] * len(texts)),
    )


def blocked(value: dict[str, str]) -> ingest_pb2.Record:
    return record(
        "attribute", kind=1, entity_external_id=ANN, name="blocked_videos", value=value
    )


RIGHT = [
    taste(feature_entity_id=0, feature_entity_external_id=ANN),
    record("attribute", kind=2, entity_external_id=HEAT, name="title", value={"text": "Heat"}),
    blocked({"json": f'["{ALIEN}", "not shown yet"]'}),
    record("allocation", profile_external_id="bob", test="order", cell="B"),
    record(
        "availability",
        window_id="w",
        video_external_id=ALIEN,
        country="NZ",
        valid_to=Timestamp(seconds=NOW // 1_000_000),
    ),
    play(),
    play("007", "7", "other"),
    logged_page(features=[logged_features("profile_taste", [ANN, "007"])]),
    logged_page(3, profile_external_id="bob", device="", context_json="", page=b""),
]
"""By texts, one of every kind of fact that is about an entity."""


def facts_of(ids: ExternalIds) -> list[Fact]:
    """Return what the records say, by the numbers of their texts."""
    ann, bob, seven = (ids.note(PROFILE, text, field="") for text in (ANN, "bob", "007"))
    alien, heat, later, other = (
        ids.note(VIDEO, text, field="") for text in (ALIEN, HEAT, "not shown yet", "7")
    )
    times = (PAST.seconds * 1_000_000,) * 2
    values = np.array([1.0, 2.0], np.float32)
    videos = [{"video_id": heat, "score": 0.5}, {"video_id": alien}]
    canonical = page_bytes(
        profile_id=ann, rows=[{"row_id": "new", "type": 7, "videos": videos}]
    )
    logged = LoggedFeatures(
        "profile_taste",
        np.array([ann, seven], np.int64),
        np.full((2, 2), 0.5, np.float32),
        np.zeros(2, np.int64),
        np.zeros(2, np.int64),
    )
    digest = hashlib.sha256(canonical).hexdigest()
    return [
        FeatureFact("profile_taste", ann, *times, values),
        AttributeFact(VIDEO, heat, "title", *times, "Heat"),
        AttributeFact(PROFILE, ann, "blocked_videos", *times, [alien, later]),
        AllocationFact(bob, "order", *times, "B"),
        AvailabilityFact("w", alien, "NZ", times[0], NOW, times[1]),
        EventFact("e", ann, times[0], EventKind.PLAY, alien, None, times[1]),
        EventFact("other", seven, times[0], EventKind.PLAY, other, None, times[1]),
        LoggedPageFact(ann, *times, "tv", {}, canonical, digest, (logged,)),
        LoggedPageFact.withdraw(bob, *times, Op.RETRACT),
    ]


@pytest.fixture
def taker(store: Store) -> ChunkTaker:
    return ChunkTaker(store, Limits(), lambda: NOW)


def mistakes_of(
    taker: ChunkTaker, records: Sequence[ingest_pb2.Record], sequence: int = 1
) -> list[tuple[int, str, str]]:
    with pytest.raises(InvalidChunk) as refused:
        taker.take(chunk(records=records, sequence=sequence))
    assert all(mistake.remedy for mistake in refused.value.mistakes)
    return [(mistake.index, mistake.field, mistake.rule) for mistake in refused.value.mistakes]


@pytest.mark.scaled
def test_records_by_texts_leave_what_facts_appended_by_texts_leave(
    new_store: Callable[[], Store],
) -> None:
    appended, ids = new_store(), ExternalIds()
    facts = facts_of(ids)
    with appended.begin(NOW) as writer:
        writer.append(facts, source="test", synthetic=False, external_ids=ids)
    chance = seeded(4)
    for _ in range(effort(3, 20)):
        store, records = new_store(), [*RIGHT, RIGHT[1], RIGHT[5]]
        chance.shuffle(records)
        ChunkTaker(store, Limits(), lambda: NOW).take(chunk(records=records))
        assert store.digest() == appended.digest()
        assert store.id_forms() == dict.fromkeys(EntityKind, IdForm.TEXTS)
        for kind, texts in ids.texts.items():
            assert store.name_entities(kind, list(texts)) == list(texts.values())


def test_a_page_by_texts_is_logged_as_its_canonical_bytes(
    taker: ChunkTaker, store: Store
) -> None:
    taker.take(chunk(records=[logged_page()]))
    (logged,) = store.logged_pages()
    ann, heat, alien = (
        hash_id(PROFILE, ANN),
        hash_id(VIDEO, HEAT),
        hash_id(VIDEO, ALIEN),
    )
    videos = [{"video_id": heat, "score": 0.5}, {"video_id": alien}]
    assert logged.profile_id == ann
    assert logged.page == page_bytes(
        profile_id=ann, rows=[{"row_id": "new", "type": 7, "videos": videos}]
    )
    assert store.name_entities(VIDEO, [heat, alien]) == [HEAT, ALIEN]


def test_a_chunk_by_texts_that_comes_again_is_answered_as_before(
    taker: ChunkTaker, store: Store
) -> None:
    first = taker.take(chunk(records=RIGHT))
    digest = store.digest()
    assert taker.take(chunk(records=RIGHT)) == first
    with pytest.raises(ChunkExists):
        taker.take(chunk(records=[play(ANN.strip())]))
    assert store.digest() == digest
    assert taker.take(chunk(records=RIGHT, sequence=2)).records == len(RIGHT)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "An id is empty"),
        ("x" * 513, "has 513 bytes"),
        ("\u00e9" * 257, "has 514 bytes"),
        ("a\0b", "no store can hold"),
    ],
)
def test_a_text_that_is_no_id_is_refused_by_name(
    taker: ChunkTaker, store: Store, text: str, rule: str
) -> None:
    wrong = [
        (taste(feature_entity_id=0, feature_entity_external_id=text), "feature.entity"),
        (record("attribute", kind=1, entity_external_id=text, name="n"), "attribute.entity"),
        (record("allocation", profile_external_id=text, test="t"), "allocation.profile"),
        (record("availability", video_external_id=text), "availability.video"),
        (play(profile=text), "event.profile"),
        (play(video=text), "event.video"),
        (logged_page(profile_external_id=text), "logged_page.profile"),
    ]
    found = mistakes_of(taker, [play(), *(one for one, _ in wrong)])
    for index, (_, field) in enumerate(wrong, 1):
        (told,) = [
            one for at, name, one in found if (at, name) == (index, f"{field}_external_id")
        ]
        assert rule in told
    ((_, field, told),) = mistakes_of(taker, [logged_page(page=page(external_id=text))])
    assert field == "logged_page.page"
    assert rule in told
    features = [logged_features("profile_taste", [ANN, text])]
    ((_, field, told),) = mistakes_of(taker, [logged_page(features=features)])
    assert field == "logged_page.features.entity_external_ids"
    assert rule in told
    assert set(store.count_facts().values()) == {0}


def test_a_number_and_a_text_of_one_entity_are_refused(taker: ChunkTaker) -> None:
    both = play()
    both.event.video_id = 3
    features = logged_features("profile_taste", [ANN])
    features.entity_ids.CopyFrom(encode_integers([1]))
    records = [both, logged_page(page=page(profile_id=3)), logged_page(features=[features])]
    assert mistakes_of(taker, records) == [
        (0, "event.video_external_id", "The video has a number, 3, and a text."),
        (1, "logged_page.page", "The profile has a number, 3, and a text."),
        (
            2,
            "logged_page.features.entity_external_ids",
            "The entities have numbers and texts.",
        ),
    ]


def test_a_record_that_names_an_entity_otherwise_than_the_store_is_named(
    taker: ChunkTaker, store: Store
) -> None:
    taker.take(chunk(records=[numbered_play(1, 2)]))
    rule = "Profiles have whole numbers in this store, and texts here."
    found = mistakes_of(taker, [numbered_play(1, 2), play(), logged_page()], 2)
    assert (1, "event.profile_external_id", rule) in found
    assert (2, "logged_page.profile_external_id", rule) in found
    video = "Videos have whole numbers in this store, and texts here."
    row = {"row_id": "new", "type": 7, "videos": [{"external_id": ALIEN}]}
    inner = page(external_id=None, profile_id=1, rows=[row])
    wrong = logged_page(profile_external_id=None, profile_id=1, page=inner)
    assert mistakes_of(taker, [wrong], 2) == [(0, "logged_page.page", video)]
    assert set(store.id_forms().values()) == {IdForm.NUMBERS}


def test_a_number_is_refused_where_the_store_or_the_chunk_has_texts(
    taker: ChunkTaker,
) -> None:
    rule = "{} have texts in this store, and whole numbers here."
    expected = [
        (0, "event.profile_id", rule.format("Profiles")),
        (0, "event.video_id", rule.format("Videos")),
    ]
    records = [numbered_play(hash_id(PROFILE, ANN), 2), logged_page()]
    assert mistakes_of(taker, records) == expected
    taker.take(chunk(records=[play()]))
    assert mistakes_of(taker, records, 2) == expected
    numbered = logged_page(page=page_bytes(profile_id=hash_id(PROFILE, ANN)))
    ((_, field, told),) = mistakes_of(taker, [numbered], 2)
    assert (field, told) == ("logged_page.page", rule.format("Profiles"))
    features = timetravel_pb2.LoggedFeatures(
        group="profile_taste",
        entity_ids=encode_integers([1]),
        values=encode_floats([0.5, 0.5]),
        known_at_micros=encode_integers([0]),
        valid_from_micros=encode_integers([0]),
    )
    ((_, field, told),) = mistakes_of(taker, [logged_page(features=[features])], 2)
    assert (field, told) == ("logged_page.features.entity_ids", rule.format("Profiles"))


def test_logged_features_by_texts_need_a_group_that_says_what_they_name(
    taker: ChunkTaker,
) -> None:
    features = [logged_features("unheard", [ANN])]
    ((_, field, rule),) = mistakes_of(taker, [logged_page(features=features)])
    assert field == "logged_page.features.entity_external_ids"
    assert "not registered" in rule


def test_how_entities_are_named_may_be_settled_while_a_chunk_is_decoded(
    taker: ChunkTaker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker.take(chunk(records=[play()]))
    # Another sender was faster.
    monkeypatch.setattr(store, "id_forms", dict)
    found = mistakes_of(taker, [numbered_play(1, 2)], 2)
    assert [(index, field) for index, field, _ in found] == [
        (0, "event.profile_id"),
        (0, "event.video_id"),
    ]
    assert taker.take(chunk(records=[play("bob", HEAT, "b")], sequence=2)).records == 1


def test_two_texts_of_one_number_are_refused_in_one_chunk_and_in_two(
    taker: ChunkTaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_ids, "hash_id", lambda _kind, _text: 5)
    problem = "'one' and 'two' of videos have one hash, 5"
    one, two = play(video="one"), play(video="two", event_id="two")
    ((index, field, rule),) = mistakes_of(taker, [one, two])
    assert (index, field) == (1, "event.video_external_id")
    assert problem in rule
    taker.take(chunk(records=[one]))
    with pytest.raises(InvalidChunk, match=problem):
        taker.take(chunk(records=[two], sequence=2))


@pytest.mark.parametrize("kind", ["attribute", "feature"])
def test_what_contradicts_the_store_is_found_among_records_of_entities_that_are_new(
    taker: ChunkTaker, kind: str
) -> None:
    def said(text: str, value: float) -> ingest_pb2.Record:
        if kind == "feature":
            found = taste(feature_entity_id=0, feature_entity_external_id=text)
            found.feature.values[0] = value
            return found
        given = {"number": value}
        return record(kind, kind=1, entity_external_id=text, name="spent", value=given)

    taker.take(chunk(records=[said("p5", 1), play("p6", event_id="6")]))
    everybody = [said(f"p{number}", 2) for number in range(10)]
    ((index, field, rule),) = mistakes_of(taker, everybody, 2)
    assert (index, field) == (5, "known_at")
    assert "A fact in the store" in rule
    del everybody[5]
    assert taker.take(chunk(records=everybody, sequence=2)).records == len(everybody)


def test_records_about_an_erased_profile_are_named_by_its_text(
    taker: ChunkTaker, store: Store
) -> None:
    taker.take(chunk(records=[play()]))
    with writing(store.engine) as connection:
        note_erased(connection, [hash_id(PROFILE, ANN)], 1)
    records = [play("bob", event_id="b"), play(event_id="a"), logged_page()]
    found = mistakes_of(taker, records, 2)
    assert [index for index, _, _ in found] == [1, 2]
    assert all(ANN in rule for _, _, rule in found)


def test_to_find_a_refused_record_the_texts_of_each_are_looked_up_but_not_of_all(
    taker: ChunkTaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = 0

    def counting(
        connection: sa.Connection, kind: EntityKind, numbers: Sequence[int]
    ) -> dict[int, str]:
        nonlocal looked_up
        looked_up += len(numbers)
        return read_texts(connection, kind, numbers)

    monkeypatch.setattr(entity_ids, "read_texts", counting)
    records = [play(f"p{n}", f"v{n}", f"e{n}") for n in range(60)]
    wrong = record(
        "event",
        event_id="e7",
        kind=1,
        profile_external_id="p7",
        video_external_id="v7",
        value=0.5,
    )
    assert [index for index, _, _ in mistakes_of(taker, [*records, wrong])] == [60]
    assert looked_up <= 4 * len(records) + 4
