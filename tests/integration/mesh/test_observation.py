"""What can be seen of a running mesh: health, reflection, metrics, logs; and what cannot."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from mesh.call.context import use_context
from mesh.client.mesh_process import MeshProcess
from mesh.serving import connect
from mesh.topology.stack import Stack
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, probe_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.topology.stack import StackStatus

    Create = Callable[..., StackStatus]
    ClientOf = Callable[[StackStatus, str], ProbeClient]

ROOT = Path(__file__).parents[3]

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


def wait_logged(mesh: MeshProcess, stack: str, method: str) -> dict[str, object]:
    """Return the one entry of the stack and method; Envoy writes twice a second."""
    for _ in range(500):
        text = ""
        for name in ("access.jsonl.1", "access.jsonl"):
            with suppress(FileNotFoundError):  # not there yet, or just being rotated
                whole, newline, _ = (mesh.directory / name).read_text().rpartition("\n")
                text += whole + newline
        entries: list[dict[str, object]] = [json.loads(line) for line in text.splitlines()]
        found = [one for one in entries if (one["stack"], one["path"]) == (stack, f"/{method}")]
        if found:
            (entry,) = found
            return entry
        time.sleep(0.02)
    pytest.fail("the call is not in the access log")


def test_the_access_log_tells_stack_as_of_and_attempts_of_a_call(
    mesh: MeshProcess, create: Create, client_of: ClientOf
) -> None:
    status = create()
    client_of(status, FIRST).ask(Question())
    entry = wait_logged(mesh, status.stack.stack_id, f"{FIRST}/Ask")
    assert entry["as_of"] == "2018-05-01T12:00:00.000000Z"
    assert entry["cluster"] == f"baseline/{FIRST}"
    assert (entry["attempts"], entry["grpc_status"], entry["flags"]) == (1, "OK", "-")


def test_the_access_log_tells_the_attempts_of_a_retried_call(
    mesh: MeshProcess, create: Create, client_of: ClientOf
) -> None:
    status = create(probe_process(SECOND, replicas=2))
    with pytest.raises(grpc.RpcError, match="told to fail"):
        client_of(status, SECOND).ask(Question(fault="unavailable"))
    entry = wait_logged(mesh, status.stack.stack_id, f"{SECOND}/Ask")
    assert entry["as_of"] == "2018-05-01T12:00:00.000000Z"
    assert (entry["attempts"], entry["grpc_status"]) == (4, "Unavailable")
    assert "URX" in str(entry["flags"])  # upstream retry limit exceeded
    assert entry["replica"] in {str(one.address) for one in status.endpoints}


def test_the_access_log_tells_of_refused_calls_that_nobody_was_asked(
    mesh: MeshProcess, create: Create, bare_channel: grpc.Channel
) -> None:
    stack_id = create().stack.stack_id
    other = ("x-pagesim-as-of", "2031-01-01T00:00:00.000000Z")
    for headers in (
        (("x-pagesim-stack", "logged-nobody"),),
        (("x-pagesim-stack", stack_id), other),
    ):
        with pytest.raises(grpc.RpcError):
            ProbeClient(bare_channel, FIRST).ask(Question(), metadata=headers)
    unknown = wait_logged(mesh, "logged-nobody", f"{FIRST}/Ask")
    assert (unknown["grpc_status"], unknown["as_of"]) == ("NotFound", None)
    contradicting = wait_logged(mesh, stack_id, f"{FIRST}/Ask")
    assert contradicting["grpc_status"] == "FailedPrecondition"
    for entry in (unknown, contradicting):
        assert (entry["attempts"], entry["replica"]) == (0, None)
        assert entry["detail"] == "direct_response"


def test_a_full_access_log_begins_anew_and_the_former_one_stays(tmp_path: Path) -> None:
    arguments = ("--access-log-bytes", "20000")
    with MeshProcess.start([probe_process(FIRST)], tmp_path, arguments=arguments) as mesh:
        mesh.service.create_stack(Stack("trial", 0))
        with (
            use_context(Stack("trial", 0).context),
            connect(mesh.address) as channel,
        ):
            client = ProbeClient(channel, FIRST)
            former = tmp_path / "access.jsonl.1"
            for _ in range(2000):
                client.ask(Question())
                if former.exists():
                    break
                time.sleep(0.002)
            list(client.repeat(Question()))
        wait_logged(mesh, "trial", f"{FIRST}/Repeat")
        assert former.stat().st_size >= 20_000
        assert len(list(tmp_path.glob("access.jsonl*"))) <= 2


def test_the_metrics_of_envoy_that_are_documented_are_there(
    mesh: MeshProcess, create: Create
) -> None:
    create(probe_process(SECOND))
    documented = re.findall(
        r"^\| `(envoy_\w+)` \| (\w+) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )
    assert len(documented) > 5
    lines = read_page(mesh.envoy_metrics_address, "/stats/prometheus").splitlines()
    for name, kind in documented:
        assert f"# TYPE {name} {kind}" in lines


def test_no_series_tells_when_another_was_created(mesh: MeshProcess, create: Create) -> None:
    create()
    (first,) = (one for one in mesh.service.get_mesh().baseline if one.service == FIRST)
    for address in (mesh.metrics_address, str(first.metrics_address)):
        assert "_created" not in read_page(address, "/metrics")


def test_each_process_has_a_log_of_its_own(mesh: MeshProcess, create: Create) -> None:
    status = create(probe_process(SECOND, replicas=2))
    logs = mesh.directory / "logs"
    assert (logs / "baseline" / f"{FIRST}-0.log").exists()
    for replica in range(2):
        log = logs / status.stack.stack_id / f"{SECOND}-{replica}.log"
        assert json.loads(log.read_text().splitlines()[0])["event"] == "serving"
