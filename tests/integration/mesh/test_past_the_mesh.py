"""Without certificates a service answers what Envoy sends, and nothing past the mesh."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import grpc
import psutil
import pytest

from core.grpc_status import raising_peer_errors
from mesh.call.context import context_headers, use_context
from mesh.errors import UnprovedCall
from mesh.security.call_origin import CALL_SECRET_HEADER, CALL_SECRET_VARIABLE
from mesh.serving import connect, connect_without_mesh
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack
from tests.support.facts.upkeep import files_with
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, probe_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mesh.client.mesh_process import MeshProcess
    from mesh.topology.stack import Endpoint

pytestmark = pytest.mark.integration

ASYNC = "test.async.v1.AsyncService"
STACK = Stack(
    "guarded",
    1_525_176_000_000_000,
    overrides=(
        probe_process(SECOND, replicas=2),
        ServiceProcess(ASYNC, "tests.support.mesh.async_probe", ("--service", ASYNC)),
    ),
)
LATER = replace(STACK.context, as_of_micros=STACK.as_of_micros + 1)
TOLD = "so it did not come through the mesh"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A service with the secret that its process was given."""

    endpoint: Endpoint
    secret: str


def read_secret(endpoint: Endpoint) -> str:
    """Return what a process of the same user can read, and no other user."""
    return psutil.Process(endpoint.process_id).environ()[CALL_SECRET_VARIABLE]


@pytest.fixture(scope="module")
def guarded(mesh: MeshProcess) -> Iterator[Mapping[str, Guarded]]:
    """The services of a stack, and those of the baseline as "baseline SERVICE"."""
    status = mesh.service.create_stack(STACK)
    endpoints = {one.service: one for one in status.endpoints}
    endpoints |= {f"baseline {one.service}": one for one in mesh.service.get_mesh().baseline}
    yield {name: Guarded(one, read_secret(one)) for name, one in endpoints.items()}
    mesh.service.delete_stack(STACK.stack_id)


def ask_directly(one: Guarded, *secrets: str | bytes, header: str = CALL_SECRET_HEADER) -> str:
    """Ask for a later moment past the mesh; return the name of the status."""
    metadata = (
        *context_headers(LATER).items(),
        *((header, secret) for secret in secrets),
    )
    with grpc.insecure_channel(str(one.endpoint.address)) as channel:
        client = ProbeClient(channel, one.endpoint.service)
        calls = (
            lambda: client.ask(Question(), metadata=metadata),
            lambda: list(client.repeat(Question(), metadata=metadata)),
            lambda: client.gather(iter([Question()]), metadata=metadata),
            lambda: list(client.echo(iter([Question()]), metadata=metadata)),
        )
        endings = set()
        for call in calls:
            try:
                call()
            except grpc.RpcError as error:
                details = error.details() or ""
                assert not [secret for secret in secrets if secret and str(secret) in details]
                assert TOLD in details
                endings.add(error.code().name)
            else:
                endings.add("OK")
    (ending,) = endings
    return ending


@pytest.mark.parametrize("service", [FIRST, SECOND, ASYNC])
def test_a_call_past_the_mesh_is_refused_whatever_secret_it_makes_up(
    guarded: Mapping[str, Guarded], service: str
) -> None:
    one = guarded.get(service) or guarded[f"baseline {service}"]
    own = one.secret
    made_up: list[tuple[str | bytes, ...]] = [
        (),
        ("",),
        ("%",),
        (own[:-1],),
        (own + "0",),
        (own[1:],),
        (own.upper(),),
        (own[::-1],),
        ("0" * len(own),),
        (f"Bearer {own}",),
        (f"{own},{own}",),
        (own, own),
        (own, ""),
        ("", own),
    ]
    assert {ask_directly(one, *secrets) for secrets in made_up} == {"UNAUTHENTICATED"}
    for header in (f"{CALL_SECRET_HEADER}-bin", "x-pagesim-secret", "authorization"):
        value = own.encode() if header.endswith("-bin") else own
        assert ask_directly(one, value, header=header) == "UNAUTHENTICATED"
    # What it was given itself is all that lets anybody in.
    assert ask_directly(one, own) == "OK"


def test_a_secret_stolen_from_one_service_opens_no_other(
    guarded: Mapping[str, Guarded],
) -> None:
    assert len({one.secret for one in guarded.values()}) == len(guarded) == 4
    for thief, stolen in guarded.items():
        for name, one in guarded.items():
            expected = "OK" if name == thief else "UNAUTHENTICATED"
            assert ask_directly(one, stolen.secret) == expected, (thief, name)


@pytest.mark.parametrize("service", [FIRST, ASYNC])
def test_the_refusal_says_where_to_call(
    mesh: MeshProcess, guarded: Mapping[str, Guarded], service: str
) -> None:
    one = guarded.get(service) or guarded[f"baseline {service}"]
    with (
        connect_without_mesh(str(one.endpoint.address), LATER) as channel,
        pytest.raises(UnprovedCall, match="lacks the secret that Envoy adds") as caught,
        raising_peer_errors(),
    ):
        ProbeClient(channel, service).ask(Question())
    assert (
        caught.value.remedy == f"Call through the mesh at {mesh.address}, with x-pagesim-stack."
    )


def test_the_same_calls_through_the_mesh_are_answered_and_forged_secrets_replaced(
    mesh: MeshProcess, guarded: Mapping[str, Guarded]
) -> None:
    stolen = guarded[SECOND].secret
    forged = ((CALL_SECRET_HEADER, stolen), (CALL_SECRET_HEADER, "forged-secret"))
    question = Question((SECOND, ASYNC, SECOND, FIRST))
    with connect(mesh.address) as channel, use_context(STACK.context):
        answer = ProbeClient(channel, FIRST).ask(question, metadata=forged)
        with pytest.raises(grpc.RpcError) as caught:
            ProbeClient(channel, SECOND).ask(Question(fault="unavailable"), metadata=forged)
    assert [hop.name for hop in answer.hops] == [FIRST, SECOND, ASYNC, SECOND, FIRST]
    received = {hop.name: hop.as_received.get(CALL_SECRET_HEADER) for hop in answer.hops}
    assert received[FIRST] == guarded[f"baseline {FIRST}"].secret
    assert received[SECOND] == stolen
    # Retried on the other replica, each attempt got as far as the service.
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "told to fail in" in (caught.value.details() or "")


def test_secrets_are_on_no_command_line_and_in_no_file(
    mesh: MeshProcess, guarded: Mapping[str, Guarded]
) -> None:
    for one in guarded.values():
        ask_directly(one, "forged-secret")
    marker = f"/{SECOND}/Marked"
    forged = ((CALL_SECRET_HEADER, "forged-secret"), ("x-pagesim-stack", STACK.stack_id))
    with grpc.insecure_channel(mesh.address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(marker)
        with pytest.raises(grpc.RpcError):
            call(b"", metadata=forged)
    while marker not in (mesh.directory / "access.jsonl").read_text():
        time.sleep(0.05)
    secrets = {one.secret for one in guarded.values()} | {"forged-secret"}
    for secret in secrets:
        assert files_with(secret.encode(), mesh.directory) == []
    running = psutil.Process(mesh.process_id).children(recursive=True)
    lines = " ".join(part for process in running for part in process.cmdline())
    assert not [secret for secret in secrets if secret in lines]
