"""Health and reflection called with bytes that are no message of theirs."""

from __future__ import annotations

from typing import Any, Final

import grpc
import pytest

INFRASTRUCTURE: Final = {
    "grpc.health.v1.Health/Check": "unary_unary",
    "grpc.health.v1.Health/Watch": "unary_stream",
    "grpc.health.v1.Health/List": "unary_unary",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "stream_stream",
}
"""The kind of each method that every server has."""


def assert_refused(channel: grpc.Channel, method: str, kind: str, *bodies: bytes) -> None:
    """Check that the last of the messages is refused as the caller's fault."""
    make: Any = getattr(channel, kind)(f"/{method}")
    with pytest.raises(grpc.RpcError) as refused:
        list(make(iter(bodies) if kind == "stream_stream" else bodies[0]))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"{len(bodies[-1])} bytes" in (refused.value.details() or "")
