"""An ingest service over a store, in this process and over loopback; chunks and records."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from google.protobuf.timestamp_pb2 import Timestamp
from pagesim.ingest.v1 import ingest_pb2
from pagesim.page.v1 import page_pb2
from pagesim.timetravel.v1 import timetravel_pb2

from core.moments import parse_moment
from mesh.serving import Registration, ServingOptions, start
from tests.support.facts.dirty_facts import GROUPS
from timetravel.errors import InvalidFact
from timetravel.facts.meanings import convert_attribute
from timetravel.facts.model import AttributeFact, LoggedPageFact, Op
from timetravel.ingest.stream.client import connect_to_ingest
from timetravel.ingest.stream.encoding import encode_fact
from timetravel.ingest.stream.server import CALLS_AT_ONCE, SERVICE, add_ingest
from timetravel.rpc.wire import encode_group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import grpc

    from timetravel.facts.model import Fact, FeatureGroup
    from timetravel.ingest.limits import Limits
    from timetravel.store import Store

NOW: Final = parse_moment("2024-06-01T12:00:00Z")
"""What the service's clock says."""
PAST: Final = Timestamp(seconds=NOW // 1_000_000 - 60)
"""A minute before."""


@contextmanager
def serving_ingest(
    store: Store, *, limits: Limits | None = None, calls_at_once: int = CALLS_AT_ONCE
) -> Iterator[grpc.Channel]:
    """Serve ingest into a store, and give a channel to it."""

    def add(server: grpc.Server) -> None:
        add_ingest(
            server, store, now_micros=lambda: NOW, limits=limits, calls_at_once=calls_at_once
        )

    server = start([Registration(SERVICE, add, needs_context=False)], ServingOptions())
    try:
        with connect_to_ingest(server.address) as channel:
            yield channel
    finally:
        server.stop(0)


def chunk(
    facts: Iterable[Fact] = (),
    sequence: int = 1,
    stream: str = "test",
    *,
    groups: Sequence[FeatureGroup] = (),
    records: Iterable[ingest_pb2.Record] = (),
    bookmark: str = "",
) -> ingest_pb2.IngestRequest:
    """Return a chunk of facts, and of records after them."""
    return ingest_pb2.IngestRequest(
        stream=stream,
        sequence=sequence,
        source="test",
        bookmark=bookmark,
        feature_groups=[encode_group(group) for group in groups],
        records=[*(encode_fact(fact) for fact in facts), *records],
    )


def register_groups(store: Store) -> None:
    """Register the feature groups of `tests.support.facts.dirty_facts`."""
    with store.begin(0) as writer:
        for group in GROUPS:
            writer.register(group)


def taste(**changed: object) -> ingest_pb2.Record:
    """Return a record with which nothing is wrong, with some fields of its own.

    Args:
        changed: Fields of the record, and of the feature as `feature_...`.
    """
    own = {name: value for name, value in changed.items() if not name.startswith("feature_")}
    feature = {
        name.removeprefix("feature_"): value
        for name, value in changed.items()
        if name.startswith("feature_")
    }
    feature = {"group": "profile_taste", "entity_id": 1, "values": [1.0, 2.0], **feature}
    record = ingest_pb2.Record(
        op=timetravel_pb2.OP_ASSERT,
        feature=ingest_pb2.FeatureRecord(**feature),  # type: ignore[arg-type]  # as given
    )
    record.valid_from.CopyFrom(PAST)
    record.known_at.CopyFrom(PAST)
    for name, value in own.items():
        if value is None:
            record.ClearField(name)  # type: ignore[arg-type]  # as given
        elif name == "op":
            record.op = value  # type: ignore[assignment]  # as given
        else:
            getattr(record, name).CopyFrom(value)
    return record


def page_bytes(**changed: object) -> bytes:
    """Return the canonical bytes of a page with which nothing is wrong, but for some fields."""
    right: dict[str, object] = {
        "profile_id": 1,
        "as_of": PAST,
        "device": "tv",
        "geometry": {"rows": 2, "columns": 2, "viewport_rows": 1, "viewport_columns": 1},
        "rows": [{"row_id": "new", "type": 7, "videos": [{"video_id": 3, "score": 0.5}]}],
    }
    message = page_pb2.Page(**{**right, **changed})  # type: ignore[arg-type]  # as given
    return message.SerializeToString(deterministic=True)


def ingestable(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts that ingest takes as they are.

    Left out are logged pages whose bytes are not a page's, and attributes whose values page
    services would not read.
    """
    return [fact for fact in facts if _is_taken_as_it_is(fact)]


def _is_taken_as_it_is(fact: Fact) -> bool:
    if fact.op is not Op.ASSERT:
        return True
    if isinstance(fact, AttributeFact):
        try:
            return convert_attribute(fact.kind, fact.name, fact.value) == fact.value
        except InvalidFact:
            return False
    return not isinstance(fact, LoggedPageFact)
