"""How far a run is, from its record and its queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from experiments.runs.beginning import QUEUE_FILE, is_under_way, open_queue
from experiments.runs.run_record import RunState, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from experiments.queue.chunk_queue import DeadLetter, FailedAttempt, PartitionProgress
    from experiments.runs.run_record import RunRecord

_TOLD_ATTEMPTS: Final = 20
_GOES_ON: Final = "Start it again with the same --output, and it goes on."


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Say how far a run is.

    Attributes:
        record: Of the run.
        is_under_way: Whether a process makes it.
        partitions: How far each is; none of a run that was made before runs had a queue.
        failed: The newest leases of chunks that made nothing.
        dead: Chunks that failed as often as they may.
    """

    record: RunRecord
    is_under_way: bool
    partitions: Sequence[PartitionProgress] = ()
    failed: Sequence[FailedAttempt] = ()
    dead: Sequence[DeadLetter] = ()

    @property
    def pages(self) -> int:
        """Pages that are asked for."""
        return sum(one.pages for one in self.partitions) or self.record.pages

    @property
    def tried(self) -> int:
        """Pages that were tried so far."""
        return sum(one.tried for one in self.partitions) or self.record.pages

    @property
    def failures(self) -> int:
        """Of these, how many could not be made."""
        return sum(one.failures for one in self.partitions) or self.record.failures

    @property
    def sentence(self) -> str:
        """Say how the run is."""
        record = self.record
        if self.is_under_way:
            return f"Under way since {record.started_at}."
        match record.state:
            case RunState.FINISHED:
                return f"Finished at {record.ended_at}."
            case RunState.FAILED:
                return f"Failed at {record.ended_at}: {record.reason} {_GOES_ON}"
            case RunState.RUNNING:
                return f"Stopped. {_GOES_ON}"


def read_status(directory: Path, now: Callable[[], datetime]) -> RunStatus:
    """Return how far the run in a directory is.

    Raises:
        RunNotFound: It holds none.
    """
    record = read_record(directory)
    if not (directory / QUEUE_FILE).is_file():
        return RunStatus(record, is_under_way(directory))
    with open_queue(directory, now) as queue:
        return RunStatus(
            record,
            is_under_way(directory),
            queue.progress(),
            queue.failed_attempts(_TOLD_ATTEMPTS),
            queue.dead(),
        )
