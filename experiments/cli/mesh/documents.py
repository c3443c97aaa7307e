"""A mesh, its stacks and their routes as documents, for JSON and for tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.moments import format_moment
from mesh.call.context import context_headers
from mesh.topology.stack import BASELINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh.client.announcement import Announcement
    from mesh.client.mesh_process import MeshStatus
    from mesh.observation.traffic import Observation, Traffic
    from mesh.topology.stack import Endpoint, StackStatus

Document = dict[str, Any]


def describe_status(
    mesh: MeshStatus,
    stacks: Sequence[StackStatus],
    now: Observation,
    *,
    control_address: str,
    announcement: Announcement | None,
    before: Observation | None,
    elapsed_seconds: float,
) -> Document:
    """Return the state of the mesh.

    Args:
        mesh: Its addresses and baseline.
        stacks: Its stacks.
        now: What its metrics say.
        control_address: host:port of its MeshService.
        announcement: What it says of itself, if it runs on this machine.
        before: What its metrics said earlier; None leaves out rates.
        elapsed_seconds: Between the two.
    """

    def rates(traffic: Traffic, earlier: Traffic | None) -> Document:
        counted = {"calls": traffic.calls, "errors": traffic.errors}
        if earlier is None:
            return counted
        # A process that was restarted in between counts from 0 again.
        calls = max(traffic.calls - earlier.calls, 0) / elapsed_seconds
        errors = max(traffic.errors - earlier.errors, 0) / elapsed_seconds
        return counted | {
            "calls_per_second": round(calls, 2),
            "errors_per_second": round(errors, 2),
        }

    def services(endpoints: Sequence[Endpoint]) -> list[Document]:
        return [
            service
            | rates(
                now.service_traffic(owner, service["service"]),
                before.service_traffic(owner, service["service"]) if before else None,
            )
            for owner, service in _describe_services(endpoints, now)
        ]

    def stack_document(status: StackStatus) -> Document:
        stack_id = status.stack.stack_id
        return {
            **_describe_stack(status),
            "state": status.state.value,
            "reason": status.reason,
            "restarts": status.restarts,
            "lease_seconds": status.lease_seconds,
            "services": services(status.endpoints),
            **rates(
                now.stack_traffic(stack_id), before.stack_traffic(stack_id) if before else None
            ),
        }

    return {
        "address": mesh.address,
        "control_address": control_address,
        "metrics_address": announcement.metrics_address if announcement else None,
        "envoy_metrics_address": mesh.envoy_metrics_address,
        "envoy_metrics_answer": now.healthy is not None,
        "directory": str(announcement.directory) if announcement else None,
        "process_id": announcement.process_id if announcement else None,
        "window_seconds": round(elapsed_seconds, 3) if before else None,
        "baseline": services(mesh.baseline),
        "stacks": [stack_document(stack) for stack in stacks],
    }


def describe_routes(mesh: MeshStatus, status: StackStatus) -> Document:
    """Return who serves each service for the stack, and what calls are stamped with."""
    own = {override.service for override in status.stack.overrides}
    serving = [
        *(endpoint for endpoint in mesh.baseline if endpoint.service not in own),
        *status.endpoints,
    ]
    return {
        "address": mesh.address,
        **_describe_stack(status),
        "stamped_headers": context_headers(status.stack.context),
        "routes": [
            {
                "service": service,
                "served_by": "stack" if service in own else "baseline",
                "replicas": [
                    _describe_process(endpoint)
                    for endpoint in serving
                    if endpoint.service == service
                ],
            }
            for service in sorted(
                {endpoint.service for endpoint in serving}
                | {lost.service for lost in (*mesh.lost, *status.lost)}
            )
        ],
    }


def _describe_stack(status: StackStatus) -> Document:
    stack = status.stack
    known_by = stack.known_by_micros
    return {
        "stack_id": stack.stack_id,
        "variant": stack.context.variant,
        "as_of": format_moment(stack.as_of_micros),
        "known_by": None if known_by is None else format_moment(known_by),
        "snapshot": stack.snapshot,
        "overrides": [override.service for override in stack.overrides],
    }


def _describe_services(
    endpoints: Sequence[Endpoint], now: Observation
) -> list[tuple[str, Document]]:
    replicas: dict[tuple[str, str], list[Endpoint]] = {}
    for endpoint in endpoints:
        replicas.setdefault((endpoint.stack_id or BASELINE, endpoint.service), []).append(
            endpoint
        )
    return [
        (
            stack_id,
            {
                "service": service,
                "replicas": len(found),
                "healthy": now.healthy_replicas(stack_id, service),
                "processes": [
                    _describe_process(endpoint)
                    | {"answers": endpoint.metrics_address not in now.silent}
                    for endpoint in found
                ],
            },
        )
        for (stack_id, service), found in sorted(replicas.items())
    ]


def _describe_process(endpoint: Endpoint) -> Document:
    return {
        "address": str(endpoint.address),
        "metrics_address": str(endpoint.metrics_address),
        "process_id": endpoint.process_id,
    }
