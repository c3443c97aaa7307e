"""Separates faults of single pages from faults of the system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import InvalidInput, NotFound, PagesimError, WrongState
from core.grpc_status import error_from_call
from mesh.errors import MeshError

if TYPE_CHECKING:
    import grpc

_DETAILS_HEADER = "grpc-status-details-bin"

_KINDS: tuple[type[PagesimError], ...] = (InvalidInput, NotFound, WrongState)


def page_fault(error: PagesimError | grpc.RpcError) -> PagesimError | None:
    """Return the error if a page can be at fault for it, else None.

    What is wrong for good (invalid, not found, precondition) may be the page's fault; what
    may pass is not. A peer's error counts only with details, which services of pagesim attach
    and the mesh does not: an unknown stack is not a fault of a page.
    """
    told = error if isinstance(error, PagesimError) else _told_by_service(error)
    if isinstance(told, _KINDS) and not isinstance(told, MeshError):
        return told
    return None


def _told_by_service(error: grpc.RpcError) -> PagesimError | None:
    keys = [entry.key for entry in error.trailing_metadata() or ()]
    return error_from_call(error) if _DETAILS_HEADER in keys else None
