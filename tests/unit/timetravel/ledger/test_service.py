"""The ledger's questions over gRPC: within the context of the call, and refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from pagesim.timetravel.v1 import timetravel_pb2, timetravel_pb2_grpc

from core.columns import encode_integers
from core.grpc_status import raising_peer_errors
from mesh.call.context import CallContext
from mesh.errors import ContradictingAsOf
from mesh.serving import Registration, ServingOptions, connect_without_mesh, start
from timetravel.errors import InvalidQuestion, UnknownEntity
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    EntityKind,
    FactKind,
    LoggedPageFact,
)
from timetravel.ledger.questions import Changes, TimeAxis
from timetravel.ledger.versions import Subject
from timetravel.rpc.client import TimeTravelClient
from timetravel.rpc.ledger_client import LedgerClient
from timetravel.rpc.server import add_time_travel
from timetravel.rpc.wire import encode_entity_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import grpc

    from timetravel.store import Store

    OpenChannel = Callable[..., grpc.Channel]

SERVICE = "pagesim.timetravel.v1.TimeTravelService"
AS_OF = 100
PROFILE = EntityKind.PROFILE
KIND = encode_entity_kind(PROFILE)
NONSENSE = "nonsense"


@pytest.fixture
def connect(store: Store) -> Iterator[OpenChannel]:
    with store.begin(0) as writer:
        writer.append(
            [
                *(AttributeFact(PROFILE, i, "country", 0, 10, "NZ") for i in range(1, 6)),
                AttributeFact(PROFILE, 1, "country", 5, 90, "DE"),
                AllocationFact(1, "artwork", 0, 10, "B"),
                AllocationFact(1, "ranker", 0, 10, None),
                LoggedPageFact(1, 20, 20, "tv", {"a": 1}, b"page", "digest"),
                LoggedPageFact.withdraw(1, 20, 80),
            ],
            source="test",
            synthetic=False,
        )
    server = start(
        [Registration(SERVICE, lambda server: add_time_travel(server, store))],
        ServingOptions(),
    )
    opened: list[grpc.Channel] = []

    def open_channel(
        *, as_of: int = AS_OF, known_by: int | None = None, snapshot: int | None = None
    ) -> grpc.Channel:
        context = CallContext("test", as_of, known_by, snapshot)
        opened.append(connect_without_mesh(server.address, context))
        return opened[-1]

    yield open_channel
    for channel in opened:
        channel.close()
    server.stop(0)


def test_allocations_are_told_apart_from_attributes(connect: OpenChannel) -> None:
    stub = timetravel_pb2_grpc.TimeTravelServiceStub(connect())
    entity = stub.GetEntity(timetravel_pb2.GetEntityRequest(kind=KIND, entity_id=1))
    described = MessageToDict(entity, preserving_proto_field_name=True)
    assert described["attributes"] == {"country": "DE"}
    assert described["allocations"] == [{"test": "artwork", "cell": "B"}, {"test": "ranker"}]


def test_a_page_is_there_until_its_withdrawal_is_known(connect: OpenChannel) -> None:
    def pages(as_of: int, known_by: int | None = None) -> list[bytes]:
        ledger = LedgerClient(connect(as_of=as_of, known_by=known_by))
        return [page.page for page in ledger.logged_pages(as_of)]

    assert pages(19) == []
    assert pages(20) == pages(79) == [b"page"]
    assert pages(80) == []
    assert pages(30, known_by=80) == []


def test_what_became_known_after_the_call_is_in_no_history(connect: OpenChannel) -> None:
    def versions(as_of: int, at: int, known_by: int | None = None) -> list[object]:
        ledger = LedgerClient(connect(as_of=as_of, known_by=known_by))
        history = ledger.entity_history(Subject(PROFILE, 1), at, [FactKind.ATTRIBUTE])
        return [one.version.value for one in history]

    assert versions(AS_OF, AS_OF) == ["NZ", "DE"]
    assert versions(AS_OF, 89) == versions(89, 89) == ["NZ"]
    assert versions(89, 89, known_by=95) == ["NZ", "DE"]
    with pytest.raises(UnknownEntity, match="no fact about profile 9"):
        LedgerClient(connect()).entity_history(Subject(PROFILE, 9), AS_OF)


def test_changes_go_on_where_they_ended_even_when_more_was_appended(
    connect: OpenChannel, store: Store
) -> None:
    changes = Changes(TimeAxis.KNOWN, 0, AS_OF, frozenset({FactKind.ATTRIBUTE}))
    whole = [change.version for change in LedgerClient(connect()).changed_facts(changes)]
    first = next(LedgerClient(connect()).changed_facts(changes))
    token = first.resume_token
    with store.begin(0) as writer:
        fact = AttributeFact(PROFILE, 3, "country", 0, 11, "FR")
        writer.append([fact], source="test", synthetic=False)
    rest = LedgerClient(connect()).changed_facts(changes, token)
    assert [first.version, *(change.version for change in rest)] == whole
    with pytest.raises(InvalidQuestion, match="of another question, or of snapshot"):
        list(LedgerClient(connect(snapshot=0)).changed_facts(changes, token))


def test_profiles_are_found_page_by_page(connect: OpenChannel) -> None:
    stub = timetravel_pb2_grpc.TimeTravelServiceStub(connect())
    condition = timetravel_pb2.AttributeCondition(name="country", json_values=['"NZ"'])
    request = timetravel_pb2.FindProfilesRequest(conditions=[condition], page_size=3)
    first = stub.FindProfiles(request)
    assert first.next_after == 4
    request.after = first.next_after
    last = stub.FindProfiles(request)
    assert not last.HasField("next_after")
    counted = stub.CountProfiles(timetravel_pb2.CountProfilesRequest(names=["country"]))
    assert [(list(own.json_values), own.profiles) for own in counted.strata] == [
        (['"DE"'], 1),
        (['"NZ"'], 4),
    ]


def test_moments_after_the_calls_as_of_are_refused(connect: OpenChannel) -> None:
    ledger = LedgerClient(connect())
    for ask in (
        lambda: ledger.entity_history(Subject(PROFILE, 1), AS_OF + 1),
        lambda: list(ledger.changed_facts(Changes(TimeAxis.VALID, 0, AS_OF + 1))),
        lambda: list(ledger.logged_pages(AS_OF + 1)),
        lambda: ledger.engagement([1], AS_OF + 1),
        lambda: TimeTravelClient(connect()).allocations([1], AS_OF + 1, ["artwork"]),
    ):
        with (
            pytest.raises(ContradictingAsOf, match="later than the as-of"),
            raising_peer_errors(),
        ):
            ask()


entity = timetravel_pb2.EntityRef(kind=KIND, entity_id=1)
since = Timestamp(seconds=-1)
known = timetravel_pb2.TIME_AXIS_KNOWN


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        ("GetEntityHistory", timetravel_pb2.GetEntityHistoryRequest(), "about"),
        (
            "GetEntityHistory",
            timetravel_pb2.GetEntityHistoryRequest(entity=timetravel_pb2.EntityRef()),
            "kind",
        ),
        (
            "GetEntityHistory",
            timetravel_pb2.GetEntityHistoryRequest(
                entity=entity, kinds=[timetravel_pb2.FACT_KIND_UNSPECIFIED]
            ),
            "kinds",
        ),
        (
            "GetEntityHistory",
            timetravel_pb2.GetEntityHistoryRequest(entity=entity, names=["a\0b"]),
            "names",
        ),
        ("ListFactChanges", timetravel_pb2.ListFactChangesRequest(since=since), "axis"),
        ("ListFactChanges", timetravel_pb2.ListFactChangesRequest(axis=known), "since"),
        (
            "ListFactChanges",
            timetravel_pb2.ListFactChangesRequest(
                axis=known, since=Timestamp(nanos=9_000), until=Timestamp(nanos=8_000)
            ),
            "since",
        ),
        (
            "ListFactChanges",
            timetravel_pb2.ListFactChangesRequest(
                axis=known, since=since, resume_token=NONSENSE
            ),
            "resume_token",
        ),
        (
            "ListFactChanges",
            timetravel_pb2.ListFactChangesRequest(
                axis=known, since=since, entities=[entity] * 10_001
            ),
            "entities",
        ),
        (
            "ListLoggedPages",
            timetravel_pb2.ListLoggedPagesRequest(profile_ids=encode_integers(range(10_001))),
            "profile_ids",
        ),
        ("FindProfiles", timetravel_pb2.FindProfilesRequest(), "names"),
        (
            "FindProfiles",
            timetravel_pb2.FindProfilesRequest(names=["country"], page_size=100_001),
            "page_size",
        ),
        *(
            (
                "CountProfiles",
                timetravel_pb2.CountProfilesRequest(
                    conditions=[timetravel_pb2.AttributeCondition(name="a", json_values=[text])]
                ),
                field,
            )
            for text, field in (("US", "conditions"), ("1,2", "conditions"), ("NaN", "where"))
        ),
        (
            "BatchGetEngagement",
            timetravel_pb2.BatchGetEngagementRequest(horizon_micros=-1),
            "horizon_micros",
        ),
        (
            "BatchGetAllocations",
            timetravel_pb2.BatchGetAllocationsRequest(tests=["a", "a"]),
            "names",
        ),
    ],
)
def test_a_broken_question_is_refused_by_the_name_of_its_field(
    connect: OpenChannel, method: str, request_message: object, field: str
) -> None:
    stub = timetravel_pb2_grpc.TimeTravelServiceStub(connect())
    streams = method in {"GetEntityHistory", "ListFactChanges", "ListLoggedPages"}

    def ask() -> None:
        answer = getattr(stub, method)(request_message)
        if streams:
            list(answer)

    with pytest.raises(InvalidQuestion) as refused, raising_peer_errors():
        ask()
    assert refused.value.field == field
