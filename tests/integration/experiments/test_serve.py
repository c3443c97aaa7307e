"""pagesim serve: pages, health, reflection and metrics for clients that know nothing of us."""

from __future__ import annotations

import json
import re
import signal
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import grpc
import psutil
import pytest

from core.moments import parse_moment
from tests.support.commands import serve
from tests.support.mesh.generic_clients import (
    BUF,
    ROOT,
    ReflectingClient,
    curl,
    read_samples,
    read_text,
    run_shell,
)
from tests.support.mesh.processes import descendants, wait_gone
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Call = grpc.UnaryUnaryMultiCallable[bytes, bytes]
    Description = dict[str, Any]

pytestmark = pytest.mark.integration

AS_OF = "2024-01-15T00:00:00Z"
LATER = "2024-01-16T00:00:00Z"
ASSEMBLER = "pagesim.assembler.v1.PageAssemblerService"
METHODS = {
    ASSEMBLER: "GetPage",
    "pagesim.dedup.v1.DedupService": "Dedup",
    "pagesim.filtering.v1.FilteringService": "Filter",
    "pagesim.ranking.v1.RankingService": "Rank",
    "pagesim.timetravel.v1.TimeTravelService": "GetEntity",
}
LISTEN, ESTABLISHED = psutil.CONN_LISTEN, psutil.CONN_ESTABLISHED
HEALTHY = {"status": "SERVING"}
INTERRUPTED = 130
README_BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
README_CALLS = [
    call for block in README_BLOCKS for call in block.split("\n\n") if "buf curl" in call
]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def serving(lived_store: str, logs: Path) -> Iterator[Description]:
    """Serve for all tests of this file; ended by Ctrl-C, it leaves nothing."""
    with serve(lived_store, AS_OF, logs, ending=signal.SIGINT) as (process, description):
        started = descendants(process.pid)
        yield description
    assert process.returncode == INTERRUPTED
    assert wait_gone(started) == set()


def ask_page(serving: Description, *headers: str, **request: object) -> tuple[str, str]:
    """Ask for a page through Envoy, in vain; return code and message."""
    sent = (f"--header={header}" for header in headers)
    path = f"/{ASSEMBLER}/GetPage"
    answer = curl(
        serving["address"], path, "--schema=protos", *sent, data={"profileId": 3, **request}
    )
    assert answer.exit_code
    return answer.document["code"], answer.document["message"]


@pytest.mark.parametrize("command", README_CALLS)
def test_the_calls_of_the_readme_are_answered_as_they_stand(
    serving: Description, command: str
) -> None:
    assert "http://127.0.0.1:10000" in command
    here = command.replace("127.0.0.1:10000", serving["address"])
    answer = run_shell(here.replace(".venv/bin/buf", str(BUF)))
    assert answer.exit_code == 0, answer.text
    if "GetPage" in command:
        assert len(answer.document["page"]["rows"]) > 3
    else:
        assert answer.document == HEALTHY


def test_the_call_that_serve_itself_proposes_is_answered(
    serving: Description, lived_store: str
) -> None:
    answer = run_shell(serving["call"])
    assert answer.exit_code == 0, answer.text
    with Store.open(lived_store) as store:
        shown = store.shown_pages(until=parse_moment(AS_OF))
    assert int(answer.document["page"]["profileId"]) == shown.profile_ids[0]


def test_a_page_that_a_reflecting_client_gets_is_of_the_stacks_moment(
    serving: Description,
) -> None:
    headers = {**serving["headers"], "x-pagesim-service": ASSEMBLER}
    with grpc.insecure_channel(serving["address"]) as channel:
        answer = ReflectingClient(channel, ASSEMBLER, headers).call("GetPage", profileId=3)
    assert answer["page"]["asOf"] == AS_OF
    assert all(row["videos"] for row in answer["page"]["rows"])
    newest = datetime.fromisoformat(answer["lineage"]["newestKnownAt"])
    assert newest <= datetime.fromisoformat(AS_OF)
    assert answer["lineage"]["snapshot"] == str(serving["snapshot"])


@pytest.mark.parametrize(
    ("headers", "code", "said"),
    [
        ([], "failed_precondition", "Send the id of a live stack"),
        (["x-pagesim-stack: nobody"], "not_found", "Create the stack first"),
        (
            ["x-pagesim-stack: serve", f"x-pagesim-as-of: {LATER}"],
            "failed_precondition",
            "Leave the header out, or call a stack of that moment",
        ),
    ],
    ids=["no stack", "an unknown stack", "another as-of"],
)
def test_a_call_without_its_moment_is_refused_and_told_what_to_do(
    serving: Description, headers: list[str], code: str, said: str
) -> None:
    refused, message = ask_page(serving, *headers)
    assert refused == code
    assert said in message


def test_a_page_later_than_the_stacks_moment_is_refused(serving: Description) -> None:
    code, message = ask_page(serving, "x-pagesim-stack: serve", asOf=LATER)
    assert code == "invalid_argument"
    assert "use a stack with a later one" in message


