"""Reading and changing the details of a call in client interceptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Collection

    import grpc

    Metadata = tuple[tuple[str, str | bytes], ...]


class _CallDetails(NamedTuple):
    method: str
    timeout: float | None
    metadata: Metadata
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


def change_details(
    details: grpc.ClientCallDetails, *, timeout_seconds: float | None, metadata: Metadata
) -> grpc.ClientCallDetails:
    """Return the details with another deadline and other metadata."""
    changed: object = _CallDetails(
        method=details.method,
        timeout=timeout_seconds,
        metadata=metadata,
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
        compression=details.compression,
    )
    return changed  # type: ignore[return-value]  # gRPC reads attributes only


def check_unset(metadata: Metadata, headers: Collection[str]) -> None:
    """Check that a call does not set headers that the context gives it.

    Raises:
        InvalidInput: It sets one.
    """
    for name, _ in metadata:
        if name in headers:
            raise InvalidInput(
                f"The call sets the {name} header itself.",
                remedy="Leave it to the context: use_context(...).",
                field=name,
            )


def split_method(path: str) -> tuple[str, str]:
    """Return service and method of a path such as /package.Service/Method."""
    service, _, method = path.removeprefix("/").rpartition("/")
    return service, method
