"""One virtual host per stack: its routes, its stamped headers, its refusals.

Wrong calls are answered by Envoy itself, as gRPC errors that say what to do:

    no x-pagesim-stack            FAILED_PRECONDITION
    unknown stack                 NOT_FOUND
    stack or as-of twice          INVALID_ARGUMENT (by the listener)
    an as-of not the stack's      FAILED_PRECONDITION
    a stack that drains           FAILED_PRECONDITION
    no such service               UNIMPLEMENTED
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import grpc

from mesh.call.context import (
    AS_OF_HEADER,
    KNOWN_BY_HEADER,
    SNAPSHOT_HEADER,
    STACK_HEADER,
    context_headers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mesh.call.context import CallContext
    from mesh.topology.stack import Stack
    from mesh.topology.topology import Cluster
    from mesh.xds.kinds import Json, JsonMessage

SERVICE_HEADER = "x-pagesim-service"
"""Says whose health or reflection is asked for: every service has its own."""

NO_STACK = "-"
"""Stands in for a stack header that is not there; no stack can be called so."""

_OPTIONAL_HEADERS = (KNOWN_BY_HEADER, SNAPSHOT_HEADER)
_SERVICES_TOLD = 10
_RETRIES: Mapping[str, Json] = {
    "retry_on": "connect-failure,refused-stream,reset,unavailable",
    "num_retries": 3,
    # Without these a retry may go to the replica that just failed.
    "host_selection_retry_max_attempts": 5,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3"
                ".PreviousHostsPredicate"
            },
        }
    ],
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
}


@dataclass(frozen=True, slots=True)
class StackRoutes:
    """All that a stack's virtual host depends on.

    Attributes:
        stack_id: The stack.
        stamped: Headers that every call gets, whatever the caller sent.
        clusters: Cluster name by service, as pairs ordered by service.
    """

    stack_id: str
    stamped: tuple[tuple[str, str], ...]
    clusters: tuple[tuple[str, str], ...]


def stack_routes(stack: Stack, clusters: Mapping[str, Cluster]) -> StackRoutes:
    """Return the routes of the stack, given the cluster of each service."""
    return StackRoutes(
        stack.stack_id,
        _stamped_headers(stack.context),
        tuple((service, cluster.name) for service, cluster in clusters.items()),
    )


@lru_cache(maxsize=4096)
def _stamped_headers(context: CallContext) -> tuple[tuple[str, str], ...]:
    return tuple(context_headers(context).items())


@lru_cache(maxsize=4096)
def render_stack(routes: StackRoutes) -> JsonMessage:
    """Return the stack's virtual host."""
    stamped = dict(routes.stamped)
    services = [service for service, _ in routes.clusters]
    return {
        "name": f"stack/{routes.stack_id}",
        "domains": [routes.stack_id],
        "request_headers_to_add": [overwrite_header(*pair) for pair in routes.stamped],
        "request_headers_to_remove": [
            name for name in _OPTIONAL_HEADERS if name not in stamped
        ],
        "include_request_attempt_count": True,
        # Once for all routes: Envoy takes in the whole table whenever a stack comes or goes.
        "retry_policy": _RETRIES,
        "routes": [
            # Envoy matches virtual hosts without regard to case.
            _refuse_unknown_stack(_carries_other(STACK_HEADER, routes.stack_id)),
            _refuse_other_as_of(routes.stack_id, stamped[AS_OF_HEADER]),
            *(_forward(service, cluster) for service, cluster in routes.clusters),
            *(_forward_infrastructure(service, name) for service, name in routes.clusters),
            _refuse_nameless_infrastructure(services),
            _refuse_unknown_service(routes.stack_id, services),
        ],
    }


@lru_cache(maxsize=64)
def render_draining(stack_id: str) -> JsonMessage:
    """Return the virtual host of a stack that takes no new calls."""
    return {
        "name": f"stack/{stack_id}",
        "domains": [stack_id],
        "routes": [
            _refuse_unknown_stack(_carries_other(STACK_HEADER, stack_id)),
            _refuse(
                {"prefix": "/"},
                grpc.StatusCode.FAILED_PRECONDITION,
                f"Stack {stack_id} is being drained and takes no new calls. Call another "
                "stack, or create this one again when it is gone.",
            ),
        ],
    }


