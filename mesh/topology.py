"""What runs where, and what each stack sees of it: pure data and pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from core.moments import format_moment
from mesh.context import CallContext, check_stack_id, check_variant
from mesh.errors import InvalidStack
from mesh.process_files import check_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mesh.addresses import Address
    from mesh.process_files import ProcessFile

_SERVICE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_MODULE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_MAX_NAME = 200
_MAX_REPLICAS = 64

BASELINE = ""
"""Stands for the baseline where a stack id is asked for."""


class StackState(Enum):
    """Where a stack is in its life."""

    CREATING = "creating"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """How to run one service.

    Attributes:
        service: Full gRPC name, e.g. "pagesim.ranking.v1.RankingService".
        module: Python module run with -m, e.g. "services.ranking"; empty for a command.
        arguments: Arguments after the module.
        environment: Environment variables added for the process.
        replicas: Processes to run.
        secrets: Names of environment variables that the process gets from the mesh's own
            environment, and that no other process gets. Of the baseline only.
        command: Program and arguments, instead of a module. "{address}" or "{port}" stands
            for where it has to listen, "{metrics_address}" for its Prometheus page if any,
            "{mesh_address}" for where it calls others, "{ready_fd}" for the descriptor that
            gets its ready line; without that it is ready when it listens.
        files: File by name; checked before each start, and told to the process as
            PAGESIM_FILE_<NAME>.

    Raises:
        InvalidInput: A value cannot be run; the message names it.
    """

    service: str
    module: str = ""
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1
    secrets: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    files: Mapping[str, ProcessFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _SERVICE_NAME.fullmatch(self.service) or len(self.service) > _MAX_NAME:
            raise InvalidInput(
                f"{self.service!r} is no gRPC service name.",
                remedy="Give the full name, e.g. pagesim.ranking.v1.RankingService.",
                field="service",
            )
        check_names(self.files)
        if self.command:
            self._check_command()
        elif not _MODULE_NAME.fullmatch(self.module):
            raise InvalidInput(
                f"{self.module!r} is no Python module.",
                remedy="Give a module that `python -m` can run, e.g. services.ranking.",
                field="module",
            )
        if not 1 <= self.replicas <= _MAX_REPLICAS:
            raise InvalidInput(
                f"{self.replicas} replicas of {self.service} cannot be run.",
                remedy=f"Give 1 to {_MAX_REPLICAS}.",
                field="replicas",
            )
        for name in (*self.environment, *self.secrets):
            if not name or "=" in name:
                raise InvalidInput(
                    f"{name!r} is no name of an environment variable.",
                    remedy="Use letters, digits and '_'.",
                    field="environment",
                )

    def _check_command(self) -> None:
        if self.module or self.arguments:
            raise InvalidInput(
                f"{self.service} has a command and a module or arguments.",
                remedy="Give either a command, or a module and its arguments.",
                field="command",
            )
        if not self.command[0] or not any(
            place in part for part in self.command for place in ("{address}", "{port}")
        ):
            raise InvalidInput(
                f"The command of {self.service} does not say where to listen.",
                remedy="Give a program, and {address} or {port} among its arguments.",
                field="command",
            )


@dataclass(frozen=True, slots=True)
class Stack:
    """A private copy of the system at one moment.

    Attributes:
        stack_id: 1-63 of a-z, 0-9 and '-', starting with a letter.
        as_of_micros: The shared clock, stamped on every call.
        known_by_micros: Read facts as known by this moment; None means as known at the
            as-of of each row.
        snapshot: Append position up to which facts are read; None means not pinned.
        overrides: Services that the stack replaces; the baseline serves the rest.
        variant: Label for metrics; empty means the stack id.

    Raises:
        InvalidStack: A value is out of bounds or a service is overridden twice.
    """

    stack_id: str
    as_of_micros: int
    known_by_micros: int | None = None
    snapshot: int | None = None
    overrides: tuple[ServiceProcess, ...] = ()
    variant: str = ""

    def __post_init__(self) -> None:
        check_stack_id(self.stack_id, field="stack_id")
        check_variant(self.variant, field="variant")
        _check_moment(self.as_of_micros, field="as_of")
        if self.known_by_micros is not None:
            _check_moment(self.known_by_micros, field="known_by")
        if self.snapshot is not None and self.snapshot < 1:
            raise InvalidStack(
                f"{self.snapshot} is not an append position.",
                remedy="Give a tx_id of the store, 1 or more, or none.",
                field="snapshot",
            )
        check_each_once(self.overrides, field="overrides")
        for process in self.overrides:
            if process.secrets:
                raise InvalidStack(
                    f"{process.service} of a stack asks for {', '.join(process.secrets)}.",
                    remedy="Only processes of the baseline are given secrets.",
                    field="overrides",
                )

    @property
    def context(self) -> CallContext:
        """The context of calls into the stack."""
        return CallContext(
            stack=self.stack_id,
            as_of_micros=self.as_of_micros,
            known_by_micros=self.known_by_micros,
            snapshot=self.snapshot,
            variant=self.variant or self.stack_id,
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a running process can be reached; `stack_id` is empty for the baseline."""

    service: str
    stack_id: str
    address: Address
    metrics_address: Address
    process_id: int


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A stack and its own processes.

    Attributes:
        stack: As it was created.
        endpoints: Where its processes can be reached.
        state: Where it is in its life.
        reason: Why it is there; empty when that needs no reason.
        restarts: How often processes of it were started again.
        lease_seconds: How long it stays without being renewed; None means until deleted.
    """

    stack: Stack
    endpoints: tuple[Endpoint, ...] = ()
    state: StackState = StackState.READY
    reason: str = ""
    restarts: int = 0
    lease_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """The replicas that serve one service, for a stack or for the baseline."""

    service: str
    stack_id: str
    addresses: tuple[Address, ...]

    @property
    def name(self) -> str:
        """Name in Envoy; stack ids hold no '/', so no two clusters share one."""
        owner = f"stack/{self.stack_id}" if self.stack_id else "baseline"
        return f"{owner}/{self.service}"


@dataclass(frozen=True, slots=True)
class PlacedStack:
    """A stack whose processes run; calls reach it once it is routed, until it drains."""

    stack: Stack
    clusters: tuple[Cluster, ...]
    routed: bool = False
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that Envoy has to know.

    Attributes:
        baseline: Cluster by service.
        stacks: Placed stack by id.
    """

    baseline: Mapping[str, Cluster] = field(default_factory=dict)
    stacks: Mapping[str, PlacedStack] = field(default_factory=dict)

    def with_stack(self, placed: PlacedStack) -> Topology:
        """Return the topology with the stack added, or put in place of its former self."""
        return replace(self, stacks={**self.stacks, placed.stack.stack_id: placed})

    def without_stack(self, stack_id: str) -> Topology:
        """Return the topology without the stack."""
        return replace(
            self, stacks={name: one for name, one in self.stacks.items() if name != stack_id}
        )

    def clusters(self) -> tuple[Cluster, ...]:
        """Return all clusters, the baseline's first."""
        return (
            *self.baseline.values(),
            *(cluster for placed in self.stacks.values() for cluster in placed.clusters),
        )

    def routes(self, placed: PlacedStack) -> Mapping[str, Cluster]:
        """Return which cluster serves each service for the stack, by service."""
        own = {cluster.service: cluster for cluster in placed.clusters}
        return dict(sorted({**self.baseline, **own}.items()))


def group_endpoints(endpoints: tuple[Endpoint, ...]) -> tuple[Cluster, ...]:
    """Return the clusters that the endpoints form, ordered by service."""
    replicas: dict[tuple[str, str], list[Address]] = {}
    for endpoint in endpoints:
        replicas.setdefault((endpoint.service, endpoint.stack_id), []).append(endpoint.address)
    return tuple(
        Cluster(service, stack_id, tuple(sorted(addresses)))
        for (service, stack_id), addresses in sorted(replicas.items())
    )


def check_each_once(processes: tuple[ServiceProcess, ...], *, field: str) -> None:
    """Check that no service is named twice.

    Raises:
        InvalidStack: One is.
    """
    services = [process.service for process in processes]
    for service in services:
        if services.count(service) > 1:
            raise InvalidStack(
                f"{service} is named {services.count(service)} times.",
                remedy="Name it once; ask for more processes with replicas.",
                field=field,
            )


def _check_moment(micros: int, *, field: str) -> None:
    try:
        format_moment(micros)
    except OverflowError:
        raise InvalidStack(
            f"{micros} microseconds since 1970 lie outside the years 1 to 9999.",
            remedy="Give a moment of the calendar.",
            field=field,
        ) from None
