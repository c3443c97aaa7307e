"""Resources: recorded in full once, and never changed by what happens to other stacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from mesh.call.addresses import Address
from mesh.errors import ConfigurationRejected
from mesh.security.call_origin import CALL_SECRET_HEADER, CallKey
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack
from mesh.topology.topology import Cluster, PlacedStack, Topology
from mesh.xds.consistency import ResourceSet, messages_in
from mesh.xds.kinds import JsonMessage, Kind
from mesh.xds.messages import descriptor_pool, message_class
from mesh.xds.resources import ROUTE_TABLE, render
from mesh.xds.snapshot import Encoder
from mesh.xds.transport_sockets import render_downstream, render_upstream

if TYPE_CHECKING:
    from collections.abc import Callable

RANKING = "pagesim.ranking.v1.RankingService"
DEDUP = "pagesim.dedup.v1.DedupService"
CALL_KEY = CallKey(bytes(32))
AS_OF = 1_525_176_000_000_000  # 2018-05-01T12:00:00Z
LISTEN = Address("127.0.0.1", 0)

BASELINE = {
    DEDUP: Cluster(DEDUP, "", (Address("127.0.0.1", 50001),)),
    RANKING: Cluster(RANKING, "", (Address("127.0.0.1", 50002), Address("127.0.0.1", 50003))),
}


def place(stack: Stack, *, routed: bool = True) -> PlacedStack:
    clusters = tuple(
        Cluster(process.service, stack.stack_id, (Address("127.0.0.1", 50010),))
        for process in stack.overrides
    )
    return PlacedStack(stack, clusters, routed=routed)


def make_topology(*stacks: PlacedStack) -> Topology:
    return Topology(BASELINE, {one.stack.stack_id: one for one in stacks})


def render_all(topology: Topology) -> ResourceSet:
    return render(topology, listen=LISTEN, access_log="access.jsonl", call_key=CALL_KEY)


def virtual_hosts(topology: Topology) -> dict[str, JsonMessage]:
    table = render_all(topology).resources[Kind.ROUTES][ROUTE_TABLE]
    return {str(host["name"]): host for host in messages_in(table, "virtual_hosts")}


TRIAL = Stack(
    "trial",
    AS_OF,
    known_by_micros=AS_OF + 1,
    snapshot=42,
    overrides=(ServiceProcess(RANKING, "services.ranking"),),
    variant="treatment",
)
PLAIN = Stack("plain", AS_OF)

stacks = st.lists(
    st.builds(
        Stack,
        stack_id=st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
        as_of_micros=st.integers(0, AS_OF),
        known_by_micros=st.none() | st.integers(0, AS_OF),
        snapshot=st.none() | st.integers(1, 9),
        overrides=st.sampled_from([(), TRIAL.overrides]),
    ),
    unique_by=lambda stack: stack.stack_id,
    max_size=6,
)


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name.lower())
def test_two_stacks_over_a_baseline_are_rendered_as_recorded(
    kind: Kind, golden: Callable[[str, str], None]
) -> None:
    rendered = render_all(make_topology(place(TRIAL), place(PLAIN))).resources[kind]
    text = json.dumps(rendered, indent=1, sort_keys=True)
    golden(f"mesh/{kind.name.lower()}.json", text + "\n")


@given(stacks, stacks)
def test_adding_stacks_changes_nothing_of_the_others(
    present: list[Stack], added: list[Stack]
) -> None:
    before = make_topology(*map(place, present))
    ids = {stack.stack_id for stack in present}
    after = before
    for stack in added:
        if stack.stack_id not in ids:
            after = after.with_stack(place(stack))
    hosts, more_hosts = virtual_hosts(before), virtual_hosts(after)
    assert {name: more_hosts[name] for name in hosts} == hosts
    for kind in (Kind.CLUSTER, Kind.ENDPOINTS, Kind.LISTENER):
        was, now = render_all(before).resources[kind], render_all(after).resources[kind]
        assert {name: now[name] for name in was} == was


@given(stacks)
def test_the_bytes_do_not_depend_on_what_was_encoded_before(many: list[Stack]) -> None:
    topology = make_topology(*map(place, many))
    used = Encoder()
    used.encode(render_all(make_topology(place(TRIAL), place(PLAIN))))
    fresh = Encoder().encode(render_all(topology))
    assert used.encode(render_all(topology)) == fresh
    assert used.encode(render_all(topology)) == fresh


@given(stacks)
def test_the_encoding_holds_exactly_what_was_rendered(many: list[Stack]) -> None:
    rendered = render_all(make_topology(*map(place, many)))
    for kind, resources in Encoder().encode(rendered).resources.items():
        for name, resource in resources.items():
            whole = message_class(kind.value)()
            json_format.ParseDict(
                dict(rendered.resources[kind][name]), whole, descriptor_pool=descriptor_pool()
            )
            assert message_class(kind.value).FromString(resource.body) == whole


def test_a_stack_that_is_not_routed_has_clusters_and_no_host() -> None:
    topology = make_topology(place(TRIAL, routed=False))
    assert set(virtual_hosts(topology)) == {"no-stack"}
    assert f"stack/trial/{RANKING}" in render_all(topology).resources[Kind.CLUSTER]


def test_what_a_stack_does_not_pin_is_taken_from_callers_too() -> None:
    hosts = virtual_hosts(make_topology(place(TRIAL), place(PLAIN)))
    assert hosts["stack/trial"]["request_headers_to_remove"] == []
    assert hosts["stack/plain"]["request_headers_to_remove"] == [
        "x-pagesim-known-by",
        "x-pagesim-snapshot",
    ]


def test_resources_that_name_what_is_not_there_are_refused_before_envoy_sees_them() -> None:
    resources = dict(render_all(make_topology(place(TRIAL))).resources)
    name = f"stack/trial/{RANKING}"
    for kind, problem in (
        (Kind.CLUSTER, f"{name} is among the endpoints but not the clusters"),
        (Kind.ENDPOINTS, f"{name} is among the clusters but not the endpoints"),
    ):
        without = {key: value for key, value in resources[kind].items() if key != name}
        with pytest.raises(ConfigurationRejected, match=problem):
            ResourceSet(resources | {kind: without})
    without_both = {
        kind: {key: value for key, value in resources[kind].items() if key != name}
        for kind in (Kind.CLUSTER, Kind.ENDPOINTS)
    }
    with pytest.raises(ConfigurationRejected, match=f"routes lead to {name}"):
        ResourceSet(resources | without_both)
    with pytest.raises(ConfigurationRejected, match="tables that listeners name"):
        ResourceSet(resources | {Kind.ROUTES: {}})


def test_two_stacks_that_answer_to_one_name_are_refused() -> None:
    resources = render_all(make_topology(place(PLAIN))).resources
    table = resources[Kind.ROUTES][ROUTE_TABLE]
    hosts = messages_in(table, "virtual_hosts")
    twice = {ROUTE_TABLE: {**table, "virtual_hosts": [*hosts, hosts[0]]}}
    with pytest.raises(ConfigurationRejected, match="two virtual hosts answer to plain"):
        ResourceSet({**resources, Kind.ROUTES: twice})


def test_each_cluster_alone_holds_its_secret_and_stamps_it_last() -> None:
    rendered = render_all(make_topology(place(TRIAL), place(PLAIN))).resources
    texts = {
        (kind, name): json.dumps(resource)
        for kind, named in rendered.items()
        for name, resource in named.items()
    }
    for name in rendered[Kind.CLUSTER]:
        secret = CALL_KEY.secret_of(name)
        assert [where for where, text in texts.items() if secret in text] == [
            (Kind.CLUSTER, name)
        ]
        cluster = rendered[Kind.CLUSTER][name]["typed_extension_protocol_options"]
        assert isinstance(cluster, dict)
        (options,) = cluster.values()
        stamp, codec = options["http_filters"]
        assert secret in json.dumps(stamp)
        assert codec["name"] == "envoy.filters.http.upstream_codec"


def test_a_key_gives_each_cluster_the_same_secret_again_and_no_two_the_same() -> None:
    names = [f"{owner}/{service}" for owner in ("baseline", "stack/a") for service in "abcde"]
    child: dict[str, str] = CALL_KEY.variables()
    again = CallKey.take(child)
    assert child == {}
    secrets = [CALL_KEY.secret_of(name) for name in names]
    assert [again.secret_of(name) for name in names] == secrets
    others = [CallKey.make().secret_of(name) for name in names]
    assert len({*secrets, *others}) == 2 * len(names)
    assert not [secret for secret in secrets if secret in repr(CALL_KEY) + str(CALL_KEY)]


def test_with_tls_the_listener_and_every_cluster_have_a_transport_socket() -> None:
    topology = make_topology(place(TRIAL), place(PLAIN))
    plain = render_all(topology).resources
    secure = render(topology, listen=LISTEN, access_log="access.jsonl", call_key=None).resources
    assert secure[Kind.ROUTES] == plain[Kind.ROUTES]
    assert secure[Kind.ENDPOINTS] == plain[Kind.ENDPOINTS]
    apart = dict.fromkeys(["transport_socket", "typed_extension_protocol_options"])
    for name, cluster in secure[Kind.CLUSTER].items():
        assert {**cluster, **apart} == {**plain[Kind.CLUSTER][name], **apart}
        assert CALL_SECRET_HEADER not in json.dumps(cluster)
        assert cluster["transport_socket"] == render_upstream()
    for listener in secure[Kind.LISTENER].values():
        (chain,) = messages_in(listener, "filter_chains")
        assert chain["transport_socket"] == render_downstream()
    Encoder().encode(render(topology, listen=LISTEN, access_log="access.jsonl", call_key=None))