@pytest.mark.parametrize("moment", [{}, {"x-pagesim-as-of": LATER}], ids=["none", "later"])
@pytest.mark.parametrize("service", METHODS)
def test_each_service_refuses_a_call_past_the_mesh_even_with_a_moment(
    serving: Description, service: str, moment: dict[str, str]
) -> None:
    (own,) = (one for one in serving["services"] if one["service"] == service)
    with grpc.insecure_channel(own["address"]) as channel:
        client = ReflectingClient(channel, service, {**serving["headers"], **moment})
        with pytest.raises(grpc.RpcError) as refused:
            client.call(METHODS[service])
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    said = f"Call through the mesh at {serving['address']}, with x-pagesim-stack."
    assert said in (refused.value.details() or "")


@pytest.mark.parametrize("service", METHODS)
def test_each_service_answers_health_and_reflection_on_its_own_and_through_the_mesh(
    serving: Description, service: str
) -> None:
    (own,) = (one for one in serving["services"] if one["service"] == service)
    named = ("--header=x-pagesim-stack: serve", f"--header=x-pagesim-service: {service}")
    ways = {own["address"]: (), serving["address"]: (*named, "--reflect-header=*")}
    for address, flags in ways.items():
        health = curl(
            address, "/grpc.health.v1.Health/Check", *flags, data={"service": service}
        )
        assert (health.exit_code, health.document) == (0, HEALTHY)
        listed = curl(address, "", *flags, "--list-methods")
        assert f"{service}/{METHODS[service]}" in listed.text


def test_metrics_count_requests_errors_and_seconds_by_method_stack_and_variant(
    serving: Description,
) -> None:
    assert run_shell(serving["call"]).exit_code == 0
    ask_page(serving, "x-pagesim-stack: serve", asOf=LATER)
    for service in serving["services"]:
        own = {"service": service["service"], "stack": "serve", "variant": "serve"}
        counted = {
            sample.name
            for sample in read_samples(service["metrics"], "pagesim_request")
            if sample.value and sample.labels.items() >= own.items() and sample.labels["method"]
        }
        assert {"pagesim_requests_total", "pagesim_request_seconds_bucket"} <= counted
        if service["service"] == ASSEMBLER:
            assert "pagesim_request_errors_total" in counted
    assert "envoy_cluster_upstream_rq" in read_text(serving["envoy_metrics"])
    assert "pagesim_mesh_stacks 1.0" in read_text(serving["mesh_metrics"])


def test_what_callers_make_up_becomes_no_label_of_the_metrics(serving: Description) -> None:
    metadata = (("x-pagesim-stack", "serve"), ("x-pagesim-variant", "made-up"))
    ask_page(serving, "x-pagesim-stack: made-up")
    with grpc.insecure_channel(serving["address"]) as channel:
        for method, code in (("MadeUp", "UNIMPLEMENTED"), ("GetPage", "NOT_FOUND")):
            call: Call = channel.unary_unary(f"/{ASSEMBLER}/{method}")
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", metadata=metadata)
            assert refused.value.code().name == code
    for service in serving["services"]:
        samples = read_samples(service["metrics"], "pagesim_request")
        assert {sample.labels["stack"] for sample in samples} <= {"serve", ""}
        assert {sample.labels["variant"] for sample in samples} <= {"serve", ""}
        assert "MadeUp" not in {sample.labels["method"] for sample in samples}


def test_services_know_no_address_but_envoys_and_call_nobody_else(
    serving: Description,
) -> None:
    assert run_shell(serving["call"]).exit_code == 0
    others = {one["address"] for one in serving["services"]}
    called = set()
    for one in serving["services"]:
        process = psutil.Process(one["process_id"])
        told = " ".join([*process.cmdline(), *process.environ().values()])
        assert f"--mesh-address {serving['address']}" in told
        assert not [address for address in others - {one["address"]} if address in told]
        connections = process.net_connections("tcp")
        listened = {each.laddr.port for each in connections if each.status == LISTEN}
        called |= {
            "{}:{}".format(*each.raddr).removeprefix("::ffff:")
            for each in connections
            if each.status == ESTABLISHED and each.laddr.port not in listened
        }
    assert called == {serving["address"]}


def test_every_hop_of_a_page_goes_through_envoy_with_the_stacks_moment(
    serving: Description, logs: Path
) -> None:
    assert run_shell(serving["call"]).exit_code == 0
    hops: dict[str, set[str]] = {}
    for _ in range(300):
        for line in (logs / "access.jsonl").read_text().splitlines():
            entry = json.loads(line)
            if entry["stack"] == "serve" and entry["cluster"]:
                hops.setdefault(entry["cluster"], set()).add(entry["as_of"])
        if len(hops) == len(METHODS):
            break
        time.sleep(0.02)  # Envoy writes twice a second
    assert hops == {f"baseline/{service}": {serving["as_of"]} for service in METHODS}


# Every day SIGINT ends `serving`, and SIGTERM what test_serve_tls.py starts.
@pytest.mark.long
@pytest.mark.parametrize(
    ("ending", "exit_code"),
    [
        (signal.SIGKILL, -signal.SIGKILL),
        (signal.SIGTERM, 0),
        (signal.SIGINT, INTERRUPTED),
    ],
)
def test_nothing_outlives_what_serves(
    ending: signal.Signals, exit_code: int, lived_store: str, tmp_path: Path
) -> None:
    with serve(lived_store, AS_OF, tmp_path, ending=ending) as (process, description):
        started = descendants(process.pid)
        assert {one["process_id"] for one in description["services"]} < started
    assert process.returncode == exit_code
    assert wait_gone(started) == set()
