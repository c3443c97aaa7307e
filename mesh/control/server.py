"""MeshService: stacks over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagesim.mesh.v1 import mesh_pb2, mesh_pb2_grpc

from mesh.serving import Registration
from mesh.topology.translation import (
    read_lease,
    read_stack,
    write_endpoint,
    write_lease,
    write_lost,
    write_status,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc

    from mesh.control.control_plane import ControlPlane
    from mesh.security.authorisation import Authorisation

SERVICE: str = mesh_pb2.DESCRIPTOR.services_by_name["MeshService"].full_name


class MeshServicer(mesh_pb2_grpc.MeshServiceServicer):
    """Translate messages, and let only those who may change the mesh."""

    def __init__(self, control_plane: ControlPlane, authorisation: Authorisation) -> None:
        self._authorisation = authorisation
        self._control_plane = control_plane
        self._stacks = control_plane.stacks

    def CreateStack(
        self, request: mesh_pb2.CreateStackRequest, context: grpc.ServicerContext
    ) -> mesh_pb2.CreateStackResponse:
        """Create a stack; answer when it is ready."""
        self._authorisation.check(context)
        status = self._stacks.create(
            read_stack(request.stack), lease_seconds=read_lease(request)
        )
        return mesh_pb2.CreateStackResponse(status=write_status(status))

    def GetStack(
        self, request: mesh_pb2.GetStackRequest, context: grpc.ServicerContext
    ) -> mesh_pb2.GetStackResponse:
        """Describe one stack."""
        del context
        status = self._stacks.get(request.stack_id)
        return mesh_pb2.GetStackResponse(status=write_status(status))

    def ListStacks(
        self, request: mesh_pb2.ListStacksRequest, context: grpc.ServicerContext
    ) -> mesh_pb2.ListStacksResponse:
        """List all stacks."""
        del request, context
        ready = self._stacks.list_ready()
        return mesh_pb2.ListStacksResponse(stacks=[write_status(status) for status in ready])

    def DeleteStack(
        self, request: mesh_pb2.DeleteStackRequest, context: grpc.ServicerContext
    ) -> mesh_pb2.DeleteStackResponse:
        """Remove a stack."""
        self._authorisation.check(context)
        self._stacks.delete(request.stack_id)
        return mesh_pb2.DeleteStackResponse()

    def RenewLease(
        self, request: mesh_pb2.RenewLeaseRequest, context: grpc.ServicerContext
    ) -> mesh_pb2.RenewLeaseResponse:
        """Keep a stack."""
        self._authorisation.check(context)
        lease_seconds = self._stacks.renew_lease(request.stack_id)
        return mesh_pb2.RenewLeaseResponse(lease=write_lease(lease_seconds))

    def DrainStack(
        self, request: mesh_pb2.DrainStackRequest, context: grpc.ServicerContext
    ) -> mesh_pb2.DrainStackResponse:
        """Remove a stack, letting its calls end."""
        self._authorisation.check(context)
        self._stacks.drain(request.stack_id)
        return mesh_pb2.DrainStackResponse()

    def WatchStacks(
        self, request: mesh_pb2.WatchStacksRequest, context: grpc.ServicerContext
    ) -> Iterator[mesh_pb2.WatchStacksResponse]:
        """Tell all stacks, then every change."""
        del request
        with self._stacks.changes.watch() as changes:
            context.add_callback(lambda: changes.put(None))
            for status in self._stacks.list_all():
                yield mesh_pb2.WatchStacksResponse(status=write_status(status))
            while (changed := changes.get()) is not None:
                yield mesh_pb2.WatchStacksResponse(status=write_status(changed))

    def GetMesh(
        self, request: mesh_pb2.GetMeshRequest, context: grpc.ServicerContext
    ) -> mesh_pb2.GetMeshResponse:
        """Describe the mesh."""
        del request, context
        return mesh_pb2.GetMeshResponse(
            address=str(self._control_plane.address),
            envoy_metrics_address=str(self._control_plane.envoy_metrics_address),
            baseline=[write_endpoint(endpoint) for endpoint in self._stacks.baseline],
            lost=[write_lost(lost) for lost in self._stacks.lost_of_baseline],
            restarts=self._stacks.restarts_of_baseline,
        )


def register(control_plane: ControlPlane, authorisation: Authorisation) -> Registration:
    """Return the service as `serve` takes it; it stands outside every stack."""
    servicer = MeshServicer(control_plane, authorisation)
    return Registration(
        SERVICE,
        lambda server: mesh_pb2_grpc.add_MeshServiceServicer_to_server(servicer, server),
        needs_context=False,
    )
