"""Only those who may change the mesh; anybody who reaches it may look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import grpc
import pytest
from pagesim.mesh.v1 import mesh_pb2

from core.errors import Forbidden, Unauthenticated
from mesh.call.addresses import parse_address
from mesh.channels.channels import open_channel
from mesh.client.mesh_process import MeshClient, MeshProcess
from mesh.errors import MissingToken, UnknownStack
from mesh.security.authorisation import TOKEN, carry, read_token
from mesh.security.certificates import Role
from mesh.security.development_ca import make_certificates
from mesh.security.tls import Tls
from mesh.topology.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

SERVICE = mesh_pb2.DESCRIPTOR.services_by_name["MeshService"]
READS = ("Get", "List", "Watch")
CHANGES = [one.name for one in SERVICE.methods if not one.name.startswith(READS)]
STACK = Stack("wanted", 1_525_176_000_000_000)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fresh certificates."""
    directory = tmp_path_factory.mktemp("certificates") / "tls"
    make_certificates(directory, now=datetime.now(UTC))
    return directory


@pytest.fixture(scope="module")
def secure_mesh(
    certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MeshProcess]:
    """A mesh that asks for certificates."""
    with MeshProcess.start([], tmp_path_factory.mktemp("mesh"), tls=certificates) as running:
        yield running


def change(channel: grpc.Channel, method: str, proof: tuple[tuple[str, str], ...]) -> object:
    """Call the method with an empty request; return how it ends."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        f"/{SERVICE.full_name}/{method}"
    )
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", metadata=proof, timeout=20)
    return caught.value.code()


@pytest.mark.parametrize("method", CHANGES)
def test_no_change_is_let_through_without_the_token(mesh: MeshProcess, method: str) -> None:
    address = parse_address(mesh.control_address, field="address")
    token = read_token(mesh.directory)
    with open_channel(address, None) as channel:
        for proof in ((), carry(token[:-1]), carry(""), (*carry(token), *carry("other"))):
            assert change(channel, method, proof) is grpc.StatusCode.UNAUTHENTICATED
        # With it the same empty request is looked at.
        assert change(channel, method, carry(token)) is not grpc.StatusCode.UNAUTHENTICATED


def test_the_refusal_says_where_the_token_is_and_the_stack_stays(mesh: MeshProcess) -> None:
    mesh.service.create_stack(STACK)
    try:
        stranger = MeshClient(mesh.control_address)
        with pytest.raises(Unauthenticated, match=f"{mesh.directory / TOKEN}"):
            stranger.delete_stack(STACK.stack_id)
        assert stranger.get_stack(STACK.stack_id).stack == STACK
        stranger.close()
    finally:
        mesh.service.delete_stack(STACK.stack_id)


def test_the_token_is_for_its_owner_and_in_no_log(mesh: MeshProcess) -> None:
    file = mesh.directory / TOKEN
    assert file.stat().st_mode & 0o777 == 0o600
    token = file.read_bytes()
    others = [one for one in mesh.directory.rglob("*") if one.is_file() and one.name != TOKEN]
    assert others
    assert not [one for one in others if token in one.read_bytes()]


def test_a_directory_without_a_mesh_has_no_token(tmp_path: Path) -> None:
    with pytest.raises(MissingToken, match="running mesh"):
        read_token(tmp_path)


@pytest.mark.parametrize("method", CHANGES)
def test_with_tls_a_service_may_look_and_not_change(
    secure_mesh: MeshProcess, certificates: Path, method: str
) -> None:
    address = parse_address(secure_mesh.control_address, field="address")
    with open_channel(address, Tls(certificates, Role.SERVICE)) as channel:
        assert change(channel, method, ()) is grpc.StatusCode.PERMISSION_DENIED
    with open_channel(address, Tls(certificates, Role.CLIENT)) as channel:
        assert change(channel, method, ()) is not grpc.StatusCode.PERMISSION_DENIED


def test_with_tls_the_refusal_names_who_called_and_who_may(
    secure_mesh: MeshProcess, certificates: Path
) -> None:
    service = MeshClient(secure_mesh.control_address, tls=Tls(certificates, Role.SERVICE))
    assert service.list_stacks() == ()
    with pytest.raises(Forbidden, match=r"pagesim/service may not.*pagesim/client.*--permit"):
        service.delete_stack("whatever")
    service.close()
    with pytest.raises(UnknownStack):
        secure_mesh.service.delete_stack("whatever")


def test_permitted_identities_replace_the_default(certificates: Path, tmp_path: Path) -> None:
    arguments = ("--permit", Role.SERVICE.identity)
    with MeshProcess.start([], tmp_path, arguments=arguments, tls=certificates) as mesh:
        with pytest.raises(Forbidden):
            mesh.service.create_stack(STACK)
        permitted = MeshClient(mesh.control_address, tls=Tls(certificates, Role.SERVICE))
        assert permitted.create_stack(STACK).stack == STACK
        permitted.close()
