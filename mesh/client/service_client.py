"""The client of MeshService: create, lease, watch and delete stacks."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import grpc
from pagesim.mesh.v1 import mesh_pb2, mesh_pb2_grpc

from core.grpc_status import is_lost, raising_peer_errors
from mesh.call.addresses import parse_address
from mesh.channels.channels import open_channel
from mesh.client.leases import KeptLease
from mesh.errors import MeshError, UnknownStack
from mesh.security.authorisation import carry
from mesh.topology.translation import (
    read_endpoint,
    read_lease,
    read_lost,
    read_status,
    write_lease,
    write_stack,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mesh.security.tls import Tls
    from mesh.topology.stack import Endpoint, LostReplica, Stack, StackStatus

_PAUSE_SECONDS = 0.1

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class MeshStatus:
    """Where the mesh can be reached, and what its baseline is.

    Attributes:
        address: host:port that clients call.
        envoy_metrics_address: host:port of Envoy's endpoint /stats/prometheus.
        baseline: Processes that serve every stack.
        lost: Those of them that died and do not serve again yet.
        restarts: How often any of them was started again.
    """

    address: str
    envoy_metrics_address: str
    baseline: tuple[Endpoint, ...]
    lost: tuple[LostReplica, ...]
    restarts: int


class MeshClient:
    """Call MeshService; failures are raised as the errors of `core.errors` and `mesh.errors`.

    A control plane that dies is started again, and asked again: every call may be repeated.

    Args:
        control_address: host:port of MeshService.
        patience_seconds: How long the control plane may be away.
        check: Raises when it is known that the mesh will not come back.
        tls: Who we are, where the mesh asks for certificates.
        token: What a mesh without TLS asks for before it is changed; see `read_token`.
    """

    def __init__(
        self,
        control_address: str,
        *,
        patience_seconds: float = 60.0,
        check: Callable[[], None] = lambda: None,
        tls: Tls | None = None,
        token: str | None = None,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._check = check
        self._proof = carry(token) if token else ()
        self._channel = open_channel(
            parse_address(control_address, field="control_address"), tls
        )
        self._stub = mesh_pb2_grpc.MeshServiceStub(self._channel)

    def create_stack(
        self,
        stack: Stack,
        *,
        lease_seconds: float | None = None,
        timeout_seconds: float | None = None,
    ) -> StackStatus:
        """Create the stack; return when it is ready.

        Args:
            stack: What to create.
            lease_seconds: How long it stays without being renewed; None means until deleted.
            timeout_seconds: How long to wait for it.

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
        request = mesh_pb2.CreateStackRequest(
            stack=write_stack(stack), lease=write_lease(lease_seconds)
        )
        answer = self._ask(self._stub.CreateStack, request, timeout_seconds)
        return read_status(answer.status)

    def get_stack(self, stack_id: str) -> StackStatus:
        """Return the stack and its processes.

        Raises:
            UnknownStack: There is none of that id.
        """
        request = mesh_pb2.GetStackRequest(stack_id=stack_id)
        answer = self._ask(self._stub.GetStack, request)
        return read_status(answer.status)

    def list_stacks(self) -> tuple[StackStatus, ...]:
        """Return all ready stacks, ordered by id."""
        answer = self._ask(self._stub.ListStacks, mesh_pb2.ListStacksRequest())
        return tuple(read_status(stack) for stack in answer.stacks)

    def delete_stack(self, stack_id: str) -> None:
        """Remove the stack and its processes.

        Raises:
            UnknownStack: There is none of that id.
            Unavailable: Envoy did not answer in time; try again.
        """
        request = mesh_pb2.DeleteStackRequest(stack_id=stack_id)
        self._ask_to_remove(self._stub.DeleteStack, request)

    def drain_stack(self, stack_id: str) -> None:
        """Remove the stack and its processes, telling its callers meanwhile that it drains.

        Raises:
            UnknownStack: There is none of that id.
            Unavailable: Envoy did not answer in time; try again.
        """
        request = mesh_pb2.DrainStackRequest(stack_id=stack_id)
        self._ask_to_remove(self._stub.DrainStack, request)

    def renew_lease(self, stack_id: str) -> float | None:
        """Let the lease of the stack begin anew; return its length in seconds.

        Raises:
            UnknownStack: There is none of that id.
        """
        request = mesh_pb2.RenewLeaseRequest(stack_id=stack_id)
        return read_lease(self._ask(self._stub.RenewLease, request))

    @contextmanager
    def lease_stack(
        self, stack: Stack, *, lease_seconds: float = 60.0
    ) -> Iterator[StackStatus]:
        """Create the stack, keep its lease alive within the block, and delete it.

        If this process dies, the stack goes when its lease ends.

        Raises:
            PagesimError: It could not be created; see `create_stack`.
        """
        status = self.create_stack(stack, lease_seconds=lease_seconds)
        try:
            with KeptLease(self.renew_lease, stack.stack_id, lease_seconds):
                yield status
        finally:
            # A mesh that is gone has taken the stack along, and so has a lost lease.
            with suppress(MeshError):
                self.delete_stack(stack.stack_id)

    def watch_stacks(self) -> Iterator[StackStatus]:
        """Yield all stacks, then each again whenever it changes.

        Raises:
            Unavailable: The control plane went away; ask again.
            Exhausted: Too many watch already.
        """
        watching = self._stub.WatchStacks(mesh_pb2.WatchStacksRequest())
        try:
            with raising_peer_errors():
                for answer in watching:
                    yield read_status(answer.status)
        finally:
            watching.cancel()

    def get_mesh(self) -> MeshStatus:
        """Return where the mesh can be reached, and its baseline."""
        answer = self._ask(self._stub.GetMesh, mesh_pb2.GetMeshRequest())
        return MeshStatus(
            address=answer.address,
            envoy_metrics_address=answer.envoy_metrics_address,
            baseline=tuple(read_endpoint(endpoint) for endpoint in answer.baseline),
            lost=tuple(read_lost(lost) for lost in answer.lost),
            restarts=answer.restarts,
        )

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _ask_to_remove(self, method: grpc.UnaryUnaryMultiCallable[Q, R], request: Q) -> None:
        repeated = threading.Event()
        try:
            self._ask(method, request, lost=repeated.set)
        except UnknownStack:
            # Of a call whose answer was lost, that is the answer.
            if not repeated.is_set():
                raise

    def _ask(
        self,
        method: grpc.UnaryUnaryMultiCallable[Q, R],
        request: Q,
        timeout_seconds: float | None = None,
        lost: Callable[[], None] = lambda: None,
    ) -> R:
        give_up_at = time.monotonic() + self._patience_seconds
        while True:
            try:
                return method(request, timeout=timeout_seconds, metadata=self._proof)
            except grpc.RpcError as error:
                if not is_lost(error) or time.monotonic() > give_up_at:
                    with raising_peer_errors():
                        raise
            lost()
            self._check()
            time.sleep(_PAUSE_SECONDS)
