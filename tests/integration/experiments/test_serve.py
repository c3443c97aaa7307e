"""pagesim serve: pages, health, reflection and metrics for clients that know nothing of us."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from pathlib import Path
from sys import executable
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.commands import start_pagesim
from tests.mesh_processes import descendants, wait_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

AS_OF = "2024-01-15T00:00:00Z"
GET_PAGE = "pagesim.assembler.v1.PageAssemblerService/GetPage"
SERVICES = {
    "pagesim.assembler.v1.PageAssemblerService": "GetPage",
    "pagesim.dedup.v1.DedupService": "Dedup",
    "pagesim.filtering.v1.FilteringService": "Filter",
    "pagesim.ranking.v1.RankingService": "Rank",
    "pagesim.timetravel.v1.TimeTravelService": "GetEntity",
}
HEALTHY = {"status": "SERVING"}
BUF = Path(executable).with_name("buf")


def start_serving(store: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start `pagesim serve` and return it with what it says of itself."""
    process = start_pagesim(
        *("serve", "--store", store, "--as-of", AS_OF, "--address", "127.0.0.1:0", "--json")
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith("\n}\n"):
        line = process.stdout.readline()
        assert line, process.communicate()
        text += line
    return process, json.loads(text)


@pytest.fixture(scope="module")
def serving(lived_store: str) -> Iterator[dict[str, Any]]:
    process, description = start_serving(lived_store)
    yield description
    process.terminate()
    process.communicate()


def curl(address: str, method: str, data: object, *flags: str) -> tuple[int, dict[str, Any]]:
    """Call a method as the README shows, and return exit code and answer or error."""
    done = subprocess.run(
        [
            *(str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *flags),
            *("--data", json.dumps(data), f"http://{address}/{method}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or done.stderr)


def call(serving: dict[str, Any], data: object, **headers: str) -> tuple[int, dict[str, Any]]:
    """Ask for a page through Envoy."""
    sent = (f"--header={name.replace('_', '-')}: {value}" for name, value in headers.items())
    return curl(serving["address"], GET_PAGE, data, "--schema=protos", *sent)


def read(url: str) -> str:
    with urllib.request.urlopen(url) as response:  # noqa: S310 - loopback
        return str(response.read().decode())


def test_a_page_is_fetched_with_a_generic_client(serving: dict[str, Any]) -> None:
    code, answer = call(serving, {"profileId": 3, "device": "tv"}, x_pagesim_stack="serve")
    assert code == 0
    rows = answer["page"]["rows"]
    assert len(rows) > 3
    assert all(row["videos"] for row in rows)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, ["x-pagesim-stack"]),
        ({"x_pagesim_stack": "nobody"}, ["x-pagesim-stack", "no live stack"]),
        (
            {"x_pagesim_stack": "serve", "x_pagesim_as_of": "2024-01-16T00:00:00Z"},
            ["2024-01-1", "as-of"],
        ),
    ],
    ids=["no stack", "an unknown stack", "another as-of"],
)
def test_a_call_without_its_moment_is_refused_and_never_answered_for_now(
    serving: dict[str, Any], headers: dict[str, str], words: list[str]
) -> None:
    code, error = call(serving, {"profileId": 3}, **headers)
    assert code != 0
    assert error["code"] in {"invalid_argument", "failed_precondition", "not_found"}
    for word in words:
        assert word in error["message"]


def test_a_later_moment_than_the_stacks_is_refused(serving: dict[str, Any]) -> None:
    data = {"profileId": 3, "asOf": "2024-01-16T00:00:00Z"}
    code, error = call(serving, data, x_pagesim_stack="serve")
    assert code != 0
    assert error["code"] in {"invalid_argument", "failed_precondition"}
    assert "later" in error["message"]


def test_a_service_called_past_the_mesh_without_context_refuses(
    serving: dict[str, Any],
) -> None:
    (assembler,) = (one for one in serving["services"] if one["service"] in GET_PAGE)
    code, error = curl(assembler["address"], GET_PAGE, {"profileId": 3}, "--schema=protos")
    assert code != 0
    assert error["code"] in {"invalid_argument", "failed_precondition"}
    assert "x-pagesim" in error["message"]


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_serves_health_and_reflection(
    serving: dict[str, Any], service: str
) -> None:
    (own,) = (one for one in serving["services"] if one["service"] == service)
    health, data = "grpc.health.v1.Health/Check", {"service": service}
    assert curl(own["address"], health, data, "--reflect") == (0, HEALTHY)
    named = (f"x-pagesim-service: {service}", "x-pagesim-stack: serve")
    through = [f"--{flag}={one}" for flag in ("header", "reflect-header") for one in named]
    assert curl(serving["address"], health, data, "--reflect", *through) == (0, HEALTHY)
    listed = subprocess.run(
        [
            *(str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
            *("--list-methods", f"http://{own['address']}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{service}/{SERVICES[service]}" in listed.stdout


def test_metrics_tell_requests_errors_and_latency_by_method_stack_and_variant(
    serving: dict[str, Any],
) -> None:
    assert call(serving, {"profileId": 4}, x_pagesim_stack="serve")[0] == 0
    for one in serving["services"]:
        text = read(one["metrics"])
        own = [line for line in text.splitlines() if one["service"].rsplit(".", 1)[1] in line]
        for family in ("requests_total", "request_seconds_bucket"):
            lines = [line for line in own if family in line]
            assert lines, (one["service"], family)
            assert all("stack=" in line and "variant=" in line for line in lines)
        assert any('stack="serve"' in line for line in own)
    assert "envoy_cluster_upstream_rq" in read(serving["envoy_metrics"])
    assert "pagesim_mesh_stacks" in read(serving["mesh_metrics"])


def test_services_know_nobody_but_the_mesh(serving: dict[str, Any]) -> None:
    addresses = {one["address"] for one in serving["services"]}
    for one in serving["services"]:
        process = psutil.Process(one["process_id"])
        told = " ".join([*process.cmdline(), *process.environ().values()])
        assert not [other for other in addresses - {one["address"]} if other in told]
        connected = {
            f"{each.raddr.ip}:{each.raddr.port}"
            for each in process.net_connections("inet")
            if each.status == psutil.CONN_ESTABLISHED and each.raddr
        }
        assert not connected & addresses


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_what_serves(signal_number: signal.Signals, lived_store: str) -> None:
    process, _ = start_serving(lived_store)
    started = descendants(process.pid)
    assert len(started) > 6
    process.send_signal(signal_number)
    process.communicate()
    assert wait_gone(started) == set()
