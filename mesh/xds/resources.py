"""Renders the topology as Envoy resources, with pure functions.

A resource is the JSON form of Envoy's v3 message; Envoy's API reference says what each
field means. One listener, one route table, one virtual host per stack: adding a stack
changes nothing of another's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import grpc

from mesh.call.context import AS_OF_HEADER, STACK_HEADER
from mesh.security.call_origin import CALL_SECRET_HEADER
from mesh.xds.consistency import ResourceSet
from mesh.xds.kinds import Kind
from mesh.xds.transport_sockets import render_downstream, render_upstream
from mesh.xds.virtual_hosts import (
    NO_STACK,
    overwrite_header,
    render_draining,
    render_refusals,
    render_stack,
    stack_routes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mesh.call.addresses import Address
    from mesh.security.call_origin import CallKey
    from mesh.topology.topology import Cluster, Topology
    from mesh.xds.kinds import Json, JsonMessage

ROUTE_TABLE = "mesh"

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_CONNECTION_BUFFER_BYTES = 1 << 20
_HTTP2: Mapping[str, Json] = {
    "max_concurrent_streams": 1024,
    "initial_stream_window_size": 1 << 20,
    "initial_connection_window_size": 8 << 20,
}
_ADS: Mapping[str, Json] = {"ads": {}, "resource_api_version": "V3"}
_NEVER = "0s"
# Header matchers of routes are content when one of several values matches.
_REFUSE_REPEATED_HEADERS = f"""
local names = {{ "{STACK_HEADER}", "{AS_OF_HEADER}" }}
function envoy_on_request(call)
  for _, name in ipairs(names) do
    if call:headers():getNumValues(name) > 1 then
      call:respond({{
        [":status"] = "200",
        ["content-type"] = "application/grpc",
        ["grpc-status"] = "{grpc.StatusCode.INVALID_ARGUMENT.value[0]}",
        ["grpc-message"] = "The call has the " .. name
          .. " header more than once. Send it once.",
      }}, "")
    end
  end
end
"""


def render(
    topology: Topology, *, listen: Address, access_log: str, call_key: CallKey | None
) -> ResourceSet:
    """Return the resources that make Envoy serve the topology.

    Args:
        topology: What runs where.
        listen: Where clients call; port 0 lets Envoy choose.
        access_log: Path of the JSON access log, as Envoy sees it.
        call_key: Gives the secrets by which services know Envoy's calls; None means that all
            prove who they are by certificates instead.
    """
    clusters = topology.clusters()
    tls = call_key is None
    return ResourceSet(
        {
            Kind.CLUSTER: {
                cluster.name: _render_cluster(
                    cluster.name,
                    cluster.service,
                    None if call_key is None else call_key.secret_of(cluster.name),
                )
                for cluster in clusters
            },
            Kind.ENDPOINTS: {cluster.name: _render_endpoints(cluster) for cluster in clusters},
            Kind.LISTENER: {ROUTE_TABLE: _render_listener(listen, access_log, tls=tls)},
            Kind.ROUTES: {ROUTE_TABLE: _render_routes(topology)},
        }
    )


def render_address(address: Address) -> Json:
    """Return a socket address."""
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def statistics_name(cluster_name: str) -> str:
    """Return the cluster's name in metrics; Envoy cuts metric names at dots."""
    return cluster_name.replace(".", "_")


@lru_cache(maxsize=4096)
def _render_cluster(name: str, service: str, secret: str | None) -> JsonMessage:
    return {
        "name": name,
        "alt_stat_name": statistics_name(name),
        "type": "EDS",
        "eds_cluster_config": {"eds_config": {**_ADS, "initial_fetch_timeout": "2s"}},
        "connect_timeout": "0.5s",
        "per_connection_buffer_limit_bytes": _CONNECTION_BUFFER_BYTES,
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options": _HTTP2},
                **({} if secret is None else {"http_filters": _render_stamp(secret)}),
            }
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 64,
                    "max_requests": 4096,
                    "max_pending_requests": 1024,
                    "max_retries": 16,
                    "track_remaining": True,
                }
            ]
        },
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "1s",
                "no_traffic_interval": "5s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                # Envoy would send the cluster's name as authority; with a '/' in it that is
                # none, and servers such as Node's break the connection off.
                "grpc_health_check": {"service_name": service, "authority": service},
            }
        ],
        # Only what the network says about a replica counts. A replica that answers errors
        # is answering: else one experiment's bad requests would take the baseline away
        # from all others.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_local_origin_success_rate": 0,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "2s",
            "max_ejection_time": "10s",
            # Less than all: the last replica is never ejected. If it is dead, its health check
            # says so.
            "max_ejection_percent": 99,
            "always_eject_one_host": False,
        },
        # Without panic mode a dead replica is never called in the hope that it might live.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "ignore_health_on_host_removal": True,
        **({"transport_socket": render_upstream()} if secret is None else {}),
    }


