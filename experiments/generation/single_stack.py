"""A mesh with one stack, for commands that make a few calls."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from experiments.generation.baseline import start_mesh
from mesh.call.context import use_context
from mesh.serving import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import grpc

    from mesh.client.mesh_process import MeshProcess
    from mesh.topology.stack import Stack


class SingleStack(NamedTuple):
    """A mesh that has one stack, and a channel into it."""

    mesh: MeshProcess
    channel: grpc.Channel


@contextmanager
def single_stack(
    store_url: str, segments: Path, stack: Stack, directory: Path, *, tls: Path | None = None
) -> Iterator[SingleStack]:
    """Start a mesh with one stack, yield it and a channel, and take all of it down again.

    Within the block calls carry the context of the stack.

    Args:
        store_url: The store that the processes read.
        segments: Folder in which its snapshots may be laid out.
        stack: What to create.
        directory: Gets logs.
        tls: Directory of certificates with which all prove who they are.

    Raises:
        InvalidCertificate: A file of `tls` is unfit.
        ProcessFailed: A process did not start; the message holds the end of its log.
    """
    with start_mesh(store_url, segments, directory, tls=tls) as mesh:
        mesh.service.create_stack(stack)
        with connect(mesh.address, tls=mesh.tls) as channel, use_context(stack.context):
            yield SingleStack(mesh, channel)
