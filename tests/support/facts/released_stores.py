"""Stores as released revisions left them: rows of every table, and what they answered.

tests/golden/stores/REVISION.json was written by the code of that revision. The one of the
newest revision is written by `pytest --golden-update`; those of earlier ones never again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import sqlalchemy as sa

from timetravel.database.engine import create_engine, parse_url, writing
from timetravel.errors import UnknownDocument
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    Attribution,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
    LoggedFeatures,
    LoggedPageFact,
    Op,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from timetravel.facts.model import Fact
    from timetravel.queries.as_of_reader import AsOfReader
    from timetravel.store import Store

FOLDER: Final = Path(__file__).parents[2] / "golden" / "stores"
TASTE: Final = FeatureGroup("taste", EntityKind.PROFILE, 1, ("a", "b"))
POPULARITY: Final = FeatureGroup("popularity", EntityKind.VIDEO, 1, ("a",))
PROFILES: Final = (1, 2)
VIDEOS: Final = (7, 8)
MOMENTS: Final = (5, 15, 25, 45)


def fill(store: Store) -> None:
    """Append facts of every kind, some late, corrected, absent and retracted."""
    for turn, batch in enumerate(_batches()):
        with store.begin(turn) as writer:
            writer.register(TASTE)
            writer.register(POPULARITY)
            writer.append(batch, source=f"batch {turn}", synthetic=bool(turn))
            writer.set_cursor("job", {"turn": turn})


def _batches() -> Sequence[Sequence[Fact]]:
    vector = np.array([0.5, np.nan], np.float32)
    ids = np.array(VIDEOS, np.int64)
    logged = LoggedFeatures("popularity", ids, np.ones((2, 1), np.float32), ids, ids)
    page = LoggedPageFact(1, 20, 21, "tv", {"country": "NZ"}, b"\x00page", "digest", (logged,))
    attribution = Attribution(20, "genre", 3)

    def title(video: int, valid_from: int, known_at: int, text: str) -> AttributeFact:
        return AttributeFact(EntityKind.VIDEO, video, "title", valid_from, known_at, text)

    return (
        (
            *(title(video, 0, 0, f"video {video} ä") for video in VIDEOS),
            AttributeFact(EntityKind.PROFILE, 1, "country", 0, 0, "NZ"),
            AllocationFact(1, "artwork", 10, 11, "B"),
            FeatureFact("taste", 1, 10, 11, vector),
            FeatureFact("popularity", 7, 10, 10, np.array([2], np.float32)),
            EventFact("e1", 1, 12, EventKind.PLAY, 7, 0.5, 13, attribution=attribution),
            EventFact("e2", 2, 14, EventKind.THUMB, 8, None, 14),
            AvailabilityFact("w1", 7, "NZ", 0, 30, 0),
            DocumentFact("configuration", "homepage", 0, 0, 1, {"rows": [1, 2]}),
            page,
        ),
        (
            title(7, 0, 22, "corrected"),
            title(8, 18, 40, "late"),
            AttributeFact(EntityKind.PROFILE, 2, "country", 0, 30, None, Op.ABSENT),
            FeatureFact("taste", 1, 10, 24, None, Op.RETRACT),
            FeatureFact("taste", 2, 20, 20, vector * 2),
            EventFact("e1", 2, 12, EventKind.PLAY, 7, 0.75, 23),
            EventFact("e2", 2, 14, EventKind.THUMB, 8, None, 24, Op.RETRACT),
            AvailabilityFact("w1", 7, "NZ", 0, 20, 16),
            DocumentFact("configuration", "homepage", 20, 20, 2, {"rows": []}),
            LoggedPageFact.withdraw(1, 20, 44),
            LoggedPageFact(2, 30, 31, "phone", {}, b"second", "digest 2"),
        ),
    )


def describe(store: Store) -> dict[str, Any]:
    """Return what a store answers, as values for JSON."""
    newest = store.snapshot()
    answers: dict[str, Any] = {"snapshot": newest, "cursor": dict(store.cursor("job") or {})}
    for snapshot in (newest - 1, newest):
        for known_by in (None, 22):
            reader = store.as_of(snapshot, known_by)
            for at in MOMENTS:
                key = f"snapshot {snapshot}, known by {known_by}, at {at}"
                answers[key] = _describe_moment(reader, at)
    answers["pages"] = [
        [page.profile_id, page.shown_at, page.known_at, page.device, dict(page.context)]
        + [page.page.hex(), page.page_digest]
        + [[one.group, one.entity_ids.tolist(), _plain(one.values)] for one in page.features]
        for page in store.logged_pages()
    ]
    return answers


def _describe_moment(reader: AsOfReader, at: int) -> list[Any]:
    history = reader.history(PROFILES, at)
    columns = (history.video_ids, history.event_at, history.kinds, history.values)
    catalogue, licences = reader.catalogue(at, ["title"]), reader.availability(at)
    try:
        document: Any = dict(reader.document("configuration", "homepage", at).body)
    except UnknownDocument:
        document = None
    return [
        _plain(reader.features("taste", PROFILES, at).values),
        _plain(reader.features("popularity", VIDEOS, at).values),
        dict(reader.attributes(EntityKind.PROFILE, PROFILES, at, ["country"]).columns),
        history.offsets.tolist(),
        [_plain(column) for column in columns],
        [catalogue.video_ids.tolist(), dict(catalogue.columns), catalogue.unchanged_until],
        [list(licences.countries), licences.available.tolist(), licences.unchanged_until],
        document,
    ]


def dump(store: Store, revision: str) -> str:
    """Return the text of a golden file."""
    tables = {}
    with store.engine.connect() as connection:
        schema = sa.MetaData()
        schema.reflect(connection)
        for table in schema.sorted_tables:
            rows = connection.execute(sa.select(table).order_by(*table.primary_key)).all()
            if table.name != "alembic_version":
                tables[table.name] = {
                    "columns": table.columns.keys(),
                    "rows": [[_to_json(value) for value in row] for row in rows],
                }
    document = {"revision": revision, "tables": tables, "answers": describe(store)}
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def load(url: str, stored: Mapping[str, Any]) -> None:
    """Put the rows of a golden file into the empty tables of a store."""
    engine = create_engine(parse_url(url))
    with writing(engine) as connection:
        schema = sa.MetaData()
        schema.reflect(connection)
        for name, content in stored["tables"].items():
            table = schema.tables[name]
            rows = [
                dict(zip(content["columns"], map(_from_json, row), strict=True))
                for row in content["rows"]
            ]
            if rows:
                connection.execute(table.insert(), rows)
    engine.dispose()


def _to_json(value: object) -> object:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _from_json(value: Any) -> object:  # noqa: ANN401 - any value of JSON
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def _plain(array: NDArray[Any]) -> object:
    plain = array.astype(object)
    if array.dtype.kind == "f":
        plain[np.isnan(array)] = None
    return plain.tolist()
