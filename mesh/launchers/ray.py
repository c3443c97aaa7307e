"""Replicas on the machines of a Ray cluster.

Ray places and watches; calls go from Envoy to the replicas as ever. A replica is an actor
that runs the service as a child process on its node. Programs, secrets among them, are sent
as arguments from this process to the actor's: Ray neither stores nor logs them.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mesh.addresses import parse_address
from mesh.errors import Infeasible, PagesimError, ProcessFailed, WrongState
from mesh.launchers.programs import read_endpoint

# Ray reads it when it is imported.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
try:
    import ray
    from ray.exceptions import GetTimeoutError, RayActorError
except ModuleNotFoundError as missing:
    raise WrongState(
        f"Ray is not installed ({missing}).",
        remedy="Install pagesim[ray], on every machine of the cluster.",
        field="--launcher",
    ) from missing

from mesh.launchers.ray_replica import Replica

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mesh.launchers.launcher import Launch
    from mesh.processes import Spawner
    from mesh.topology import Endpoint

_ANSWER_SECONDS = 10.0
_LOST = "the loss of its Ray worker or node"
_NEVER_PLACED = "a stop before Ray had placed it"


@contextmanager
def connect_ray(address: str) -> Iterator[None]:
    """Join a Ray cluster, within a `with` block; one at a time per process.

    Args:
        address: host:port of its head, or "auto" for the one that runs on this machine.
            This machine must be one of its nodes.

    Raises:
        InvalidInput: It is no address.
        WrongState: There is none.
    """
    try:
        if address != "auto":  # Ray itself would try for minutes
            head = parse_address(address, field="--ray-address")
            socket.create_connection((head.host, head.port), _ANSWER_SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (OSError, ValueError, RuntimeError) as error:
        raise WrongState(
            f"Cannot join a Ray cluster at {address!r}: {error}.",
            remedy="Start a node on this machine with `ray start`; see docs/launchers.md.",
            field="--ray-address",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


class RayLauncher:
    """Run replicas as actors, spread over the nodes; within `connect_ray`.

    None outlives this process: Ray ends its actors, and their guards what those started.

    Args:
        spawner: Not used: each actor has its own.
        mesh_address: host:port through which replicas call each other, from every node.
        logs: Directory on each node that gets a directory per stack, a file per replica.
        secrets: Environment variables for the processes that ask for them.
    """

    def __init__(
        self,
        spawner: Spawner,
        *,
        mesh_address: str,
        logs: Path,
        secrets: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        del spawner
        self._mesh_address = mesh_address
        self._logs = logs
        self._secrets = secrets

    def launch(self, launch: Launch) -> RayProcess:
        """Start a replica.

        Raises:
            Infeasible: No node has what it needs.
        """
        needs = launch.process.needs
        nodes = [node["Resources"] for node in _nodes() if node["Alive"]]
        if all(needs.missing_from(node) for node in nodes):
            raise Infeasible(
                f"{launch.name} needs {needs}; none of the {len(nodes)} nodes has all of it.",
                remedy="Ask for less, or add a node that has it.",
                field="needs",
            )
        actor: Any = (  # its methods are made at run time
            ray.remote(Replica)
            .options(
                num_cpus=needs.cpus,
                memory=needs.memory_bytes or None,
                resources=dict(needs.custom),
                scheduling_strategy="SPREAD",
                max_restarts=0,
                max_concurrency=4,
            )
            .remote()
        )
        secrets = {name: self._secrets[name] for name in launch.process.secrets}
        started = actor.start.remote(launch, self._mesh_address, self._logs, secrets)
        return RayProcess(launch, actor, started)


class RayProcess:
    """A replica on some node."""

    # Ray has no types for handles of actors and for references to what they will answer.
    def __init__(self, launch: Launch, actor: Any, started: Any) -> None:  # noqa: ANN401
        self._launch = launch
        self._actor = actor
        self._started = started
        self._ended = actor.wait_end.remote()
        self._endpoint: Endpoint | None = None
        self._reason: str | None = None

    @property
    def launch(self) -> Launch:
        """What was asked for."""
        return self._launch

    def wait_ready(self, timeout_seconds: float) -> Endpoint:
        """Wait until it serves; return where.

        Raises:
            ProcessFailed: It ended first, took too long, or no node had room for it.
        """
        deadline = time.monotonic() + timeout_seconds
        try:
            process_id = self._get(self._started, timeout_seconds)
            left_seconds = max(deadline - time.monotonic(), 0.0)
            said = self._get(
                self._actor.wait_ready.remote(left_seconds), left_seconds + _ANSWER_SECONDS
            )
        except GetTimeoutError:
            raise ProcessFailed(
                f"{self._launch.name} was not ready within {timeout_seconds:g} seconds: no "
                f"node of Ray had started it with {self._launch.process.needs}.",
                remedy="Wait for other experiments to end, add nodes, or wait longer.",
            ) from None
        except RayActorError:
            self._reason = _LOST
            raise ProcessFailed(
                f"{self._launch.name} ended with {_LOST} before it was ready.",
                remedy="Look at `ray status` for nodes that died; try again.",
            ) from None
        self._endpoint = read_endpoint(self._launch, said, process_id)
        return self._endpoint

    def endpoint(self) -> Endpoint | None:
        """Return where it serves now; None while it does not."""
        return self._endpoint if self.exit_reason() is None else None

    def exit_reason(self) -> str | None:
        """Return how it ended; None while it runs."""
        if self._reason is None and ray.wait([self._ended], timeout=0)[0]:
            try:
                self._reason = ray.get(self._ended)
            except RayActorError:
                self._reason = _LOST
        return self._reason

    def stop(self) -> None:
        """End it: calls in flight first, then all of its process group and the actor."""
        if ray.wait([self._started], timeout=0)[0]:
            try:
                reason = ray.get(self._actor.stop.remote())
            except (RayActorError, PagesimError):
                reason = _LOST
        else:
            reason = _NEVER_PLACED
        self._reason = self._reason or reason
        ray.kill(self._actor)

    # What actors answer is any object.
    def _get(self, answer: Any, timeout_seconds: float) -> Any:  # noqa: ANN401
        value = ray.get(answer, timeout=timeout_seconds)
        if isinstance(value, PagesimError):
            raise value
        return value


def _nodes() -> list[Mapping[str, Any]]:
    nodes: list[Mapping[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's
    return nodes
