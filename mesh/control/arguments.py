"""The command line of a mesh, which its host and its control plane share."""

from __future__ import annotations

import argparse
from pathlib import Path

from mesh.call.addresses import parse_address
from mesh.control.control_plane import MeshSettings
from mesh.security.certificates import Role

_DEFAULTS = MeshSettings(
    listen=parse_address("127.0.0.1:0"), envoy_metrics=parse_address("127.0.0.1:0")
)


def read_settings(namespace: argparse.Namespace) -> MeshSettings:
    """Return the settings that were given on the command line.

    Raises:
        InvalidInput: An address is malformed.
    """
    return MeshSettings(
        listen=parse_address(namespace.address, field="--address"),
        envoy_metrics=parse_address(
            namespace.envoy_metrics_address, field="--envoy-metrics-address"
        ),
        start_timeout_seconds=namespace.start_timeout_seconds,
        probe_timeout_seconds=namespace.probe_timeout_seconds,
        access_log_bytes=namespace.access_log_bytes,
        tls=namespace.tls.absolute() if namespace.tls else None,
    )


def mesh_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mesh`."""
    parser = argparse.ArgumentParser(prog="python -m mesh", description="Run a mesh.")
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="JSON list of the processes that serve every stack (default: none)",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        help="where logs go (default: a temporary one, removed at the end)",
    )
    parser.add_argument(
        "--tls",
        type=Path,
        metavar="DIRECTORY",
        help="certificates with which all prove who they are (default: none, plain calls)",
    )
    parser.add_argument(
        "--permit",
        action="append",
        metavar="URI",
        help="with --tls, an identity that may create and delete stacks; may be given more "
        f"than once (default: {Role.CLIENT.identity})",
    )
    for name, what in (
        ("--address", "clients call, through Envoy"),
        ("--control-address", "MeshService listens"),
        ("--metrics-address", "the control plane's Prometheus metrics are, at /metrics"),
        ("--envoy-metrics-address", "Envoy's Prometheus metrics are, at /stats/prometheus"),
    ):
        parser.add_argument(
            name,
            default="127.0.0.1:0",
            metavar="HOST:PORT",
            help=f"where {what}; port 0 means any free one (%(default)s)",
        )
    parser.add_argument(
        "--start-timeout-seconds",
        type=float,
        default=_DEFAULTS.start_timeout_seconds,
        metavar="SECONDS",
        help="how long a process may take to be ready (%(default)s)",
    )
    parser.add_argument(
        "--probe-timeout-seconds",
        type=float,
        default=_DEFAULTS.probe_timeout_seconds,
        metavar="SECONDS",
        help="how long the first answer of a new stack may take (%(default)s)",
    )
    parser.add_argument(
        "--access-log-bytes",
        type=int,
        default=_DEFAULTS.access_log_bytes,
        metavar="BYTES",
        help="size at which the access log begins anew; the former one is kept (%(default)s)",
    )
    parser.add_argument(
        "--ready-fd",
        type=int,
        metavar="N",
        help="file descriptor that gets one line of JSON with the addresses when ready",
    )
    return parser
