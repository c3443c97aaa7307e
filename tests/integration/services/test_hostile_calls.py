"""Calls gone wrong, at every door of a mesh: each is answered, and no other call fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from pagesim.assembler.v1 import assembler_pb2, assembler_pb2_grpc
from pagesim.dedup.v1 import dedup_pb2
from pagesim.filtering.v1 import filtering_pb2
from pagesim.ingest.v1 import ingest_pb2
from pagesim.mesh.v1 import mesh_pb2
from pagesim.ranking.v1 import ranking_pb2
from pagesim.timetravel.v1 import timetravel_pb2

from core.columns import encode_integers
from core.grpc_status import STATUS_BYTES
from mesh.client.mesh_process import MeshProcess
from mesh.security.authorisation import carry, read_token
from mesh.topology.stack import Stack
from mesh.topology.translation import write_stack
from tests.support.effort import effort
from tests.support.facts.dirty_facts import seeded
from tests.support.facts.ingest_service import chunk, serving_ingest, taste
from tests.support.facts.mutated_chunks import mutate_message
from tests.support.pages.page_services import open_world_store, page_baseline
from tests.support.pages.page_worlds import END, make_world
from timetravel.facts.model import AttributeFact

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from google.protobuf.message import Message

    from timetravel.store import Store

    Header = tuple[str, str | bytes]

pytestmark = pytest.mark.integration

SEED: Final = 20_240_602
CALLS: Final = effort(150, 3_000)
STACK: Final = ("x-pagesim-stack", "hostile")
OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
)
WORLD: Final = make_world(29)


@dataclass(frozen=True, slots=True)
class Door:
    """A method that can be called."""

    path: str
    request: type[Message]
    streams: bool


def doors_of(*files: Any) -> tuple[Door, ...]:  # noqa: ANN401 - modules
    """Return the methods of all services of those files."""
    return tuple(
        Door(
            f"/{service.full_name}/{method.name}",
            GetMessageClass(method.input_type),
            method.server_streaming,
        )
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    )


DOORS: Final = doors_of(assembler_pb2, dedup_pb2, filtering_pb2, ranking_pb2, timetravel_pb2)
CONTROL_DOORS: Final = doors_of(mesh_pb2)
INGEST_DOORS: Final = doors_of(ingest_pb2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("store") / "store.db"
    with open_world_store(WORLD, path) as opened:
        yield opened


@pytest.fixture(scope="module")
def mesh(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    with MeshProcess.start(page_baseline(store), tmp_path_factory.mktemp("mesh")) as running:
        running.service.create_stack(Stack(STACK[1], END, snapshot=store.snapshot()))
        yield running


@pytest.fixture(scope="module")
def profile_id() -> int:
    return min(
        fact.entity_id
        for fact in WORLD.facts
        if isinstance(fact, AttributeFact) and fact.name == "country"
    )


@dataclass(slots=True)
class Neighbour:
    """Somebody who calls all the time, on a connection of their own."""

    answers: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    def call(self, address: str, profile_id: int) -> None:
        with grpc.insecure_channel(address, OPTIONS) as channel:
            stub = assembler_pb2_grpc.PageAssemblerServiceStub(channel)
            request = assembler_pb2.GetPageRequest(profile_id=profile_id)
            while not self.stop.wait(0.005):
                try:
                    stub.GetPage(request, metadata=(STACK,), timeout=60)
                except grpc.RpcError as error:
                    self.answers[f"{error.code().name} {error.details()}"] += 1
                else:
                    self.answers["OK"] += 1

    def wait_answers(self, count: int) -> None:
        """Wait until there are so many."""
        while self.answers.total() < count:
            time.sleep(0.005)


@contextmanager
def untroubled_neighbour(mesh: MeshProcess, profile_id: int) -> Iterator[None]:
    """Check that all calls of a neighbour succeed meanwhile."""
    neighbour = Neighbour()
    calling = threading.Thread(target=neighbour.call, args=(mesh.address, profile_id))
    calling.start()
    try:
        neighbour.wait_answers(1)
        yield
        neighbour.wait_answers(neighbour.answers.total() + 3)
    finally:
        neighbour.stop.set()
        calling.join()
    assert set(neighbour.answers) == {"OK"}


@pytest.fixture
def channel(mesh: MeshProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(mesh.address, OPTIONS) as opened:
        yield opened


def bare(make: object) -> Any:  # noqa: ANN401 - gRPC's types have no calls of bytes
    """Return how a channel makes a call whose messages are bytes."""
    return make


def call(
    channel: grpc.Channel,
    door: Door,
    body: bytes,
    *headers: Header,
    opening: Sequence[Header] = (STACK,),
) -> str:
    """Return the name of the status that a call with such a body ends with."""
    make = bare(channel.unary_stream if door.streams else channel.unary_unary)
    try:
        answer = make(door.path)(body, metadata=(*opening, *headers), timeout=60)
        if door.path.endswith("/WatchStacks"):  # it would last
            next(answer)
            answer.cancel()
        elif door.streams:
            list(answer)
    except grpc.RpcError as error:
        details: Any = error.trailing_metadata() or ()
        told = sum(len(value) for _, value in details)
        assert told <= STATUS_BYTES
        return f"{error.code().name}: {error.details()}"
    return "OK"


def originals(profile_id: int) -> dict[type[Message], list[bytes]]:
    """Return requests with which little is wrong."""
    column, moments = encode_integers([profile_id]), encode_integers([END])
    found: dict[type[Message], list[bytes]] = {}
    for door in (*DOORS, *CONTROL_DOORS, *INGEST_DOORS):
        request: Any = door.request()
        for name, value in (
            ("profile_id", profile_id),
            ("entity_id", profile_id),
            ("kind", 1),
            ("group", WORLD.groups[0].name),
            ("collection", "configuration"),
            ("name", "default"),
            ("axis", 1),
            ("catalogue_version", "x"),
            ("depth", 5),
            ("row_score_depth", 5),
            ("stack_id", "made"),
            ("stream", "test"),
        ):
            if name in door.request.DESCRIPTOR.fields_by_name:
                setattr(request, name, value)
        for name in ("entity_ids", "profile_ids"):
            if name in door.request.DESCRIPTOR.fields_by_name:
                getattr(request, name).CopyFrom(column)
        if "pages" in door.request.DESCRIPTOR.fields_by_name:
            request.pages.profile_ids.CopyFrom(column)
            request.pages.as_of_micros.CopyFrom(moments)
            request.pages.device_names.append("tv")
            request.pages.device_indexes.CopyFrom(encode_integers([0]))
        for name in ("as_of", "since"):
            if name in door.request.DESCRIPTOR.fields_by_name:
                getattr(request, name).CopyFrom(Timestamp(seconds=END // 10**6 - 86400))
        found[door.request] = [request.SerializeToString()]
    made = mesh_pb2.CreateStackRequest(
        stack=write_stack(Stack("made", END)), lease=Duration(seconds=600)
    )
    for whole in (made, chunk(records=[taste()])):
        found[type(whole)] = [whole.SerializeToString()]
    return found


def spoil_columns(chance: random.Random, message: Message) -> None:
    """Put numbers into columns that are extreme, or not as many as there should be."""
    for descriptor in message.DESCRIPTOR.fields:
        of = descriptor.message_type
        if of is None or descriptor.is_repeated:
            continue
        inner: Any = getattr(message, descriptor.name)
        if of.name == "PageBatch":
            spoil_columns(chance, inner)
        elif of.name == "IntegerColumn" and chance.random() < 0.4:
            numbers = [chance.choice(EXTREMES)] * chance.choice((1, 1, 1, 2, 0))
            inner.CopyFrom(encode_integers(numbers))
        elif of.name == "FloatColumn":
            inner.values = chance.choice((b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"abc"))


EXTREMES: Final = (0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, -(2**63), END + 1)

HEADERS: Final[tuple[Header, ...]] = (
    STACK,
    ("x-pagesim-stack", "other"),
    ("x-pagesim-as-of", "9" * 5_000),
    ("x-pagesim-as-of", "2018-05-01"),
    ("x-pagesim-snapshot", "9" * 5_000),
    ("x-pagesim-known-by", "never"),
    ("x-pagesim-variant", "v" * 9_000),
    ("x-pagesim-service", "x" * 9_000),
    ("traceparent", "t" * 9_000),
    ("tracestate", "t" * 20_000),
    ("x-some", "s" * 50_000),
    ("x-some-bin", b"\xff" * 9_000),
    ("grpc-status-details-bin", b"\xff" * 900),
    ("grpc-encoding", "gzip"),
)


@pytest.fixture
def doors(
    mesh: MeshProcess, channel: grpc.Channel, tmp_path: Path
) -> Iterator[list[tuple[grpc.Channel, Sequence[Door], Sequence[Header]]]]:
    """Where each door is, and what opens it: most of them in the mesh."""
    proof = carry(read_token(mesh.directory))
    with (
        open_world_store(WORLD, tmp_path / "ingest.db") as store,
        serving_ingest(store) as ingest,
        grpc.insecure_channel(mesh.control_address, OPTIONS) as control,
    ):
        yield [
            *[(channel, DOORS, (STACK,))] * 4,
            (control, CONTROL_DOORS, proof),
            (ingest, INGEST_DOORS, ()),
        ]


@pytest.mark.scaled
def test_calls_gone_wrong_are_refused_and_disturb_nobody(
    mesh: MeshProcess,
    doors: list[tuple[grpc.Channel, Sequence[Door], Sequence[Header]]],
    profile_id: int,
) -> None:
    chance = seeded(SEED)
    right = originals(profile_id)
    answers: Counter[str] = Counter()
    broken: list[tuple[str, bytes, str]] = []
    with untroubled_neighbour(mesh, profile_id):
        for _ in range(CALLS):
            channel, behind, opening = chance.choice(doors)
            door = chance.choice(behind)
            body = chance.choice(right[door.request])
            if chance.random() < 0.1:
                body = chance.randbytes(chance.choice((1, 5, 50, 5_000)))
            elif chance.random() < 0.95:
                message = door.request.FromString(body)
                if chance.random() < 0.2:
                    spoil_columns(chance, message)
                else:
                    mutate_message(chance, message)
                body = message.SerializeToString()
            headers = chance.sample(HEADERS, chance.choice((0, 0, 0, 0, 0, 0, 1)))
            told = call(channel, door, body, *headers, opening=opening)
            name = told.partition(":")[0]
            answers[name] += 1
            if name in {"INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED"}:
                broken.append((door.path, body, told))
    assert not broken, {path: (body, told) for path, body, told in broken}
    assert answers["OK"] > CALLS // 20
    assert answers["INVALID_ARGUMENT"] > CALLS // 5


def door_of(method: str) -> Door:
    return next(door for door in DOORS if door.path.endswith(f"/{method}"))


def open_and_never_read(channel: grpc.Channel, _: int) -> object:
    door = door_of("ListLoggedPages")
    return bare(channel.unary_stream)(door.path)(b"", metadata=(STACK,))


def open_and_never_send(channel: grpc.Channel, _: int) -> object:
    ended = threading.Event()

    def nothing() -> Iterator[bytes]:
        ended.wait()
        yield from ()

    begun = bare(channel.stream_unary)(door_of("GetPage").path).future(
        nothing(), metadata=(STACK,)
    )
    begun.add_done_callback(lambda _: ended.set())
    return begun


def send_text(size: int, letter: str = "x") -> Callable[[grpc.Channel, int], object]:
    def send(channel: grpc.Channel, _: int) -> object:
        body = assembler_pb2.GetPageRequest(profile_id=1, device=letter * size)
        return call(channel, door_of("GetPage"), body.SerializeToString())

    return send


def send_names(channel: grpc.Channel, number: int) -> object:
    request = timetravel_pb2.GetDocumentRequest(collection="é%\n" * 20_000, name=str(number))
    return call(channel, door_of("GetDocument"), request.SerializeToString())


def send_headers(count: int, size: int) -> Callable[[grpc.Channel, int], object]:
    def send(channel: grpc.Channel, number: int) -> object:
        headers = [(f"x-h{number}-{place}", "h" * size) for place in range(count)]
        return call(channel, door_of("GetPage"), b"", *headers)

    return send


def cancel_at_once(channel: grpc.Channel, _: int) -> object:
    make = bare(channel.unary_unary)(door_of("GetPage").path)
    begun = make.future(b"\x08\x12", metadata=(STACK,))
    begun.cancel()
    return begun


def hurry(channel: grpc.Channel, _: int) -> object:
    make = bare(channel.unary_unary)(door_of("GetPage").path)
    return make.future(b"\x08\x12", metadata=(STACK,), timeout=0.001)


@pytest.mark.parametrize(
    ("call_badly", "times"),
    [
        pytest.param(send_text(40_000), 12, id="a long text that is not known"),
        pytest.param(send_text(500, "é"), 12, id="a text that headers escape"),
        pytest.param(send_text(5_000_000), 3, id="a text of megabytes"),
        pytest.param(send_names, 12, id="a long name of a document"),
        pytest.param(send_headers(1, 9_000), 12, id="a long header"),
        pytest.param(send_headers(1, 40_000), 5, id="a header that no service takes"),
        pytest.param(send_headers(1, 200_000), 2, id="a header that Envoy does not take"),
        pytest.param(send_headers(400, 20), 5, id="many headers"),
        pytest.param(send_headers(3_000, 5), 2, id="thousands of headers"),
        pytest.param(open_and_never_read, 60, id="streams that are not read"),
        pytest.param(open_and_never_send, 60, id="calls without a message"),
        pytest.param(cancel_at_once, 200, id="calls that are cancelled at once"),
        pytest.param(hurry, 200, id="calls with hardly any time"),
    ],
)
def test_what_one_caller_does_fails_no_call_of_another(
    mesh: MeshProcess,
    profile_id: int,
    call_badly: Callable[[grpc.Channel, int], object],
    times: int,
) -> None:
    with (
        grpc.insecure_channel(mesh.address, OPTIONS) as channel,
        untroubled_neighbour(mesh, profile_id),
    ):
        # What was opened stays so for as long as it is held here.
        held = [call_badly(channel, number) for number in range(times)]
        time.sleep(0.2)
        del held
