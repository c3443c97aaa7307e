"""With --tls nobody gets in, anywhere, without a fresh certificate of the mesh's authority."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc

from core.errors import Unavailable
from core.grpc_status import raising_peer_errors
from mesh.call.addresses import parse_address
from mesh.call.context import forwarded_headers, use_context
from mesh.channels.channels import open_channel
from mesh.client.mesh_process import MeshProcess
from mesh.errors import ForeignCaller, InvalidCertificate
from mesh.security.certificates import Role
from mesh.security.development_ca import (
    make_certificates,
    read_authority,
    renew_certificates,
)
from mesh.security.tls import Tls
from mesh.serving import connect, connect_without_mesh
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack
from mesh.xds.virtual_hosts import SERVICE_HEADER
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, probe_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.integration

STACK = Stack("trial", 1_525_176_000_000_000)
DOORS = ["envoy", "service", "control"]
ASYNC = "test.async.v1.AsyncService"
THROUGH_SECOND = Question((SECOND,))
LATER = replace(STACK.context, as_of_micros=STACK.as_of_micros + 1)
NEARLY_THE_MESH: dict[str, Sequence[x509.GeneralName]] = {
    "nobody": [],
    "a DNS name": [x509.DNSName(Role.MESH.host_name)],
    "the URI as a DNS name": [x509.DNSName(Role.MESH.identity)],
    "the URI as an address of mail": [x509.RFC822Name(Role.MESH.identity)],
    **{
        uri: [x509.UniformResourceIdentifier(uri), x509.DNSName(Role.MESH.host_name)]
        for uri in (
            "spiffe://pagesim/mesh2",
            "spiffe://pagesim/mes",
            "spiffe://pagesim/mesh/",
            "spiffe://pagesim/mesh/x",
            "spiffe://pagesim/MESH",
            "spiffe://pagesim/client",
            "spiffe://pagesim.internal/mesh",
            "https://pagesim/mesh",
            "mesh",
        )
    },
}


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
    """A mesh of three probes and one stack, with TLS."""
    baseline = [
        probe_process(FIRST),
        probe_process(SECOND),
        ServiceProcess(ASYNC, "tests.support.mesh.async_probe", ("--service", ASYNC)),
    ]
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
    question = Question((ASYNC, SECOND, ASYNC, FIRST))
    with connect(mesh.address, tls=mesh.tls) as channel, use_context(STACK.context):
        answer = ProbeClient(channel, FIRST).ask(question)
    assert [hop.name for hop in answer.hops] == [FIRST, *question.path]


def ask_directly(mesh: MeshProcess, service: str, caller: Tls) -> None:
    """Ask a service past the mesh for a later moment."""
    (address,) = (
        str(one.address) for one in mesh.service.get_mesh().baseline if one.service == service
    )
    with connect_without_mesh(address, LATER, tls=caller) as channel, raising_peer_errors():
        ProbeClient(channel, service).ask(Question(), timeout=20)


@pytest.mark.parametrize("service", [FIRST, ASYNC])
@pytest.mark.parametrize("role", Role)
def test_a_service_answers_the_meshs_identity_alone(
    mesh: MeshProcess, certificates: Path, role: Role, service: str
) -> None:
    caller = Tls(certificates / "own", role)
    if role is Role.MESH:
        ask_directly(mesh, service, caller)
        return
    with pytest.raises(
        ForeignCaller, match=f"^{role.identity} may not call a service dir"
    ) as r:
        ask_directly(mesh, service, caller)
    assert r.value.remedy == f"Call through the mesh at {mesh.address}, with x-pagesim-stack."


@pytest.mark.parametrize("service", [FIRST, ASYNC])
def test_a_certificate_that_is_nearly_the_meshs_is_refused(
    mesh: MeshProcess, certificates: Path, tmp_path: Path, service: str
) -> None:
    shutil.copy(certificates / "own" / "ca.pem", tmp_path)
    for names in NEARLY_THE_MESH.values():
        issue_client(certificates / "own", names, tmp_path / Role.CLIENT.file_name)
        with pytest.raises(ForeignCaller, match="may not call a service directly"):
            ask_directly(mesh, service, Tls(tmp_path, Role.CLIENT))


@pytest.mark.parametrize("service", [FIRST, ASYNC])
@pytest.mark.parametrize("caller", ["foreign", "expired"])
def test_the_meshs_own_certificate_is_refused_when_foreign_or_expired(
    mesh: MeshProcess, certificates: Path, caller: str, service: str
) -> None:
    with pytest.raises(Unavailable):
        ask_directly(mesh, service, Tls(certificates / caller, Role.MESH))


def issue_client(authority: Path, names: Sequence[x509.GeneralName], file: Path) -> None:
    """Write a certificate of the authority with such alternative names, and its key."""
    now = datetime.now(UTC)
    issuer = read_authority(authority, now=now)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pagesim mesh")]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(issuer.key, hashes.SHA256())
    file.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


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
