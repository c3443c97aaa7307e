"""A configuration that Envoy refuses: told with its reason, taken back, and no harm done."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mesh.call.addresses import parse_address
from mesh.control.control_plane import ControlPlane, MeshSettings
from mesh.errors import ConfigurationRejected
from mesh.host.ports import ReservedPort
from mesh.security.call_origin import CallKey
from mesh.topology.stack import Stack
from mesh.xds.consistency import ResourceSet, messages_in
from mesh.xds.kinds import Kind
from mesh.xds.resources import ROUTE_TABLE, render
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, descendants, probe_process, running_host

if TYPE_CHECKING:
    from pathlib import Path

    from mesh.call.addresses import Address
    from mesh.topology.topology import Topology

pytestmark = pytest.mark.integration

AS_OF = 1_525_176_000_000_000  # 2018-05-01T12:00:00Z


def render_faulty(
    topology: Topology, *, listen: Address, access_log: str, call_key: CallKey | None
) -> ResourceSet:
    """Render, but let stacks called broken-... stamp a header that Envoy does not allow."""
    rendered = render(topology, listen=listen, access_log=access_log, call_key=call_key)
    table = rendered.resources[Kind.ROUTES][ROUTE_TABLE]
    forbidden = {"header": {"key": ":path", "value": "/"}}
    hosts = [
        {**host, "request_headers_to_add": [forbidden]}
        if str(host["name"]).startswith("stack/broken-")
        else host
        for host in messages_in(table, "virtual_hosts")
    ]
    routes = {ROUTE_TABLE: {**table, "virtual_hosts": hosts}}
    return ResourceSet({**rendered.resources, Kind.ROUTES: routes})


def test_a_refusal_fails_the_stack_with_envoys_reason_and_spares_the_others(
    tmp_path: Path,
) -> None:
    registry = CollectorRegistry()
    outside = descendants(os.getpid())
    anywhere = parse_address("127.0.0.1:0")
    with (
        running_host(tmp_path) as host,
        ReservedPort(anywhere, field="") as listen,
        ReservedPort(anywhere, field="") as envoy_metrics,
        ControlPlane(
            host=host,
            directory=tmp_path,
            baseline=[probe_process(FIRST)],
            settings=MeshSettings(listen.address, envoy_metrics.address),
            call_key=CallKey.make(),
            registry=registry,
            render=render_faulty,
        ) as control_plane,
        grpc.insecure_channel(str(control_plane.address)) as channel,
    ):
        stacks = control_plane.stacks
        stacks.create(Stack("good", AS_OF))
        before = descendants(os.getpid())
        for number in range(2):
            broken = Stack(f"broken-{number}", AS_OF, overrides=(probe_process(SECOND),))
            with pytest.raises(ConfigurationRejected, match="may not be modified"):
                stacks.create(broken)
        assert descendants(os.getpid()) == before
        assert [one.stack.stack_id for one in stacks.list_ready()] == ["good"]
        stacks.create(Stack("better", AS_OF, overrides=(probe_process(SECOND),)))
        for stack_id in ("good", "better"):
            headers = (("x-pagesim-stack", stack_id),)
            assert ProbeClient(channel, FIRST).ask(Question(), metadata=headers).name == FIRST
    assert registry.get_sample_value("pagesim_mesh_refusals_total", {"kind": "routes"}) == 2
    assert (
        registry.get_sample_value(
            "pagesim_mesh_failed_stacks_total", {"reason": "ConfigurationRejected"}
        )
        == 2
    )
    assert descendants(os.getpid()) == outside
