"""Traffic and health as read from Prometheus endpoints that real servers offer."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from mesh.call.addresses import Address
from mesh.observation.traffic import Observation, Traffic, observe
from mesh.serving.call_metrics import CallMetrics, Served
from mesh.topology.stack import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST, SECOND = "test.first.v1.FirstService", "test.second.v1.SecondService"
NOBODY = Address("127.0.0.1", 1)


@pytest.fixture
def offer() -> Iterator[Callable[[CollectorRegistry], Address]]:
    """Offer the metrics of a registry until the test ends."""
    with ExitStack() as running:

        def offer_one(registry: CollectorRegistry) -> Address:
            server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
            running.callback(server.server_close)
            running.callback(thread.join)
            running.callback(server.shutdown)
            return Address("127.0.0.1", server.server_port)

        yield offer_one


def process_metrics(*served: tuple[Served, int]) -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = CallMetrics(registry, labelled_stacks=10)
    for one, calls in served:
        for _ in range(calls):
            metrics.count(one, seconds=0.001, code=None)
    return registry


def endpoint(service: str, metrics: Address, stack_id: str = "") -> Endpoint:
    return Endpoint(service, stack_id, NOBODY, metrics, 1)


def test_traffic_is_summed_over_methods_and_processes(
    offer: Callable[[CollectorRegistry], Address],
) -> None:
    pages = [
        process_metrics(
            (Served(FIRST, "Ask", "trial", "a"), 2),
            (Served(FIRST, "Tell", "trial", "a"), 3),
            (Served(FIRST, "Ask", "other", "b"), 7),
        ),
        process_metrics((Served(SECOND, "Ask", "trial", "a"), 11)),
    ]
    first, second = map(offer, pages)
    seen = observe(str(NOBODY), [endpoint(FIRST, first), endpoint(SECOND, second, "trial")])
    assert seen.stack_traffic("trial") == Traffic(calls=16)
    assert seen.stack_traffic("other") == Traffic(calls=7)
    assert seen.stack_traffic("absent") == Traffic()
    assert seen.service_traffic("", FIRST) == Traffic(calls=12)
    assert seen.service_traffic("trial", SECOND) == Traffic(calls=11)
    assert seen.service_traffic("", SECOND) == Traffic()
    assert seen.silent == frozenset()


def test_a_process_that_does_not_answer_is_named_and_its_health_is_not_guessed() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        silent = Address("127.0.0.1", bound.getsockname()[1])
        seen = observe(str(silent), [endpoint(FIRST, silent)])
    assert seen == Observation({}, None, frozenset({silent}))
    assert seen.healthy_replicas("", FIRST) is None


def test_health_is_told_by_owner_and_service(
    offer: Callable[[CollectorRegistry], Address],
) -> None:
    registry = CollectorRegistry()
    labels = ["envoy_cluster_name", "pagesim_stack"]
    gauge = Gauge("envoy_cluster_membership_healthy", "As Envoy.", labels, registry=registry)
    gauge.labels("stack/trial/test_second_v1_SecondService", "trial").set(2)
    # prometheus_client serves every path.
    seen = observe(str(offer(registry)), [])
    assert seen.healthy_replicas("trial", SECOND) == 2
    assert seen.healthy_replicas("other", SECOND) is None
