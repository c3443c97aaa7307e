"""With --tls nobody gets in, anywhere, without a fresh certificate of the mesh's authority."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh.call.addresses import parse_address
from mesh.call.context import forwarded_headers, use_context
from mesh.channels.channels import open_channel
from mesh.client.mesh_process import MeshProcess
from mesh.errors import InvalidCertificate
from mesh.security.certificates import Role
from mesh.security.development_ca import make_certificates, renew_certificates
from mesh.security.tls import Tls
from mesh.serving import connect
from mesh.topology.stack import Stack
from mesh.xds.virtual_hosts import SERVICE_HEADER
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, probe_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

STACK = Stack("trial", 1_525_176_000_000_000)
DOORS = ["envoy", "service", "control"]
THROUGH_SECOND = Question((SECOND,))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fresh certificates of an authority that has issued others, now expired."""
    root = tmp_path_factory.mktemp("certificates")
    now = datetime.now(UTC)
    make_certificates(root / "own", now=now - timedelta(days=40))
    shutil.copytree(root / "own", root / "expired")
    renew_certificates(root / "own", now=now)
    make_certificates(root / "foreign", now=now)
    # It trusts ours, and shows its own.
    shutil.copy(root / "own" / "ca.pem", root / "foreign" / "ca.pem")
    return root


@pytest.fixture(scope="module")
def mesh(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    """A mesh of two probes and one stack, with TLS."""
    baseline = [probe_process(FIRST), probe_process(SECOND)]
    directory = tmp_path_factory.mktemp("mesh")
    with MeshProcess.start(baseline, directory, tls=certificates / "own") as running:
        running.service.create_stack(STACK)
        yield running


@pytest.fixture(scope="module")
def doors(mesh: MeshProcess) -> dict[str, tuple[str, Role]]:
    """Where each kind of server listens, and who it is."""
    first = mesh.service.get_mesh().baseline[0]
    return {
        "envoy": (mesh.address, Role.MESH),
        "control": (mesh.control_address, Role.MESH),
        "service": (str(first.address), Role.SERVICE),
    }


def knock(channel: grpc.Channel) -> grpc.StatusCode:
    """Return how a health check of the first service, or of the control plane, ends."""
    headers = {**forwarded_headers(STACK.context), SERVICE_HEADER: FIRST}
    check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]  # the stubs lag behind
    try:
        check(health_pb2.HealthCheckRequest(), metadata=tuple(headers.items()), timeout=20)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def test_a_call_reaches_a_service_through_another(mesh: MeshProcess) -> None:
    with connect(mesh.address, tls=mesh.tls) as channel, use_context(STACK.context):
        answer = ProbeClient(channel, FIRST).ask(THROUGH_SECOND)
    assert [hop.name for hop in answer.hops] == [FIRST, SECOND]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("caller", ["foreign", "expired"])
def test_a_foreign_or_expired_certificate_is_refused_where_a_fresh_one_is_not(
    certificates: Path, doors: dict[str, tuple[str, Role]], caller: str, door: str
) -> None:
    text, peer = doors[door]
    address = parse_address(text, field="address")
    with open_channel(address, Tls(certificates / "own", Role.CLIENT), peer=peer) as channel:
        assert knock(channel) is grpc.StatusCode.OK
    with open_channel(address, Tls(certificates / caller, Role.CLIENT), peer=peer) as channel:
        assert knock(channel) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("door", DOORS)
def test_a_caller_without_a_certificate_or_without_tls_is_refused(
    certificates: Path, doors: dict[str, tuple[str, Role]], door: str
) -> None:
    address, peer = doors[door]
    trusting = grpc.ssl_channel_credentials((certificates / "own" / "ca.pem").read_bytes())
    name = [("grpc.ssl_target_name_override", peer.host_name)]
    with grpc.secure_channel(address, trusting, options=name) as channel:
        assert knock(channel) is grpc.StatusCode.UNAVAILABLE
    with grpc.insecure_channel(address) as channel:
        assert knock(channel) is grpc.StatusCode.UNAVAILABLE


def test_a_service_cannot_pass_for_the_mesh(
    certificates: Path, doors: dict[str, tuple[str, Role]]
) -> None:
    address = parse_address(doors["service"][0], field="address")
    with open_channel(address, Tls(certificates / "own", Role.CLIENT)) as channel:
        assert knock(channel) is grpc.StatusCode.UNAVAILABLE


def test_an_unfit_file_keeps_the_mesh_from_starting(certificates: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidCertificate, match=r"\.pem cannot be used.*expired.*renew"):
        MeshProcess.start([], tmp_path, tls=certificates / "expired")


def test_renewal_under_load_fails_no_call_and_is_taken_everywhere(
    mesh: MeshProcess, certificates: Path, doors: dict[str, tuple[str, Role]]
) -> None:
    shown_before = {door: shown(certificates / "own", *doors[door]) for door in DOORS}
    stopped = threading.Event()
    endings: list[grpc.StatusCode] = []

    def call_on_new_channels() -> None:
        address = parse_address(mesh.address, field="address")
        while not stopped.is_set():
            with open_channel(address, Tls(certificates / "own", Role.CLIENT)) as channel:
                endings.extend(knock(channel) for _ in range(5))

    calling = threading.Thread(target=call_on_new_channels)
    with connect(mesh.address, tls=mesh.tls) as channel, use_context(STACK.context):
        client = ProbeClient(channel, FIRST)
        calling.start()
        try:
            renew_certificates(certificates / "own", now=datetime.now(UTC))
            changed: set[str] = set()
            deadline = time.monotonic() + 30
            while changed != set(DOORS) and time.monotonic() < deadline:
                client.ask(THROUGH_SECOND)
                now = {door: shown(certificates / "own", *doors[door]) for door in DOORS}
                changed = {door for door in DOORS if now[door] != shown_before[door]}
        finally:
            stopped.set()
            calling.join()
    assert changed == set(DOORS)
    assert endings
    assert set(endings) == {grpc.StatusCode.OK}


def shown(directory: Path, address: str, peer: Role) -> bytes | None:
    """Return the certificate that the server shows."""
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    context.load_cert_chain(directory / Role.CLIENT.file_name)
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port))) as plain,
        context.wrap_socket(plain, server_hostname=peer.host_name) as secure,
    ):
        return secure.getpeercert(binary_form=True)
