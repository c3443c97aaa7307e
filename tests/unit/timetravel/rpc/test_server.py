"""The service answers within the context of the call, and never beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from pagesim.columns.v1.columns_pb2 import IntegerColumn
from pagesim.timetravel.v1 import timetravel_pb2, timetravel_pb2_grpc

from core.columns import decode_integers, encode_integers
from core.errors import InvalidInput
from core.grpc_status import raising_peer_errors
from core.moments import LAST_MICROS
from mesh.call.context import CallContext
from mesh.errors import ContradictingAsOf, MissingContext
from mesh.serving import Registration, ServingOptions, connect_without_mesh, start
from timetravel.errors import (
    InvalidQuestion,
    UnknownDocument,
    UnknownEntity,
    UnknownFeatureGroup,
)
from timetravel.facts.external_ids import ExternalIds
from timetravel.facts.model import (
    AttributeFact,
    DocumentFact,
    EntityKind,
    FeatureFact,
    FeatureGroup,
)
from timetravel.rpc.client import TimeTravelClient
from timetravel.rpc.server import add_time_travel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from timetravel.store import Store

    OpenChannel = Callable[..., grpc.Channel]

TASTE = FeatureGroup("taste", EntityKind.PROFILE, 1, ("drama", "comedy"))
SECOND = 1_000_000
AS_OF = 100 * SECOND


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    with store.begin(0) as writer:
        writer.register(TASTE)
        vector = np.array([0.5, np.nan], dtype=np.float32)
        kind = EntityKind.PROFILE
        writer.append(
            [
                FeatureFact("taste", 1, SECOND, 2 * SECOND, vector),
                AttributeFact(kind, 1, "country", 0, SECOND, "NZ"),
                AttributeFact(kind, 1, "devices", 0, SECOND, ["tv", "phone"]),
                AttributeFact(kind, 1, "plan", 50 * SECOND, 99 * SECOND, "basic"),
                DocumentFact("model", "personal", 0, SECOND, 1, {"kind": "linear"}),
            ],
            source="test",
            synthetic=True,
        )
        writer.append(
            [AttributeFact(kind, 1, "country", 0, SECOND, "DE")], source="test", synthetic=True
        )
    service = "pagesim.timetravel.v1.TimeTravelService"
    server = start(
        [Registration(service, lambda server: add_time_travel(server, store))],
        ServingOptions(),
    )
    yield server.address
    server.stop(0)


@pytest.fixture
def connect(address: str) -> Iterator[OpenChannel]:
    opened: list[grpc.Channel] = []

    def open_channel(
        *, as_of: int = AS_OF, known_by: int | None = None, snapshot: int | None = None
    ) -> grpc.Channel:
        context = CallContext("test", as_of, known_by, snapshot)
        opened.append(connect_without_mesh(address, context))
        return opened[-1]

    yield open_channel
    for channel in opened:
        channel.close()


def country(channel: grpc.Channel, at: int) -> object:
    client = TimeTravelClient(channel)
    return client.attributes(EntityKind.PROFILE, [1], at, ["country"]).columns["country"][0]


def test_the_snapshot_of_the_context_is_the_one_that_is_read(
    connect: OpenChannel, store: Store
) -> None:
    assert country(connect(), AS_OF) == "DE"
    assert country(connect(snapshot=2), AS_OF) == "NZ"
    assert TimeTravelClient(connect(snapshot=2)).snapshot() == 2
    assert TimeTravelClient(connect()).snapshot() == store.snapshot()


def test_known_by_takes_the_place_of_each_moment(connect: OpenChannel) -> None:
    assert country(connect(), SECOND // 2) is None
    assert country(connect(known_by=AS_OF), SECOND // 2) == "DE"
    assert country(connect(known_by=0), AS_OF) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, at: client.features("taste", [1, 1], [AS_OF, at]),
        lambda client, at: client.attributes(EntityKind.PROFILE, [1], at, ["country"]),
        lambda client, at: client.history([1], at),
        lambda client, at: client.catalogue(at, []),
        lambda client, at: client.catalogue_features("taste", at),
        lambda client, at: client.availability(at),
        lambda client, at: client.document("model", "personal", at),
    ],
)
def test_a_moment_later_than_the_calls_as_of_is_refused(
    connect: OpenChannel,
    ask: Callable[[TimeTravelClient, int], object],
) -> None:
    with pytest.raises(ContradictingAsOf, match="later than the as-of"), raising_peer_errors():
        ask(TimeTravelClient(connect()), AS_OF + 1)


def test_a_call_without_a_context_is_refused(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = timetravel_pb2_grpc.TimeTravelServiceStub(channel)
        with pytest.raises(MissingContext, match="x-pagesim-stack"), raising_peer_errors():
            stub.GetStore(timetravel_pb2.GetStoreRequest())


def test_rows_without_moments_are_read_at_the_calls_as_of(
    connect: OpenChannel,
) -> None:
    request = timetravel_pb2.BatchGetFeaturesRequest(
        group="taste", entity_ids=encode_integers([1])
    )
    for as_of, found in ((AS_OF, True), (SECOND, False)):
        stub = timetravel_pb2_grpc.TimeTravelServiceStub(connect(as_of=as_of))
        response = stub.BatchGetFeatures(request)
        known_at = decode_integers(response.known_at_micros, field="known_at_micros")
        assert (known_at[0] == 2 * SECOND) is np.bool_(found)
        assert response.lineage.HasField("newest_known_at") is found


def test_an_entity_is_described_for_people(connect: OpenChannel) -> None:
    stub = timetravel_pb2_grpc.TimeTravelServiceStub(connect())
    request = timetravel_pb2.GetEntityRequest(
        kind=timetravel_pb2.ENTITY_KIND_PROFILE, entity_id=1, as_of=Timestamp(seconds=60)
    )
    assert MessageToDict(stub.GetEntity(request), preserving_proto_field_name=True) == {
        "attributes": {"country": "DE", "devices": ["tv", "phone"]},
        "features": [
            {
                "group": "taste",
                "values": {"drama": 0.5},
                "valid_from": "1970-01-01T00:00:01Z",
                "known_at": "1970-01-01T00:00:02Z",
            }
        ],
        "lineage": {"newest_known_at": "1970-01-01T00:00:02Z", "snapshot": "3"},
    }


def test_an_entity_of_which_nothing_is_visible_is_not_found(
    connect: OpenChannel,
) -> None:
    stub = timetravel_pb2_grpc.TimeTravelServiceStub(connect())
    profile = timetravel_pb2.ENTITY_KIND_PROFILE
    for request in (
        timetravel_pb2.GetEntityRequest(kind=profile, entity_id=2),
        timetravel_pb2.GetEntityRequest(kind=profile, entity_id=1, as_of=Timestamp()),
    ):
        with pytest.raises(UnknownEntity, match="Nothing was known"), raising_peer_errors():
            stub.GetEntity(request)


def test_a_moment_outside_the_calendar_is_refused_by_the_service(
    connect: OpenChannel,
) -> None:
    with pytest.raises(InvalidInput, match="as_of"), raising_peer_errors():
        TimeTravelClient(connect()).catalogue(2**62, [])


def test_what_is_not_there_is_named(connect: OpenChannel) -> None:
    client = TimeTravelClient(connect())
    with pytest.raises(UnknownDocument, match="model/unheard"):
        client.document("model", "unheard", AS_OF)
    with pytest.raises(UnknownFeatureGroup, match="Registered are: taste"):
        client.features("unheard", [1], AS_OF)
    with pytest.raises(InvalidQuestion, match="about a profile"):
        client.catalogue_features("taste", AS_OF)


def test_questions_that_do_not_add_up_do_not_leave(
    connect: OpenChannel,
) -> None:
    client = TimeTravelClient(connect())
    with pytest.raises(InvalidQuestion, match="3 moments for 2 rows"):
        client.features("taste", [1, 2], [1, 2, 3])
    with pytest.raises(InvalidQuestion, match="twice"):
        client.catalogue(1, ["title", "title"])


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        (
            "BatchGetFeatures",
            timetravel_pb2.BatchGetFeaturesRequest(
                group="taste",
                entity_ids=encode_integers([1, 2]),
                as_of_micros=encode_integers([1]),
            ),
            "as_of_micros",
        ),
        (
            "BatchGetFeatures",
            timetravel_pb2.BatchGetFeaturesRequest(
                group="taste", entity_ids=IntegerColumn(width_bytes=3, values=b"abc")
            ),
            "entity_ids",
        ),
        (
            "BatchGetHistory",
            timetravel_pb2.BatchGetHistoryRequest(
                profile_ids=encode_integers([1]), as_of_micros=encode_integers([-(2**63)])
            ),
            "as_of_micros",
        ),
        (
            "BatchGetHistory",
            timetravel_pb2.BatchGetHistoryRequest(
                profile_ids=encode_integers([1]),
                kinds=[timetravel_pb2.EVENT_KIND_UNSPECIFIED],
            ),
            "kinds",
        ),
        (
            "BatchGetAttributes",
            timetravel_pb2.BatchGetAttributesRequest(entity_ids=encode_integers([1])),
            "kind",
        ),
        (
            "BatchGetAttributes",
            timetravel_pb2.BatchGetAttributesRequest(
                kind=timetravel_pb2.ENTITY_KIND_VIDEO, names=["a\0b"]
            ),
            "names",
        ),
        (
            "GetCatalogue",
            timetravel_pb2.GetCatalogueRequest(as_of=Timestamp(seconds=2**60)),
            "as_of",
        ),
        (
            "GetDocument",
            timetravel_pb2.GetDocumentRequest(collection="a\0b"),
            "collection",
        ),
        ("FindEntity", timetravel_pb2.FindEntityRequest(external_id="1"), "kind"),
        (
            "FindEntity",
            timetravel_pb2.FindEntityRequest(
                kind=timetravel_pb2.ENTITY_KIND_PROFILE, external_id="ann"
            ),
            "external_id",
        ),
        (
            "GetEntity",
            timetravel_pb2.GetEntityRequest(
                kind=timetravel_pb2.ENTITY_KIND_PROFILE, entity_id=1, external_id="1"
            ),
            "external_id",
        ),
        (
            "GetEntity",
            timetravel_pb2.GetEntityRequest(
                kind=timetravel_pb2.ENTITY_KIND_PROFILE, external_id="ann"
            ),
            "external_id",
        ),
        (
            "BatchGetExternalIds",
            timetravel_pb2.BatchGetExternalIdsRequest(
                kind=timetravel_pb2.ENTITY_KIND_VIDEO,
                entity_ids=IntegerColumn(width_bytes=3, values=b"abc"),
            ),
            "entity_ids",
        ),
    ],
)
def test_a_broken_request_is_refused_by_the_name_of_its_field(
    connect: OpenChannel, method: str, request_message: object, field: str
) -> None:
    stub = timetravel_pb2_grpc.TimeTravelServiceStub(connect(as_of=LAST_MICROS))
    with pytest.raises(InvalidInput) as refused, raising_peer_errors():
        getattr(stub, method)(request_message)
    assert refused.value.field == field


def test_entities_are_found_by_the_names_that_the_store_was_told_and_named_by_their_texts(
    connect: OpenChannel, store: Store
) -> None:
    ids = ExternalIds()
    alien, heat = (ids.note(EntityKind.VIDEO, name, field="video") for name in ("tt-1", "007"))
    titles = [
        AttributeFact(EntityKind.VIDEO, video, "title", 0, 0, "") for video in (alien, heat)
    ]
    with store.begin(0) as writer:
        writer.append(titles, source="test", synthetic=False, external_ids=ids)
    client = TimeTravelClient(connect())
    assert client.find_entity(EntityKind.VIDEO, "007") == heat
    assert client.find_entity(EntityKind.PROFILE, "007") == 7
    asked = [heat, 5, alien, heat]
    assert client.entity_texts(EntityKind.VIDEO, asked) == {heat: "007", alien: "tt-1"}
    assert client.entity_texts(EntityKind.PROFILE, [1, 2]) == {}
    assert client.entity_texts(EntityKind.VIDEO, []) == {}
    with pytest.raises(UnknownEntity, match="no video '7'"):
        client.find_entity(EntityKind.VIDEO, "7")


def test_where_entities_have_numbers_these_may_be_given_as_texts_and_no_text_is_told(
    connect: OpenChannel,
) -> None:
    stub = timetravel_pb2_grpc.TimeTravelServiceStub(connect())
    kind = timetravel_pb2.ENTITY_KIND_PROFILE
    answer = stub.GetEntity(timetravel_pb2.GetEntityRequest(kind=kind, external_id="1"))
    assert answer.attributes["country"] == "DE"
    assert not answer.HasField("external_id")
    asked = timetravel_pb2.GetEntityHistoryRequest(
        entity=timetravel_pb2.EntityRef(kind=kind, external_id="1")
    )
    for history in stub.GetEntityHistory(asked):
        for one in history.versions:
            assert one.version.entity.entity_id == 1
            assert not one.version.entity.HasField("external_id")
