"""Topology: what cannot be run cannot be said, and changes leave the rest alone."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput
from mesh.call.addresses import Address
from mesh.errors import InvalidStack
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Endpoint, Stack
from mesh.topology.topology import Cluster, PlacedStack, Topology, group_endpoints

RANKING = "pagesim.ranking.v1.RankingService"
DEDUP = "pagesim.dedup.v1.DedupService"


def make_endpoint(service: str, port: int, stack_id: str = "") -> Endpoint:
    address = Address("127.0.0.1", port)
    return Endpoint(service, stack_id, address, address, process_id=port)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"service": "not a service"}, "service"),
        ({"service": ""}, "service"),
        ({"module": "services/ranking.py"}, "module"),
        ({"replicas": 0}, "replicas"),
        ({"environment": {"A=B": "c"}}, "environment"),
    ],
)
def test_a_process_that_cannot_be_run_is_refused(
    changes: dict[str, object], field: str
) -> None:
    values: dict[str, object] = {"service": RANKING, "module": "services.ranking"}
    with pytest.raises(InvalidInput) as caught:
        ServiceProcess(**(values | changes))  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stack_id": "Trial"}, "stack_id"),
        ({"stack_id": ""}, "stack_id"),
        ({"stack_id": "t" * 64}, "stack_id"),
        ({"stack_id": "trial\n"}, "stack_id"),
        ({"as_of_micros": 2**62}, "as_of"),
        ({"known_by_micros": -(2**62)}, "known_by"),
        ({"snapshot": 0}, "snapshot"),
        ({"variant": "a b"}, "variant"),
        (
            {"overrides": (ServiceProcess(RANKING, "a"), ServiceProcess(RANKING, "b"))},
            "overrides",
        ),
    ],
)
def test_a_stack_that_cannot_be_run_is_refused(changes: dict[str, object], field: str) -> None:
    values: dict[str, object] = {"stack_id": "trial", "as_of_micros": 0}
    with pytest.raises(InvalidStack) as caught:
        Stack(**(values | changes))  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.field == field


def test_a_stack_without_variant_is_labelled_with_its_id() -> None:
    assert Stack("trial", 0).context.variant == "trial"
    assert Stack("trial", 0, variant="control").context.variant == "control"


def test_replicas_of_a_service_form_one_cluster_whatever_their_order() -> None:
    endpoints = (
        make_endpoint(RANKING, 3),
        make_endpoint(DEDUP, 2),
        make_endpoint(RANKING, 1),
        make_endpoint(RANKING, 4, "trial"),
    )
    clusters = group_endpoints(endpoints)
    assert clusters == group_endpoints(endpoints[::-1])
    assert {one.name: [address.port for address in one.addresses] for one in clusters} == {
        f"baseline/{DEDUP}": [2],
        f"baseline/{RANKING}": [1, 3],
        f"stack/trial/{RANKING}": [4],
    }


def test_a_stack_is_served_by_its_overrides_and_else_by_the_baseline() -> None:
    baseline = {
        one.service: one
        for one in group_endpoints((make_endpoint(RANKING, 1), make_endpoint(DEDUP, 2)))
    }
    own = group_endpoints((make_endpoint(RANKING, 3, "trial"),))
    topology = Topology(baseline)
    overriding = topology.routes(PlacedStack(Stack("trial", 0), own))
    plain = topology.routes(PlacedStack(Stack("plain", 0), ()))
    assert [one.name for one in overriding.values()] == [
        f"baseline/{DEDUP}",
        f"stack/trial/{RANKING}",
    ]
    assert [one.name for one in plain.values()] == [f"baseline/{DEDUP}", f"baseline/{RANKING}"]


def test_adding_and_removing_a_stack_gives_back_the_topology() -> None:
    topology = Topology({}, {"one": PlacedStack(Stack("one", 0), ())})
    placed = PlacedStack(Stack("two", 0), (Cluster(RANKING, "two", ()),))
    assert topology.with_stack(placed).without_stack("two") == topology