@lru_cache(maxsize=1)
def render_refusals() -> JsonMessage:
    """Return the virtual host of calls that belong to no live stack."""
    return {
        "name": "no-stack",
        "domains": ["*"],
        "routes": [
            _refuse_unknown_stack(_carries_other(STACK_HEADER, NO_STACK)),
            _refuse(
                {"prefix": "/"},
                grpc.StatusCode.FAILED_PRECONDITION,
                f"The call has no {STACK_HEADER} header, so neither a stack nor a moment. "
                "Send the id of a live stack; inside a service, forward the header of the "
                "call being served.",
            ),
        ],
    }


def _refuse_unknown_stack(match: Json) -> Json:
    return _refuse(
        match,
        grpc.StatusCode.NOT_FOUND,
        f"The {STACK_HEADER} header names no live stack. Create the stack first, and send "
        "its id as it was created.",
    )


def _refuse_other_as_of(stack_id: str, as_of: str) -> Json:
    carried: Json = {"name": AS_OF_HEADER, "present_match": True}
    return _refuse(
        {"prefix": "/", "headers": [carried, _differs(AS_OF_HEADER, as_of)]},
        grpc.StatusCode.FAILED_PRECONDITION,
        f"The as-of of stack {stack_id} is {as_of}, and the call's {AS_OF_HEADER} header "
        "says otherwise. Leave the header out, or call a stack of that moment.",
    )


def _refuse_nameless_infrastructure(services: Sequence[str]) -> Json:
    return _refuse(
        {"prefix": "/grpc."},
        grpc.StatusCode.INVALID_ARGUMENT,
        f"Health and reflection are asked of one service. Name it in the {SERVICE_HEADER} "
        f"header; {_list_names(services)}",
    )


def _refuse_unknown_service(stack_id: str, services: Sequence[str]) -> Json:
    return _refuse(
        {"prefix": "/"},
        grpc.StatusCode.UNIMPLEMENTED,
        f"Neither stack {stack_id} nor the baseline serves this. Add the service to the "
        f"baseline or to the stack's overrides; {_list_names(services)}",
    )


def _list_names(services: Sequence[str]) -> str:
    told = ", ".join(services[:_SERVICES_TOLD]) or "none"
    more = len(services) - _SERVICES_TOLD
    return f"served are: {told}{f' and {more} more' if more > 0 else ''}."


def _refuse(match: Json, status: grpc.StatusCode, message: str) -> Json:
    number: int = status.value[0]
    return {
        "match": match,
        "direct_response": {"status": 400, "body": {"inline_string": message}},
        # Envoy would derive INTERNAL from the HTTP status.
        "response_headers_to_add": [overwrite_header("grpc-status", str(number))],
    }


def _carries_other(header: str, value: str) -> Json:
    return {"prefix": "/", "headers": [_differs(header, value)]}


def _differs(header: str, value: str) -> Json:
    return {"name": header, "string_match": {"exact": value}, "invert_match": True}


def overwrite_header(header: str, value: str) -> Json:
    """Return the option that sets a header, whatever was sent."""
    return {
        "header": {"key": header, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _forward(service: str, cluster: str) -> Json:
    return {"match": {"prefix": f"/{service}/", "grpc": {}}, "route": _to(cluster)}


def _forward_infrastructure(service: str, cluster: str) -> Json:
    named: Json = {"name": SERVICE_HEADER, "string_match": {"exact": service}}
    return {
        "match": {"prefix": "/grpc.", "grpc": {}, "headers": [named]},
        "route": _to(cluster),
    }


def _to(cluster: str) -> Json:
    return {
        "cluster": cluster,
        "cluster_not_found_response_code": "SERVICE_UNAVAILABLE",
        "timeout": "0s",  # else 15 seconds; the caller's own deadline counts
        "max_stream_duration": {"grpc_timeout_header_max": "0s"},
    }
