"""Traces: one of a call through Envoy and two services, as a real exporter sends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mesh.client.mesh_process import MeshProcess
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack
from tests.support.mesh.processes import FIRST, SECOND, probe_process
from tests.support.mesh.trace_collector import TraceCollector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.mesh.trace_collector import ReceivedSpan

pytestmark = pytest.mark.integration

SERVER, CLIENT = 2, 3
ASYNC = ServiceProcess(
    "test.Async", "tests.support.mesh.async_probe", ("--service", "test.Async")
)
CALLER = """
import json, sys
from mesh.call.context import use_context
from mesh.serving import connect
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack
from tests.support.mesh.probe import ProbeClient, Question
address, stack, service, path, traceparent, fault = sys.argv[1:]
from dataclasses import replace
context = replace(Stack(stack, 0, None, 3, variant="blue").context, traceparent=traceparent)
with use_context(context), connect(address) as channel:
    client = ProbeClient(channel, service)
    question = Question(tuple(json.loads(path)), last_fault=fault)
    try:
        client.ask(question)
        list(client.repeat(Question()))
    except Exception as error:
        print(error)
"""


@pytest.fixture(scope="module")
def collector() -> Iterator[TraceCollector]:
    with TraceCollector() as running:
        yield running


@pytest.fixture(scope="module")
def settings(collector: TraceCollector) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }


@pytest.fixture(scope="module")
def traced_mesh(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]
) -> Iterator[MeshProcess]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        directory = tmp_path_factory.mktemp("traced")
        baseline = [probe_process(FIRST), probe_process(SECOND), ASYNC]
        mesh = MeshProcess.start(baseline, directory)
    with mesh:
        yield mesh


def call(
    mesh: MeshProcess,
    stack: str,
    settings: dict[str, str],
    *,
    traceparent: str = "",
    fault: str = "",
    path: tuple[str, ...] = (SECOND,),
) -> None:
    mesh.service.create_stack(Stack(stack, 0, None, 3, variant="blue"))
    arguments = [mesh.address, stack, FIRST, json.dumps(path), traceparent, fault]
    subprocess.run(
        [sys.executable, "-c", CALLER, *arguments], check=True, env={**os.environ, **settings}
    )


def of_stack(stack: str, collector: TraceCollector, number: int) -> list[ReceivedSpan]:
    return collector.wait(number, lambda span: span.attributes.get("pagesim.stack") == stack)


def test_a_call_through_two_services_is_one_trace(
    traced_mesh: MeshProcess, collector: TraceCollector, settings: dict[str, str]
) -> None:
    call(traced_mesh, "traced", settings)
    spans = of_stack("traced", collector, 6)
    assert len(spans) == 6
    asked = {(one.process, one.kind): one for one in spans if not one.name.endswith("Repeat")}
    assert len({one.trace_id for one in asked.values()}) == 1
    path = [asked[key] for key in (("pagesim", CLIENT), (FIRST, SERVER), (FIRST, CLIENT))] + [
        asked[SECOND, SERVER]
    ]
    assert path[0].parent_id == ""
    assert [one.parent_id for one in path[1:]] == [one.span_id for one in path[:-1]]
    assert [one.name for one in path] == [
        *(f"{FIRST}/Ask", f"{FIRST}/Ask", f"{SECOND}/Ask", f"{SECOND}/Ask")
    ]
    for span in spans:
        told = {name: value for name, value in span.attributes.items() if "pagesim" in name}
        assert told == {
            "pagesim.stack": "traced",
            "pagesim.as_of": "1970-01-01T00:00:00.000000Z",
            "pagesim.snapshot": 3,
            "pagesim.variant": "blue",
        }
        assert span.attributes["rpc.grpc.status_code"] == 0
        assert not span.failed
    streamed = [one for one in spans if one.name == f"{FIRST}/Repeat"]
    assert sorted(one.kind for one in streamed) == [SERVER, CLIENT]


def test_a_trace_that_the_caller_began_goes_on(
    traced_mesh: MeshProcess, collector: TraceCollector, settings: dict[str, str]
) -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    call(traced_mesh, "begun", settings, traceparent=f"00-{trace_id}-{span_id}-01")
    spans = of_stack("begun", collector, 6)
    assert len(spans) == 6
    assert {one.trace_id for one in spans} == {trace_id}
    (first,) = (one for one in spans if (one.process, one.name) == ("pagesim", f"{FIRST}/Ask"))
    assert first.parent_id == span_id


def test_a_failed_call_is_told_at_every_hop(
    traced_mesh: MeshProcess, collector: TraceCollector, settings: dict[str, str]
) -> None:
    call(traced_mesh, "failed", settings, fault="known")
    spans = of_stack("failed", collector, 4)
    assert [(one.failed, one.attributes["rpc.grpc.status_code"]) for one in spans] == [
        (True, 5)
    ] * 4


def test_a_retried_call_is_served_several_times_under_one_call(
    traced_mesh: MeshProcess, collector: TraceCollector, settings: dict[str, str]
) -> None:
    call(traced_mesh, "retried", settings, fault="unavailable")
    spans = of_stack("retried", collector, 1 + 4 + 4 + 16)
    tried = [one for one in spans if (one.process, one.name) == (SECOND, f"{SECOND}/Ask")]
    calls = [one for one in spans if (one.process, one.kind) == (FIRST, CLIENT)]
    # Envoy retries the inner call for FIRST, and the outer one for the caller: 4 x 4.
    assert len(calls) == 4
    assert {one.parent_id for one in tried} == {one.span_id for one in calls}
    assert len(tried) == 16


def test_a_service_of_asyncio_is_part_of_the_trace(
    traced_mesh: MeshProcess, collector: TraceCollector, settings: dict[str, str]
) -> None:
    call(traced_mesh, "through-asyncio", settings, path=(ASYNC.service, SECOND))
    spans = [
        one for one in of_stack("through-asyncio", collector, 8) if "Repeat" not in one.name
    ]
    assert len({one.trace_id for one in spans}) == 1
    children = {one.parent_id: one for one in spans}
    path, found = [], children[""]
    while True:
        path.append((found.process, found.kind))
        if found.span_id not in children:
            break
        found = children[found.span_id]
    assert path == [
        ("pagesim", CLIENT),
        *((FIRST, SERVER), (FIRST, CLIENT)),
        *((ASYNC.service, SERVER), (ASYNC.service, CLIENT)),
        (SECOND, SERVER),
    ]
