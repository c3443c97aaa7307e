"""Stacks and processes as messages of pagesim.mesh.v1, and back."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from pagesim.mesh.v1 import mesh_pb2

from core.errors import InvalidInput
from core.timestamps import decode_duration, decode_timestamp, encode_timestamp
from mesh.call.addresses import parse_address
from mesh.errors import InvalidStack
from mesh.topology.process_files import ProcessFile
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Endpoint, LostReplica, Stack, StackState, StackStatus

_STATES = {
    StackState.CREATING: mesh_pb2.STACK_STATE_CREATING,
    StackState.READY: mesh_pb2.STACK_STATE_READY,
    StackState.DRAINING: mesh_pb2.STACK_STATE_DRAINING,
    StackState.FAILED: mesh_pb2.STACK_STATE_FAILED,
    StackState.GONE: mesh_pb2.STACK_STATE_GONE,
}
_STATE_BY_NUMBER = {number: state for state, number in _STATES.items()}


def write_stack(stack: Stack) -> mesh_pb2.Stack:
    """Return the message of the stack."""
    return mesh_pb2.Stack(
        stack_id=stack.stack_id,
        as_of=encode_timestamp(stack.as_of_micros),
        known_by=None
        if stack.known_by_micros is None
        else encode_timestamp(stack.known_by_micros),
        snapshot=stack.snapshot or 0,
        overrides=[write_process(process) for process in stack.overrides],
        variant=stack.variant,
    )


def read_stack(message: mesh_pb2.Stack) -> Stack:
    """Return the stack of the message.

    Raises:
        InvalidStack: It has no as-of, or a value is out of bounds.
        InvalidInput: A moment is none, or a process in it cannot be run.
    """
    if not message.HasField("as_of"):
        raise InvalidStack(
            f"Stack {message.stack_id!r} has no as-of.",
            remedy="Give the moment to which it travels; there is no default.",
            field="as_of",
        )
    return Stack(
        stack_id=message.stack_id,
        as_of_micros=decode_timestamp(message.as_of, field="as_of"),
        known_by_micros=decode_timestamp(message.known_by, field="known_by")
        if message.HasField("known_by")
        else None,
        snapshot=message.snapshot or None,
        overrides=tuple(read_process(process) for process in message.overrides),
        variant=message.variant,
    )


def write_process(process: ServiceProcess) -> mesh_pb2.ServiceProcess:
    """Return the message of the process."""
    return mesh_pb2.ServiceProcess(
        service=process.service,
        module=process.module,
        arguments=process.arguments,
        environment=process.environment,
        replicas=process.replicas,
        command=process.command,
        files={
            name: mesh_pb2.ProcessFile(path=file.path, sha256=file.sha256)
            for name, file in process.files.items()
        },
    )


def read_process(message: mesh_pb2.ServiceProcess) -> ServiceProcess:
    """Return the process of the message.

    Raises:
        InvalidInput: It cannot be run.
    """
    return ServiceProcess(
        service=message.service,
        module=message.module,
        arguments=tuple(message.arguments),
        environment=dict(message.environment),
        replicas=message.replicas or 1,
        command=tuple(message.command),
        files={
            name: ProcessFile(file.path, file.sha256) for name, file in message.files.items()
        },
    )


def write_endpoint(endpoint: Endpoint) -> mesh_pb2.Endpoint:
    """Return the message of the endpoint."""
    return mesh_pb2.Endpoint(
        service=endpoint.service,
        stack_id=endpoint.stack_id,
        address=str(endpoint.address),
        metrics_address=str(endpoint.metrics_address),
        process_id=endpoint.process_id,
    )


def read_endpoint(message: mesh_pb2.Endpoint) -> Endpoint:
    """Return the endpoint of the message.

    Raises:
        InvalidInput: An address in it is malformed.
    """
    return Endpoint(
        service=message.service,
        stack_id=message.stack_id,
        address=parse_address(message.address, field="address"),
        metrics_address=parse_address(message.metrics_address, field="metrics_address"),
        process_id=message.process_id,
    )


def write_lost(lost: LostReplica) -> mesh_pb2.LostReplica:
    """Return the message of the lost replica."""
    return mesh_pb2.LostReplica(
        service=lost.service, stack_id=lost.stack_id, reason=lost.reason
    )


def read_lost(message: mesh_pb2.LostReplica) -> LostReplica:
    """Return the lost replica of the message."""
    return LostReplica(message.service, message.stack_id, message.reason)


def write_status(status: StackStatus) -> mesh_pb2.StackStatus:
    """Return the message of the status."""
    return mesh_pb2.StackStatus(
        stack=write_stack(status.stack),
        endpoints=[write_endpoint(endpoint) for endpoint in status.endpoints],
        state=_STATES[status.state],
        reason=status.reason,
        restarts=status.restarts,
        lease=write_lease(status.lease_seconds),
        lost=[write_lost(lost) for lost in status.lost],
    )


def read_status(message: mesh_pb2.StackStatus) -> StackStatus:
    """Return the status of the message.

    Raises:
        InvalidInput: A value in it is out of bounds.
    """
    return StackStatus(
        stack=read_stack(message.stack),
        endpoints=tuple(read_endpoint(endpoint) for endpoint in message.endpoints),
        state=_read_state(message),
        reason=message.reason,
        restarts=message.restarts,
        lease_seconds=read_lease(message),
        lost=tuple(read_lost(lost) for lost in message.lost),
    )


def _read_state(message: mesh_pb2.StackStatus) -> StackState:
    state = _STATE_BY_NUMBER.get(message.state)
    if state is None:
        raise InvalidInput(
            f"Stack {message.stack.stack_id!r} is in state {message.state}, which is not known "
            "here.",
            remedy="Use the pagesim that the mesh was started with.",
            field="state",
        )
    return state


def write_lease(seconds: float | None) -> Duration | None:
    """Return the message of the length of a lease; None means that there is none."""
    if seconds is None:
        return None
    lease = Duration()
    lease.FromTimedelta(timedelta(seconds=seconds))
    return lease


def read_lease(
    message: mesh_pb2.StackStatus | mesh_pb2.CreateStackRequest | mesh_pb2.RenewLeaseResponse,
) -> float | None:
    """Return the length of the lease in the message, in seconds; None if it has none.

    Raises:
        InvalidInput: It is negative, or no duration.
    """
    if not message.HasField("lease"):
        return None
    return decode_duration(message.lease, field="lease")
