"""What can be seen of a running mesh: health, reflection, metrics, logs; and what cannot."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.mesh_probe import ProbeClient, Question
from tests.mesh_processes import FIRST, SECOND, probe_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.client import MeshProcess
    from mesh.stacks import StackStatus

    Create = Callable[..., StackStatus]
    ClientOf = Callable[[StackStatus, str], ProbeClient]

pytestmark = pytest.mark.integration


def read_page(address: str, path: str) -> str:
    with urllib.request.urlopen(f"http://{address}{path}") as page:
        text: str = page.read().decode()
    return text


def infrastructure_headers(status: StackStatus, service: str) -> tuple[tuple[str, str], ...]:
    return (("x-pagesim-stack", status.stack.stack_id), ("x-pagesim-service", service))


def test_health_is_asked_of_each_service_through_the_mesh(
    create: Create, bare_channel: grpc.Channel
) -> None:
    status = create(probe_process(SECOND))
    check: grpc.UnaryUnaryMultiCallable[
        health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
    ] = health_pb2_grpc.HealthStub(bare_channel).Check  # type: ignore[attr-defined]  # the stubs lag behind
    for service in (FIRST, SECOND):
        answer = check(
            health_pb2.HealthCheckRequest(service=service),
            metadata=infrastructure_headers(status, service),
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError, match="Name it in the x-pagesim-service header"):
        check(
            health_pb2.HealthCheckRequest(),
            metadata=(("x-pagesim-stack", status.stack.stack_id),),
        )


def test_reflection_is_asked_of_each_service_through_the_mesh(
    create: Create, bare_channel: grpc.Channel
) -> None:
    status = create()
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(bare_channel)
    ask: grpc.StreamStreamMultiCallable[
        reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
    ] = stub.ServerReflectionInfo  # type: ignore[assignment]  # the stubs lag behind
    answers = ask(iter([question]), metadata=infrastructure_headers(status, SECOND))
    names = [one.name for one in next(answers).list_services_response.service]
    assert SECOND in names


def test_the_metrics_of_a_service_name_stack_and_variant(
    mesh: MeshProcess, create: Create, client_of: ClientOf
) -> None:
    status = create()
    client_of(status, FIRST).ask(Question())
    (first,) = (one for one in mesh.service.get_mesh().baseline if one.service == FIRST)
    stack_id = status.stack.stack_id
    sample = (
        f'pagesim_requests_total{{method="Ask",service="{FIRST}",stack="{stack_id}",'
        f'variant="{stack_id}"}} 1.0'
    )
    assert sample in read_page(str(first.metrics_address), "/metrics")


def test_envoys_metrics_are_reachable_and_name_the_stack_of_a_cluster(
    mesh: MeshProcess, create: Create
) -> None:
    status = create(probe_process(SECOND))
    page = read_page(mesh.envoy_metrics_address, "/stats/prometheus")
    assert 'envoy_cluster_name="baseline/test_first_v1_FirstService"' in page
    assert f'pagesim_stack="{status.stack.stack_id}"' in page


@pytest.mark.parametrize("path", ["/", "/config_dump", "/quitquitquit", "/stats", "/clusters"])
def test_the_rest_of_envoys_admin_interface_is_not(mesh: MeshProcess, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        read_page(mesh.envoy_metrics_address, path)
    with caught.value:
        assert caught.value.code == 404


def test_envoys_metrics_cannot_be_posted_to(mesh: MeshProcess) -> None:
    url = f"http://{mesh.envoy_metrics_address}/stats/prometheus"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, data=b"")
    caught.value.close()


def test_the_control_plane_counts_stacks_and_pushes(mesh: MeshProcess, create: Create) -> None:
    create()
    page = read_page(mesh.metrics_address, "/metrics")
    assert "pagesim_mesh_stacks 1.0" in page
    assert 'pagesim_mesh_pushes_total{kind="routes"}' in page
    assert 'pagesim_mesh_acknowledgements_total{kind="routes"}' in page


def test_the_access_log_tells_stack_as_of_and_attempts_of_a_call(
    mesh: MeshProcess, create: Create, client_of: ClientOf
) -> None:
    status = create()
    client_of(status, FIRST).ask(Question())
    log = mesh.directory / "access.jsonl"
    for _ in range(300):
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        found = [
            one
            for one in entries
            if one["stack"] == status.stack.stack_id and one["path"] == f"/{FIRST}/Ask"
        ]
        if found:
            break
        time.sleep(0.02)  # Envoy writes twice a second
    else:
        pytest.fail("the call is not in the access log")
    (entry,) = found
    assert entry["as_of"] == "2018-05-01T12:00:00.000000Z"
    assert entry["cluster"] == f"stack/{status.stack.stack_id}/baseline/{FIRST}"
    assert (entry["attempts"], entry["grpc_status"]) == (1, "OK")


def test_each_process_has_a_log_of_its_own(mesh: MeshProcess, create: Create) -> None:
    status = create(probe_process(SECOND, replicas=2))
    logs = mesh.directory / "logs"
    assert (logs / "baseline" / f"{FIRST}-0.log").exists()
    for replica in range(2):
        log = logs / status.stack.stack_id / f"{SECOND}-{replica}.log"
        assert json.loads(log.read_text().splitlines()[0])["event"] == "serving"