def _render_stamp(secret: str) -> list[Json]:
    # Of the cluster, not of routes: it holds for each attempt, whatever led to the cluster.
    return [
        {
            "name": "envoy.filters.http.header_mutation",
            "typed_config": {
                "@type": f"{_EXTENSIONS}.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": {
                    "request_mutations": [
                        {"append": overwrite_header(CALL_SECRET_HEADER, secret)}
                    ]
                },
            },
        },
        {
            "name": "envoy.filters.http.upstream_codec",
            "typed_config": {
                "@type": f"{_EXTENSIONS}.filters.http.upstream_codec.v3.UpstreamCodec"
            },
        },
    ]


def _render_endpoints(cluster: Cluster) -> JsonMessage:
    return {
        "cluster_name": cluster.name,
        "endpoints": [
            {
                "locality": {"region": "local"},
                "load_balancing_weight": 1,
                "lb_endpoints": [
                    {
                        "endpoint": {"address": render_address(address)},
                        "load_balancing_weight": 1,
                    }
                    for address in cluster.addresses
                ],
            }
        ],
    }


def _render_routes(topology: Topology) -> JsonMessage:
    live = [
        render_draining(placed.stack.stack_id)
        if placed.draining
        else render_stack(stack_routes(placed.stack, topology.routes(placed)))
        for _, placed in sorted(topology.stacks.items())
        if placed.routed
    ]
    return {
        "name": ROUTE_TABLE,
        "vhost_header": "x-pagesim-stack",
        "virtual_hosts": [*live, render_refusals()],
        "validate_clusters": False,
    }


def _render_listener(listen: Address, access_log: str, *, tls: bool) -> JsonMessage:
    connections: Json = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "mesh",
        "codec_type": "HTTP2",
        "rds": {"route_config_name": ROUTE_TABLE, "config_source": _ADS},
        "http2_protocol_options": _HTTP2,
        "common_http_protocol_options": {
            "idle_timeout": _NEVER,
            # Envoy resets a stream with more, as it does one with headers of more than 60 KiB;
            # services answer RESOURCE_EXHAUSTED to much less.
            "max_headers_count": 1000,
        },
        "stream_idle_timeout": _NEVER,
        "generate_request_id": True,
        "early_header_mutation_extensions": [_render_early_mutation()],
        "http_filters": [
            {
                "name": "envoy.filters.http.lua",
                "typed_config": {
                    "@type": f"{_EXTENSIONS}.filters.http.lua.v3.Lua",
                    "default_source_code": {"inline_string": _REFUSE_REPEATED_HEADERS},
                },
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"},
            },
        ],
        "access_log": [_render_access_log(access_log)],
    }
    return {
        "name": ROUTE_TABLE,
        "address": render_address(listen),
        "per_connection_buffer_limit_bytes": _CONNECTION_BUFFER_BYTES,
        "enable_reuse_port": False,  # else two meshes would share a port, and calls
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": connections,
                    }
                ],
                **({"transport_socket": render_downstream()} if tls else {}),
            }
        ],
    }


def _render_early_mutation() -> Json:
    return {
        "name": "headers-of-callers",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.http.early_header_mutation.header_mutation.v3"
            ".HeaderMutation",
            "mutations": [
                # Without the header Envoy finds no virtual host, hence no words for the caller.
                {
                    "append": {
                        "header": {"key": STACK_HEADER, "value": NO_STACK},
                        "append_action": "ADD_IF_ABSENT",
                    }
                },
                {"remove": CALL_SECRET_HEADER},
            ],
        },
    }


def _render_access_log(path: str) -> Json:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {
                "json_format": {
                    "at": "%START_TIME%",
                    "path": "%REQ(:PATH)%",
                    "stack": "%REQ(X-PAGESIM-STACK)%",
                    "as_of": "%REQ(X-PAGESIM-AS-OF)%",
                    "variant": "%REQ(X-PAGESIM-VARIANT)%",
                    "request_id": "%REQ(X-REQUEST-ID)%",
                    "grpc_status": "%GRPC_STATUS%",
                    "cluster": "%UPSTREAM_CLUSTER_RAW%",
                    "replica": "%UPSTREAM_HOST%",
                    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                    "flags": "%RESPONSE_FLAGS%",
                    "detail": "%RESPONSE_CODE_DETAILS%",
                    "milliseconds": "%DURATION%",
                    "bytes_received": "%BYTES_RECEIVED%",
                    "bytes_sent": "%BYTES_SENT%",
                }
            },
        },
    }
