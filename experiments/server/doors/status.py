"""An experiment as those who submitted it see it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.queue.schema import ChunkState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from experiments.queue.chunk_queue import FailedAttempt
    from experiments.register.register import StepAttempt
    from experiments.register.states import ExperimentState


@dataclass(frozen=True, slots=True)
class Progress:
    """Say how far pages are.

    Attributes:
        pages: That are asked for.
        tried: Of chunks that are done.
        failures: Of these, how many could not be made.
        chunks: How many there are in each state.
    """

    pages: int
    tried: int
    failures: int
    chunks: Mapping[ChunkState, int]

    def count(self, state: ChunkState) -> int:
        """Return how many chunks are in a state."""
        return self.chunks.get(state, 0)


@dataclass(frozen=True, slots=True)
class ExperimentStatus:
    """Say how an experiment is; moments in microseconds.

    Attributes:
        experiment_id: Names it on its server.
        name: What its file calls it.
        owner: Who submitted it.
        state: How far it is.
        reason: Why it failed; empty otherwise.
        submitted_at: When it was.
        changed_at: When it got into its state.
        directory: Of its run, on the machine of the server.
        total: How far all partitions are together.
        partitions: How far each is, by name; none in a list of experiments.
    """

    experiment_id: str
    name: str
    owner: str
    state: ExperimentState
    reason: str
    submitted_at: int
    changed_at: int
    directory: str
    total: Progress
    partitions: Mapping[str, Progress]


@dataclass(frozen=True, slots=True)
class ExperimentHistory:
    """Say what was tried for an experiment.

    Attributes:
        steps: Every attempt at every step, by when it began.
        failed_chunks: The newest attempts at chunks that made nothing, newest first.
    """

    steps: Sequence[StepAttempt]
    failed_chunks: Sequence[FailedAttempt]


def add_up(parts: Collection[Progress]) -> Progress:
    """Return how far all parts are together."""
    chunks: Counter[ChunkState] = Counter()
    for part in parts:
        chunks.update(part.chunks)
    return Progress(
        sum(part.pages for part in parts),
        sum(part.tried for part in parts),
        sum(part.failures for part in parts),
        {state: chunks[state] for state in ChunkState},
    )
