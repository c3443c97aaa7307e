"""Reads for people take the texts by which a store was told of entities, and say them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from pagesim.timetravel.v1 import timetravel_pb2, timetravel_pb2_grpc

from core.grpc_status import raising_peer_errors
from mesh.call.context import CallContext
from mesh.serving import Registration, ServingOptions, connect_without_mesh, start
from timetravel.database.migrate import upgrade
from timetravel.errors import UnknownEntity
from timetravel.facts.external_ids import ExternalIds, hash_id
from timetravel.facts.model import (
    AttributeFact,
    EntityKind,
    EventFact,
    EventKind,
    LoggedPageFact,
)
from timetravel.rpc.server import add_time_travel
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from timetravel.facts.model import Fact

TITLES: Final = ("tt0078748", "007")
PROFILE: Final = timetravel_pb2.ENTITY_KIND_PROFILE
SECOND: Final = 1_000_000


@pytest.fixture
def named(tmp_path: Path) -> Iterator[timetravel_pb2_grpc.TimeTravelServiceStub]:
    """A service over a store whose entities have texts: ann played alien and blocked heat."""
    url = f"sqlite:///{tmp_path / 'named.db'}"
    upgrade(url)
    with Store.open(url) as store:
        ids = ExternalIds()
        ann = ids.note(EntityKind.PROFILE, "ann", field="profile")
        alien, heat = (ids.note(EntityKind.VIDEO, name, field="video") for name in TITLES)
        facts: list[Fact] = [
            AttributeFact(EntityKind.PROFILE, ann, "country", 0, 0, "NZ"),
            AttributeFact(EntityKind.PROFILE, ann, "blocked_videos", 0, 0, [heat, alien]),
            AttributeFact(EntityKind.VIDEO, alien, "title", 0, 0, "Alien"),
            EventFact("e1", ann, SECOND, EventKind.PLAY, alien, 1.0, SECOND),
            LoggedPageFact(ann, SECOND, SECOND, "tv", {}, b"page", "digest"),
        ]
        with store.begin(0) as writer:
            writer.append(facts, source="test", synthetic=False, external_ids=ids)
        service = "pagesim.timetravel.v1.TimeTravelService"
        server = start(
            [Registration(service, lambda server: add_time_travel(server, store))],
            ServingOptions(),
        )
        with connect_without_mesh(server.address, CallContext("test", 100 * SECOND)) as channel:
            yield timetravel_pb2_grpc.TimeTravelServiceStub(channel)
        server.stop(0)


def test_an_entity_is_asked_for_and_described_by_texts(
    named: timetravel_pb2_grpc.TimeTravelServiceStub,
) -> None:
    answer = named.GetEntity(timetravel_pb2.GetEntityRequest(kind=PROFILE, external_id="ann"))
    assert answer.external_id == "ann"
    assert MessageToDict(answer.attributes) == {
        "country": "NZ",
        "blocked_videos": ["007", "tt0078748"],
    }
    number = hash_id(EntityKind.PROFILE, "ann")
    by_number = timetravel_pb2.GetEntityRequest(kind=PROFILE, entity_id=number)
    assert named.GetEntity(by_number) == answer
    early = timetravel_pb2.GetEntityRequest(
        kind=PROFILE, external_id="ann", as_of=Timestamp(seconds=-5)
    )
    with (
        pytest.raises(UnknownEntity, match="profile 'ann' at 1969") as refused,
        raising_peer_errors(),
    ):
        named.GetEntity(early)
    assert refused.value.field == "external_id"


def test_a_history_says_the_texts_of_its_entity_and_of_videos_beside_their_numbers(
    named: timetravel_pb2_grpc.TimeTravelServiceStub,
) -> None:
    asked = timetravel_pb2.GetEntityHistoryRequest(
        entity=timetravel_pb2.EntityRef(kind=PROFILE, external_id="ann")
    )
    versions = [
        one.version for answer in named.GetEntityHistory(asked) for one in answer.versions
    ]
    number = hash_id(EntityKind.PROFILE, "ann")
    assert {one.entity.external_id for one in versions} == {"ann"}
    assert {one.entity.entity_id for one in versions} == {number}
    videos = {one.name: list(one.video_external_ids) for one in versions}
    assert videos == {
        "country": [],
        "blocked_videos": ["007", "tt0078748"],
        "e1": ["tt0078748"],
        "": [],
    }
    assert any(str(hash_id(EntityKind.VIDEO, "007")) in one.value_json for one in versions)


def test_changes_of_an_entity_are_asked_for_and_told_by_its_text(
    named: timetravel_pb2_grpc.TimeTravelServiceStub,
) -> None:
    asked = timetravel_pb2.ListFactChangesRequest(
        axis=timetravel_pb2.TIME_AXIS_VALID,
        since=Timestamp(seconds=-1),
        entities=[
            timetravel_pb2.EntityRef(
                kind=timetravel_pb2.ENTITY_KIND_VIDEO, external_id=TITLES[0]
            )
        ],
    )
    (version,) = (one for answer in named.ListFactChanges(asked) for one in answer.versions)
    assert (version.name, version.entity.external_id) == ("title", TITLES[0])


def test_logged_pages_are_asked_for_and_told_by_the_text_of_their_profile(
    named: timetravel_pb2_grpc.TimeTravelServiceStub,
) -> None:
    asked = timetravel_pb2.ListLoggedPagesRequest(profile_external_ids=["ann"])
    (page,) = (one for answer in named.ListLoggedPages(asked) for one in answer.pages)
    assert page.profile_external_id == "ann"
    assert page.profile_id == hash_id(EntityKind.PROFILE, "ann")
    unknown = timetravel_pb2.ListLoggedPagesRequest(profile_external_ids=["ann", "bob"])
    with (
        pytest.raises(UnknownEntity, match="no profile 'bob'") as refused,
        raising_peer_errors(),
    ):
        list(named.ListLoggedPages(unknown))
    assert refused.value.field == "profile_external_ids"
