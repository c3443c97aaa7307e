"""Whoever is killed while a stream is under way: no chunk is halved, lost or taken twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
import pytest

from tests.support.effort import effort
from tests.support.facts.dirty_facts import GROUPS, key_of, random_batches, seeded
from tests.support.facts.ingest_service import NOW, chunk, ingestable, serving_ingest
from tests.support.facts.postgres_server import PostgresServer, find_programs
from timetravel.database import migrate
from timetravel.ingest.limits import Limits
from timetravel.ingest.stream.chunks import ChunkTaker
from timetravel.ingest.stream.client import IngestClient, connect_to_ingest
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from pagesim.ingest.v1 import ingest_pb2

    from timetravel.facts.model import Fact

pytestmark = pytest.mark.integration

CHUNKS: Final = 60
KILLED_AFTER: Final = (7, 41)
"""Acknowledged chunks after which somebody is killed."""

SEND_FOREVER = """
import sys
from timetravel.ingest.stream.client import IngestClient, connect_to_ingest
from tests.support.facts.ingest_service import taste
from timetravel.facts.model import EntityKind, FeatureGroup

group = FeatureGroup("profile_taste", EntityKind.PROFILE, 1, ("a", "b"))
records = (taste(feature_entity_id=number) for number in range(int(sys.argv[2])))
with connect_to_ingest(sys.argv[1]) as channel:
    client = IngestClient(channel)
    position = client.ingest(
        "test", records, source="test", feature_groups=[group], records_per_chunk=50
    )
    print(position.sequence, flush=True)
"""
RECORDS: Final = effort(5_000, 20_000)
SENDER_KILLED_AT: Final = effort((20,), (40, 150))
"""Chunks that the store holds when the sender is killed."""


@pytest.fixture(scope="module")
def chunks() -> list[ingest_pb2.IngestRequest]:
    # What contradicts an earlier fact would be refused: its stead is taken by a repetition.
    first: dict[Hashable, Fact] = {}
    batches = [
        [first.setdefault(key_of(fact), fact) for fact in ingestable(facts)]
        for facts in random_batches(seeded(11), batches=CHUNKS, facts=60)
    ]
    return [
        chunk(facts, sequence, groups=GROUPS if sequence == 1 else ())
        for sequence, facts in enumerate(batches, 1)
    ]


def digest_undisturbed(url: str, chunks: Sequence[ingest_pb2.IngestRequest]) -> str:
    """Return the digest of a store into which chunks went one after the other."""
    migrate.upgrade(url)
    with Store.open(url) as store:
        taker = ChunkTaker(store, Limits(), lambda: NOW)
        for one in chunks:
            taker.take(one)
        return store.digest()


class Service:
    """The service as a process of its own, on an address that it keeps."""

    def __init__(self, store_url: str, *, takes_facts: bool = True) -> None:
        self._store_url = store_url
        self._takes_facts = takes_facts
        self._process: subprocess.Popen[bytes] | None = None
        self.address = "127.0.0.1:0"

    def start(self) -> None:
        readable, writable = os.pipe()
        arguments = ["--store", self._store_url, "--address", self.address]
        arguments += ["--ingest"] if self._takes_facts else []
        arguments += ["--ready-fd", str(writable), "--grace-seconds", "0.2"]
        command = [sys.executable, "-m", "timetravel", *arguments]
        self._process = subprocess.Popen(
            command, pass_fds=[writable], stderr=subprocess.DEVNULL
        )
        os.close(writable)
        with os.fdopen(readable) as ready:
            self.address = json.loads(ready.readline())["address"]

    def end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait()


@contextmanager
def service_of(store_url: str, *, takes_facts: bool = True) -> Iterator[Service]:
    service = Service(store_url, takes_facts=takes_facts)
    service.start()
    try:
        yield service
    finally:
        service.end(signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_service_that_ends_in_mid_stream_has_whole_chunks_and_goes_on(
    tmp_path: Path, chunks: list[ingest_pb2.IngestRequest], how: signal.Signals
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    expected = digest_undisturbed(f"sqlite:///{tmp_path / 'other.db'}", chunks)
    migrate.upgrade(url)
    with service_of(url) as service:
        acknowledged = 0
        with connect_to_ingest(service.address) as channel:
            for answer in IngestClient(channel).send(chunks):
                acknowledged += 1
                assert answer.sequence == acknowledged
                if acknowledged in KILLED_AFTER:
                    service.end(how)
                    check_store_holds_whole_chunks(url, acknowledged)
                    service.start()
        assert acknowledged == CHUNKS
    with Store.open(url) as store:
        assert store.digest() == expected


def check_store_holds_whole_chunks(url: str, acknowledged: int) -> None:
    """Check that what was acknowledged is there, and that nothing is there by half."""
    with Store.open(url) as store:
        newest = store.newest_chunk("test")
        assert newest is not None
        assert newest.sequence >= acknowledged
        assert newest.tx_id == store.snapshot() == len(GROUPS) + newest.sequence


@pytest.mark.scaled
def test_a_sender_killed_in_mid_stream_goes_on_where_it_was(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate.upgrade(url)
    with service_of(url) as service, Store.open(url) as store:
        command = [sys.executable, "-c", SEND_FOREVER, service.address, str(RECORDS)]
        for killed_at in SENDER_KILLED_AT:
            with subprocess.Popen(command) as sender:
                while store.count_facts()["features"] < killed_at * 50:
                    assert sender.poll() is None
                sender.kill()
            newest = store.newest_chunk("test")
            assert newest is not None
            assert int(newest.bookmark) == newest.sequence * 50
            assert store.count_facts()["features"] >= newest.sequence * 50
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert int(done.stdout) == RECORDS // 50
        assert store.count_facts()["features"] == RECORDS
        assert store.snapshot() == RECORDS // 50 + 1


def test_a_process_takes_no_facts_unless_it_was_told_to(
    tmp_path: Path, chunks: list[ingest_pb2.IngestRequest]
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate.upgrade(url)
    with (
        service_of(url, takes_facts=False) as service,
        connect_to_ingest(service.address) as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        list(IngestClient(channel).send(chunks[:1]))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; Debian: apt-get install postgresql")
    # Not in tmp_path, which the server's user cannot reach.
    directory = Path(tempfile.mkdtemp())
    try:
        server = PostgresServer(directory, programs)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(directory)


@pytest.mark.postgres
def test_a_database_killed_in_mid_stream_has_whole_chunks_and_goes_on(
    tmp_path: Path, chunks: list[ingest_pb2.IngestRequest], postgres: PostgresServer
) -> None:
    expected = digest_undisturbed(f"sqlite:///{tmp_path / 'other.db'}", chunks)
    migrate.upgrade(postgres.url)
    with Store.open(postgres.url) as store, serving_ingest(store) as channel:
        acknowledged = 0
        for answer in IngestClient(channel).send(chunks):
            acknowledged += 1
            assert answer.sequence == acknowledged
            if acknowledged in KILLED_AFTER:
                postgres.kill()
                postgres.start()
        assert acknowledged == CHUNKS
        assert store.digest() == expected
