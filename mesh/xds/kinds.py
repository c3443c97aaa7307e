"""Kinds of resources that Envoy asks for, in the order in which it needs them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json]"
"""A value in the JSON form of a protobuf message."""

JsonMessage: TypeAlias = "Mapping[str, Json]"
"""A protobuf message in its JSON form."""


class Kind(Enum):
    """A kind of resource; the value is the full name of its message.

    The order is make-before-break: a route is sent after the clusters that it names.
    """

    CLUSTER = "envoy.config.cluster.v3.Cluster"
    ENDPOINTS = "envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = "envoy.config.listener.v3.Listener"
    ROUTES = "envoy.config.route.v3.RouteConfiguration"

    @property
    def type_url(self) -> str:
        """The kind as discovery requests name it."""
        return f"type.googleapis.com/{self.value}"


KIND_BY_TYPE_URL: Mapping[str, Kind] = {kind.type_url: kind for kind in Kind}
