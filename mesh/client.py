"""The mesh from outside: run one, create stacks in it, call into them.

with MeshProcess.start(baseline, directory) as mesh:
    status = mesh.service.create_stack(Stack("trial", as_of_micros))
    with use_context(status.stack.context), connect(mesh.address) as channel:
        ...
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pagesim.mesh.v1 import mesh_pb2, mesh_pb2_grpc

from mesh.addresses import parse_address
from mesh.authorisation import carry, read_token
from mesh.baseline import write_baseline
from mesh.certificates import Role
from mesh.processes import Program, Spawner
from mesh.serving import raising_peer_errors
from mesh.serving.channels import open_channel
from mesh.tls import Tls
from mesh.topology import check_each_once
from mesh.translation import read_endpoint, read_status, write_stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from mesh.processes import ChildProcess
    from mesh.stacks import StackStatus
    from mesh.topology import Endpoint, ServiceProcess, Stack

LOG = "mesh.log"

_BASELINE = "baseline.json"
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class MeshStatus:
    """Where the mesh can be reached, and what its baseline is.

    Attributes:
        address: host:port that clients call.
        envoy_metrics_address: host:port of Envoy's page /stats/prometheus.
        baseline: Processes that serve every stack.
    """

    address: str
    envoy_metrics_address: str
    baseline: tuple[Endpoint, ...]


class MeshClient:
    """Call MeshService; failures are raised as the errors of `mesh.errors`.

    Args:
        control_address: host:port of MeshService.
        tls: Who we are, where the mesh asks for certificates.
        token: What a mesh without TLS asks for before it is changed; see `read_token`.
    """

    def __init__(
        self, control_address: str, *, tls: Tls | None = None, token: str | None = None
    ) -> None:
        self._proof = carry(token) if token else ()
        target = parse_address(control_address, field="control_address")
        self._channel = open_channel(target, tls)
        self._stub = mesh_pb2_grpc.MeshServiceStub(self._channel)

    def create_stack(
        self, stack: Stack, *, timeout_seconds: float | None = None
    ) -> StackStatus:
        """Create the stack; return when it is ready.

        Raises:
            InvalidStack: It cannot be run.
            StackExists: A different stack has its id.
            ProcessFailed: A process of it died or was not ready in time; the message holds
                the end of its log.
            ConfigurationRejected: Envoy refused it, with its reason.
            Unavailable: Envoy or a service did not answer in time.
            Unauthenticated: We do not prove who we are.
            Forbidden: We are not permitted to.
        """
        request = mesh_pb2.CreateStackRequest(stack=write_stack(stack))
        with raising_peer_errors():
            answer = self._stub.CreateStack(
                request, timeout=timeout_seconds, metadata=self._proof
            )
        return read_status(answer.status)

    def get_stack(self, stack_id: str) -> StackStatus:
        """Return the stack and its processes.

        Raises:
            UnknownStack: There is none of that id.
        """
        with raising_peer_errors():
            answer = self._stub.GetStack(mesh_pb2.GetStackRequest(stack_id=stack_id))
        return read_status(answer.status)

    def list_stacks(self) -> tuple[StackStatus, ...]:
        """Return all ready stacks, ordered by id."""
        with raising_peer_errors():
            answer = self._stub.ListStacks(mesh_pb2.ListStacksRequest())
        return tuple(read_status(one) for one in answer.stacks)

    def delete_stack(self, stack_id: str) -> None:
        """Remove the stack and its processes.

        Raises:
            UnknownStack: There is none of that id.
            Unavailable: Envoy did not answer in time; try again.
            Unauthenticated: We do not prove who we are.
            Forbidden: We are not permitted to.
        """
        with raising_peer_errors():
            self._stub.DeleteStack(
                mesh_pb2.DeleteStackRequest(stack_id=stack_id), metadata=self._proof
            )

    def get_mesh(self) -> MeshStatus:
        """Return where the mesh can be reached, and its baseline."""
        with raising_peer_errors():
            answer = self._stub.GetMesh(mesh_pb2.GetMeshRequest())
        return MeshStatus(
            address=answer.address,
            envoy_metrics_address=answer.envoy_metrics_address,
            baseline=tuple(read_endpoint(one) for one in answer.baseline),
        )

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class MeshProcess:
    """A mesh in a process of its own, which ends with the `with` block.

    Nothing of it outlives this process, even if that is killed with SIGKILL.

    Attributes:
        address: host:port that clients call.
        control_address: host:port of MeshService.
        metrics_address: host:port of the control plane's page /metrics.
        envoy_metrics_address: host:port of Envoy's page /stats/prometheus.
        directory: Holds the logs.
        tls: Who we are to the mesh; for `connect`.
        service: Creates and deletes stacks.
    """

    def __init__(
        self,
        child: ChildProcess,
        addresses: Mapping[str, str],
        directory: Path,
        tls: Tls | None = None,
    ) -> None:
        self._child = child
        self.address = addresses["address"]
        self.control_address = addresses["control_address"]
        self.metrics_address = addresses["metrics_address"]
        self.envoy_metrics_address = addresses["envoy_metrics_address"]
        self.directory = directory
        self.tls = tls
        token = None if tls else read_token(directory)
        self.service = MeshClient(self.control_address, tls=tls, token=token)

    @classmethod
    def start(
        cls,
        baseline: Sequence[ServiceProcess],
        directory: Path,
        *,
        arguments: Sequence[str] = (),
        secrets: Mapping[str, str] = MappingProxyType({}),
        tls: Path | None = None,
    ) -> Self:
        """Start the mesh; return when its baseline serves.

        Args:
            baseline: What runs for every stack.
            directory: Gets logs and sockets; made if it is not there.
            arguments: Further arguments of `python -m mesh`, e.g. ("--address", "...").
            secrets: Values of the secrets that the baseline asks for. They are in no file and
                on no command line.
            tls: Directory of certificates, checked before anything starts; plain calls if
                left out.

        Raises:
            InvalidCertificate: A file of `tls` is unfit; the message names it.
            InvalidStack: The baseline names a service twice.
            ProcessFailed: The mesh or a process of the baseline did not start; the message
                holds the end of its log.
        """
        check_each_once(tuple(baseline), field="baseline")
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        write_baseline(baseline, directory / _BASELINE)
        program = Program(
            name="The mesh",
            command=(
                *(sys.executable, "-m", "mesh"),
                *("--baseline", str(directory / _BASELINE), "--directory", str(directory)),
                *("--ready-fd", "{ready_fd}", *arguments),
                *(("--tls", str(tls.absolute())) if tls else ()),
            ),
            log=directory / LOG,
            environment=secrets,
        )
        child = Spawner().spawn(program)
        try:
            addresses = child.wait_ready(_START_SECONDS)
            identity = Tls(tls.absolute(), Role.CLIENT) if tls else None
            return cls(child, addresses, directory, identity)
        except BaseException:
            child.stop(_STOP_SECONDS)
            raise

    @property
    def process_id(self) -> int:
        """The process id of the control plane."""
        return self._child.process_id

    def check(self) -> None:
        """Check that the mesh still runs.

        Raises:
            ProcessFailed: It does not; the message holds the end of its log.
        """
        reason = self._child.exit_reason()
        if reason is not None:
            raise self._child.failure(f"The mesh ended with {reason}")

    def close(self) -> None:
        """Stop the mesh and all its processes."""
        self.service.close()
        self._child.stop(_STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()
