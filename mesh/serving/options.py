"""The addresses and security of a server, as options and as command-line arguments."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from mesh.call.addresses import parse_address
from mesh.security.call_origin import MeshIdentity, SecretHolder, take_call_secret
from mesh.security.certificates import Role
from mesh.security.tls import Tls

if TYPE_CHECKING:
    import argparse

    from mesh.security.call_origin import CallOrigin


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """Where a process listens, and how.

    Attributes:
        address: host:port of the gRPC server; port 0 means any free one.
        metrics_address: host:port of the Prometheus endpoint (/metrics).
        mesh_address: host:port of the mesh, for calls to other services.
        ready_fd: File descriptor that gets one line of JSON with the addresses when the
            process is ready.
        workers: Calls served at once.
        grace_seconds: Time that calls in flight get when the process is stopped.
        labelled_stacks: Stacks that have metrics of their own; beyond, the least recently
            used lose theirs.
        tls: Directory of certificates; without one, calls are not encrypted.
        call_secret: What calls that came through the mesh carry, unless `tls` proves them; None
            in a process that no mesh runs: it answers whoever calls.

    Raises:
        InvalidInput: An address or a number is out of bounds; the message names the
            argument.
    """

    address: str = "127.0.0.1:0"
    metrics_address: str = "127.0.0.1:0"
    mesh_address: str | None = None
    ready_fd: int | None = None
    workers: int = 16
    grace_seconds: float = 10.0
    labelled_stacks: int = 64
    tls: Path | None = None
    call_secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parse_address(self.address, field="--address")
        parse_address(self.metrics_address, field="--metrics-address")
        if self.mesh_address is not None:
            parse_address(self.mesh_address, field="--mesh-address")
        if self.workers < 1:
            raise InvalidInput(
                f"{self.workers} workers serve no call.",
                remedy="Give 1 or more.",
                field="--workers",
            )
        if self.grace_seconds < 0:
            raise InvalidInput(
                f"{self.grace_seconds} seconds are less than none.",
                remedy="Give 0 or more.",
                field="--grace-seconds",
            )
        if self.labelled_stacks < 1:
            raise InvalidInput(
                f"{self.labelled_stacks} labelled stacks leave no metrics.",
                remedy="Give 1 or more.",
                field="labelled_stacks",
            )

    @property
    def identity(self) -> Tls | None:
        """Who a service process with these options is to the mesh."""
        return None if self.tls is None else Tls(self.tls, Role.SERVICE)

    @property
    def call_origin(self) -> CallOrigin | None:
        """What knows the calls that came through the mesh; None if no mesh runs the process."""
        if self.tls is not None:
            return MeshIdentity(self.mesh_address)
        if self.call_secret is not None:
            return SecretHolder(self.call_secret, self.mesh_address)
        return None


def add_serving_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every served process takes."""
    defaults = ServingOptions()
    group = parser.add_argument_group("serving")
    group.add_argument(
        "--address",
        default=defaults.address,
        metavar="HOST:PORT",
        help="where the gRPC server listens; port 0 means any free one (%(default)s)",
    )
    group.add_argument(
        "--metrics-address",
        default=defaults.metrics_address,
        metavar="HOST:PORT",
        help="where Prometheus metrics are served, at /metrics (%(default)s)",
    )
    group.add_argument(
        "--mesh-address",
        metavar="HOST:PORT",
        help="where the mesh listens, for calls to other services",
    )
    group.add_argument(
        "--ready-fd",
        type=int,
        metavar="N",
        help="file descriptor that gets one line of JSON with the addresses when ready",
    )
    group.add_argument(
        "--workers",
        type=int,
        default=defaults.workers,
        metavar="N",
        help="calls served at once (%(default)s)",
    )
    group.add_argument(
        "--grace-seconds",
        type=float,
        default=defaults.grace_seconds,
        metavar="SECONDS",
        help="time that calls in flight get when the process is stopped (%(default)s)",
    )
    group.add_argument(
        "--tls",
        type=Path,
        metavar="DIRECTORY",
        help="certificates with which services and mesh prove who they are (default: none)",
    )


def serving_options(namespace: argparse.Namespace) -> ServingOptions:
    """Return the options that were given on the command line, and by the mesh.

    The secret that the mesh gives is taken out of the environment, or child processes would
    inherit it.

    Raises:
        InvalidInput: An argument is out of bounds.
    """
    return ServingOptions(
        address=namespace.address,
        metrics_address=namespace.metrics_address,
        mesh_address=namespace.mesh_address,
        ready_fd=namespace.ready_fd,
        workers=namespace.workers,
        grace_seconds=namespace.grace_seconds,
        tls=namespace.tls,
        call_secret=take_call_secret(os.environ),
    )
