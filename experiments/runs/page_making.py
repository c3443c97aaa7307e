"""Makes the chunks of a run's partitions, each partition with a stack of a mesh."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.atomic_files import atomic_file
from experiments.generation.baseline import override_processes
from experiments.generation.outages import Patience
from experiments.generation.pages import PartitionPath
from experiments.runs.chunk_work import Leave, PartitionWork, make_chunks
from mesh.call.context import use_context
from mesh.topology.stack import Stack
from services.assembler.client import AssemblerClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import grpc

    from experiments.generation.external_ids import PageIds
    from experiments.generation.partitions import Partition
    from experiments.queue.held_leases import HeldLeases
    from experiments.runs.page_yield import PageYield
    from experiments.spec import ExperimentSpec
    from mesh.client.mesh_process import MeshProcess

_CALL_TIMEOUT_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class RunWork:
    """What a worker of a run works with.

    Attributes:
        spec: The experiment.
        directory: Of the run.
        snapshot: Append position that every variant reads up to.
        leases: The chunks that the worker holds.
        page_yield: Judges the failures.
        page_ids: Names the pages.
        stack_prefix: Tells the stacks of this run from those of others in the mesh.
    """

    spec: ExperimentSpec
    directory: Path
    snapshot: int
    leases: HeldLeases
    page_yield: PageYield
    page_ids: PageIds
    stack_prefix: str = ""

    def find_path(self, partition: Partition) -> PartitionPath:
        """Return where the pages of a partition are written."""
        return PartitionPath(
            self.directory, self.spec.name, partition.variant.name, partition.partition_id
        )

    def make_due_chunks(
        self,
        partition: Partition,
        mesh: MeshProcess,
        channel: grpc.Channel,
        *,
        advance: Callable[[int], None],
        tell: Callable[[str], None],
        ask_leave: Callable[[], Leave] = lambda: Leave.GO_ON,
    ) -> None:
        """Make the chunks of a partition that are due, with a stack of their own.

        Args:
            partition: Whose.
            mesh: Gets the stack.
            channel: To the mesh.
            advance: Told how many more pages were tried; fewer than none if chunks are given
                back.
            tell: Told what is waited for, and "" when that is over.
            ask_leave: Asked before each batch of pages.

        Raises:
            StackFailed: What died was not restarted in time, or is given up.
            LowPageYield: Too many pages could not be made.
            LeakedPages: A page used what was not yet known.
            ProcessFailed: The mesh ended.
        """
        stack = self._describe_stack(partition)
        work = PartitionWork(
            partition=partition,
            path=self.find_path(partition),
            leases=self.leases,
            page_yield=self.page_yield,
            page_ids=self.page_ids,
            limits=self.spec.limits,
            known_by_micros=self.spec.known_by_micros,
            ask_leave=ask_leave,
        )
        assembler = AssemblerClient(channel, timeout_seconds=_CALL_TIMEOUT_SECONDS)
        with mesh.service.lease_stack(stack), use_context(stack.context):
            make_chunks(work, assembler, Patience.with_stack(mesh, stack, tell), advance)

    def _describe_stack(self, partition: Partition) -> Stack:
        overlay = partition.variant.configuration
        overlay_file = self.directory / "overlays" / f"{partition.variant.name}.json"
        if overlay:
            # Partitions of a variant write the same text, side by side.
            text = json.dumps(overlay, indent=2, ensure_ascii=False)
            overlay_file.parent.mkdir(exist_ok=True)
            with atomic_file(overlay_file) as unfinished:
                unfinished.write_text(text, encoding="utf-8")
        return Stack(
            stack_id=f"{self.stack_prefix}{partition.stack_id}",
            as_of_micros=partition.slice.as_of_micros,
            known_by_micros=self.spec.known_by_micros,
            snapshot=self.snapshot,
            overrides=override_processes(overlay, overlay_file),
            variant=partition.variant.name,
        )
