"""Ids of any kind are loaded, and the store keeps to the form that its first facts had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pagesim.ingest.v1 import ingest_pb2
from pagesim.timetravel.v1 import timetravel_pb2

from core.moments import parse_moment
from core.timestamps import encode_timestamp
from services.page.canonical import parse_page
from tests.support.facts.ingest_service import NOW, chunk
from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import EntityNames, IdForm, hash_id
from timetravel.facts.meanings import convert_attribute
from timetravel.facts.model import EntityKind
from timetravel.ingest.limits import Limits
from timetravel.ingest.stream.chunks import ChunkTaker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.unit.experiments.ingest.conftest import Load
    from timetravel.facts.model import JsonValue
    from timetravel.store import Store

T = parse_moment("2024-03-04T12:00:00Z")
PLAYS = """
source: test
event_id: id
profile_id: {profile}
event_at: at
known_at: at
kind: {{constant: play}}
video_id: {video}
"""
PLAIN = PLAYS.format(profile="profile", video="film")
AS_TEXT = PLAYS.format(profile="{column: profile, as: text}", video="{column: film, as: text}")
TEXTS = {EntityKind.PROFILE: IdForm.TEXTS, EntityKind.VIDEO: IdForm.TEXTS}


def write_csv(name: str, plays: Sequence[tuple[str, str]], *, first: int = 0) -> Path:
    lines = ["id,profile,at,film"]
    for number, (profile, film) in enumerate(plays, start=first):
        lines.append(f'e{number},"{profile}",2024-03-04T12:00:00Z,"{film}"')
    path = Path(name)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def names_of_plays(store: Store, profile: str) -> list[str]:
    profile_id = store.find_entity(EntityKind.PROFILE, profile)
    history = store.as_of().history([profile_id], T)
    return sorted(store.name_entities(EntityKind.VIDEO, history.video_ids.tolist()))


def test_texts_are_taken_by_themselves_where_no_id_is_a_whole_number(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store]
) -> None:
    store = new_store()
    plays = [(" ann", "tt-1"), ("Ann", "tt-2"), (" ann", "e\u0301"), (" ann", "\u00e9")]
    report = load_into(store)([write_csv("plays.csv", plays)], "events", PLAIN)
    assert (report.facts, report.refused) == (4, 0)
    assert store.id_forms() == TEXTS
    assert names_of_plays(store, " ann") == ["e\u0301", "tt-1", "\u00e9"]
    assert names_of_plays(store, "Ann") == ["tt-2"]


def test_texts_that_look_like_numbers_are_told_apart_where_the_mapping_says_so(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store]
) -> None:
    store = new_store()
    load = load_into(store)
    load([write_csv("plays.csv", [("7", "01"), ("007", "1")])], "events", AS_TEXT)
    assert names_of_plays(store, "7") == ["01"]
    assert names_of_plays(store, "007") == ["1"]
    # From now on no mapping needs to say so.
    load([write_csv("more.csv", [("7", "2")], first=9)], "events", PLAIN, stream="more")
    assert names_of_plays(store, "7") == ["01", "2"]


def test_one_wrong_id_among_whole_numbers_is_refused_and_decides_nothing(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store]
) -> None:
    store = new_store()
    path = write_csv("plays.csv", [("7", "1"), ("n/a", "2")])
    report = load_into(store)([path], "events", PLAIN)
    assert (report.facts, report.refused) == (1, 1)
    assert set(store.id_forms().values()) == {IdForm.NUMBERS}


@pytest.mark.parametrize("is_dry", [True, False])
def test_texts_are_refused_where_the_store_has_numbers(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store], *, is_dry: bool
) -> None:
    store = new_store()
    load = load_into(store)
    load([write_csv("numbers.csv", [("7", "1")])], "events", PLAIN)
    texts = write_csv("texts.csv", [("ann", "alien")], first=5)
    with pytest.raises(InvalidFact, match="Profiles have whole numbers in this store"):
        load([texts], "events", AS_TEXT, stream="texts", is_dry=is_dry)
    report = load([texts], "events", PLAIN, stream="plain", is_dry=is_dry)
    assert (report.facts, report.refused) == (0, 1)


@pytest.mark.parametrize("wrong", ["x" * 513, "a\0b"])
def test_an_id_that_no_store_holds_is_refused(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store], wrong: str
) -> None:
    store, path = new_store(), Path("plays.jsonl")
    records = [
        {"id": f"e{number}", "profile": profile, "at": "2024-03-04T12:00:00Z", "film": "alien"}
        for number, profile in enumerate(["ann", wrong, "", None])
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = load_into(store)([path], "events", AS_TEXT)
    assert (report.facts, report.refused) == (1, 3)


def test_slices_and_formats_make_no_difference(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store]
) -> None:
    plays = [(f"member-{number % 7}", f"film-{number % 11}") for number in range(60)]
    csv, parquet = write_csv("plays.csv", plays), Path("plays.parquet")
    table = pa.table(
        {
            "id": [f"e{number}" for number in range(60)],
            "profile": pa.array([one for one, _ in plays]).dictionary_encode(),
            "at": pa.array(np.full(60, T), pa.timestamp("us", "UTC")),
            "film": [film for _, film in plays],
        }
    )
    pq.write_table(table, parquet)
    found = []
    for path, size in ((csv, 100), (csv, 7), (parquet, 13)):
        store = new_store()
        load_into(store)([path], "events", PLAIN, records_per_chunk=size)
        found.append([names_of_plays(store, f"member-{number}") for number in range(7)])
    assert found[0] == found[1] == found[2]


def test_the_service_leaves_what_files_leave(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store]
) -> None:
    plays = [(" ann", "tt-1"), ("Ann", "\u00e9"), ("007", "7")]
    by_file, by_service = new_store(), new_store()
    load_into(by_file)([write_csv("plays.csv", plays)], "events", AS_TEXT)
    records = [
        ingest_pb2.Record(
            op=timetravel_pb2.OP_ASSERT,
            valid_from=encode_timestamp(T),
            known_at=encode_timestamp(T),
            event=ingest_pb2.EventRecord(
                event_id=f"e{number}",
                kind=timetravel_pb2.EVENT_KIND_PLAY,
                profile_external_id=profile,
                video_external_id=film,
            ),
        )
        for number, (profile, film) in enumerate(plays)
    ]
    ChunkTaker(by_service, Limits(), lambda: NOW).take(chunk(records=reversed(records)))
    assert by_service.digest() == by_file.digest()
    for profile, film in plays:
        assert names_of_plays(by_service, profile) == [film]


@pytest.mark.parametrize(
    ("given", "numbered"),
    [
        (["a", "7"], ["a", "7"]),
        ('["a", "7"]', ["a", "7"]),
        ("a", ["a"]),
        (7, ["7"]),
        ("a,b", None),
        ([None], None),
    ],
)
def test_lists_of_texts_are_read_as_lists_of_numbers_are(
    given: JsonValue, numbered: list[str] | None
) -> None:
    names = EntityNames(TEXTS)
    key = (EntityKind.PROFILE, "blocked_videos", given, names)
    if numbered is None:
        with pytest.raises(InvalidFact, match="list of video ids"):
            convert_attribute(*key)
    else:
        expected = [hash_id(EntityKind.VIDEO, text) for text in numbered]
        assert convert_attribute(*key) == expected


def test_attributes_features_and_pages_name_entities_by_texts(
    load_into: Callable[[Store], Load], new_store: Callable[[], Store]
) -> None:
    store = new_store()
    load = load_into(store)
    moment = "2024-03-04T12:00:00Z"
    times = {"known_at": moment, "valid_from": moment}
    catalogue = Path("films.jsonl")
    catalogue.write_text(
        "".join(json.dumps({"film": film, "title": film, **times}) + "\n" for film in "ab")
    )
    mapping = "source: test\nvalid_from: valid_from\nknown_at: known_at\n"
    load(
        [catalogue],
        "attributes",
        f"{mapping}entity_kind: {{constant: video}}\nentity_id: film\nvalues: {{title: title}}",
    )
    members = Path("members.jsonl")
    members.write_text(json.dumps({"who": "ann", "blocked_videos": ["b"], **times}) + "\n")
    load(
        [members],
        "attributes",
        f"{mapping}entity_kind: {{constant: profile}}\nentity_id: who\n"
        "values: {blocked_videos: blocked_videos}",
    )
    taste = Path("taste.jsonl")
    taste.write_text(json.dumps({"who": "ann", "taste": 0.5, **times}) + "\n")
    load(
        [taste],
        "features",
        f"{mapping}group: {{name: own, entity_kind: profile}}\nentity_id: who\nvalues: [taste]",
    )
    pages = Path("pages.jsonl")
    shape = {"rows": 1, "columns": 1, "viewport_rows": 1, "viewport_columns": 1}
    row = {"row_id": "r", "type": "popular", "videos": [{"video_id": "a", "score": 1.0}]}
    page = {"geometry": shape, "rows": [row]}
    pages.write_text(json.dumps({"who": "ann", "at": moment, "page": page}) + "\n")
    load(
        [pages],
        "logged_pages",
        "source: test\nprofile_id: who\nshown_at: at\nknown_at: at\n"
        "device: {constant: tv}\npage: page",
    )
    ann = store.find_entity(EntityKind.PROFILE, "ann")
    reader = store.as_of()
    blocked = reader.attributes(EntityKind.PROFILE, [ann], T, ["blocked_videos"])
    assert blocked.columns["blocked_videos"] == [[hash_id(EntityKind.VIDEO, "b")]]
    assert reader.features("own", [ann], T).values.tolist() == [[0.5]]
    (logged,) = store.logged_pages()
    assert logged.profile_id == ann
    shown = parse_page(logged.page).rows[0].videos[0].video_id
    assert store.name_entities(EntityKind.VIDEO, [shown]) == ["a"]
