"""A mesh as a child process: start it, create stacks in it, call into them.

with MeshProcess.start(baseline, directory) as mesh:
    status = mesh.service.create_stack(Stack("trial", as_of_micros))
    with use_context(status.stack.context), connect(mesh.address) as channel:
        ...
"""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

from mesh.client.service_client import MeshClient, MeshStatus
from mesh.process.child_process import Program, Spawner
from mesh.security.authorisation import read_token
from mesh.security.certificates import Role
from mesh.security.tls import Tls
from mesh.topology.baseline_file import write_baseline
from mesh.topology.service_process import check_each_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from mesh.process.child_process import ChildProcess
    from mesh.topology.service_process import ServiceProcess

__all__ = ["LOG", "MeshClient", "MeshProcess", "MeshStatus"]

LOG = "mesh.log"

_BASELINE = "baseline.json"
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0


class MeshProcess:
    """A mesh in a process of its own, which ends with the `with` block.

    Nothing of it outlives this process, even if that is killed with SIGKILL.

    Attributes:
        address: host:port that clients call.
        control_address: host:port of MeshService.
        metrics_address: host:port of the control plane's endpoint /metrics.
        envoy_metrics_address: host:port of Envoy's endpoint /stats/prometheus.
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
        self.service = MeshClient(self.control_address, check=self.check, tls=tls, token=token)

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
        """The process id of the host."""
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
