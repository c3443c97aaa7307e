"""Each page service as a process of its own, started by hand."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

SERVICES = {
    "assembler": "pagesim.assembler.v1.PageAssemblerService",
    "dedup": "pagesim.dedup.v1.DedupService",
    "filtering": "pagesim.filtering.v1.FilteringService",
    "ranking": "pagesim.ranking.v1.RankingService",
}
NO_MESH = "127.0.0.1:1"


def command(name: str, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from experiments.cli.services import services; services()",
        name,
        *arguments,
    ]


@contextmanager
def running(name: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """Run a service; yield its process and its addresses."""
    ready, tell = os.pipe()
    process = subprocess.Popen(
        command(name, "--mesh-address", NO_MESH, "--ready-fd", str(tell)), pass_fds=(tell,)
    )
    os.close(tell)
    try:
        with os.fdopen(ready, encoding="utf-8") as lines:
            yield process, json.loads(lines.readline())
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_by_hand_with_health_reflection_and_metrics(name: str) -> None:
    with running(name) as (process, addresses):
        with grpc.insecure_channel(addresses["address"]) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            question = health_pb2.HealthCheckRequest(service=SERVICES[name])
            status = health.Check(question).status  # type: ignore[attr-defined]  # stubs lag
            assert status == health_pb2.HealthCheckResponse.SERVING
            database = ProtoReflectionDescriptorDatabase(channel)
            assert SERVICES[name] in database.get_services()
            assert database.FindFileContainingSymbol(SERVICES[name]).service
        metrics = f"http://{addresses['metrics_address']}/metrics"
        with urllib.request.urlopen(metrics) as page:
            assert b"process_cpu_seconds_total" in page.read()
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def test_a_port_in_use_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            command("ranking", "--mesh-address", NO_MESH, "--address", address),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Something already listens on {address}." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "no mesh"),
        (("--mesh-address", NO_MESH, "--configuration-overlay", "gone.json"), "gone.json"),
        (("--mesh-address", NO_MESH, "--address", "nowhere"), "'nowhere'"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(arguments: tuple[str, ...], part: str) -> None:
    done = subprocess.run(
        command("dedup", *arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert part in done.stderr
    assert "Traceback" not in done.stderr
