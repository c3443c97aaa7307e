"""Experiments as messages of pagesim.experiments.v1, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pagesim.experiments.v1 import experiments_pb2

from core.timestamps import decode_timestamp, encode_timestamp
from experiments.documents.mistakes import LocatedMistake
from experiments.errors import InvalidRequest
from experiments.queue.chunk_queue import FailedAttempt
from experiments.queue.schema import ChunkState
from experiments.register.register import StepAttempt
from experiments.register.states import ExperimentState
from experiments.server.doors.status import ExperimentHistory, ExperimentStatus, Progress

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

DEFAULT_PAGE_SIZE: Final = 100
LARGEST_PAGE_SIZE: Final = 1000

_STATES: Final = {
    ExperimentState.SUBMITTED: experiments_pb2.EXPERIMENT_STATE_SUBMITTED,
    ExperimentState.PLANNING: experiments_pb2.EXPERIMENT_STATE_PLANNING,
    ExperimentState.RUNNING: experiments_pb2.EXPERIMENT_STATE_RUNNING,
    ExperimentState.PAUSED: experiments_pb2.EXPERIMENT_STATE_PAUSED,
    ExperimentState.CANCELLING: experiments_pb2.EXPERIMENT_STATE_CANCELLING,
    ExperimentState.FINISHED: experiments_pb2.EXPERIMENT_STATE_FINISHED,
    ExperimentState.FAILED: experiments_pb2.EXPERIMENT_STATE_FAILED,
    ExperimentState.CANCELLED: experiments_pb2.EXPERIMENT_STATE_CANCELLED,
}
_STATE_BY_NUMBER: Final[Mapping[int, ExperimentState]] = {
    number: state for state, number in _STATES.items()
}


def write_mistake(mistake: LocatedMistake) -> experiments_pb2.Mistake:
    """Return the message of a mistake."""
    return experiments_pb2.Mistake(
        line=mistake.line, field=mistake.field, problem=mistake.problem, remedy=mistake.remedy
    )


def read_mistake(message: experiments_pb2.Mistake) -> LocatedMistake:
    """Return the mistake of a message."""
    return LocatedMistake(message.line, message.field, message.problem, message.remedy)


def write_states(
    states: Iterable[ExperimentState],
) -> Sequence[experiments_pb2.ExperimentState.ValueType]:
    """Return the numbers of states."""
    return [_STATES[state] for state in states]


def read_states(numbers: Iterable[int]) -> Collection[ExperimentState]:
    """Return the states of numbers.

    Raises:
        InvalidRequest: One is that of no state.
    """
    wanted = set(numbers)
    if unknown := wanted - _STATE_BY_NUMBER.keys():
        raise InvalidRequest(
            f"{min(unknown)} is not a state of experiments.",
            remedy="Name states, or none for all.",
            field="states",
        )
    return {_STATE_BY_NUMBER[number] for number in wanted}


def read_page_size(number: int) -> int:
    """Return how many experiments a page has at most.

    Raises:
        InvalidRequest: It is more than an answer may have.
    """
    if number > LARGEST_PAGE_SIZE:
        raise InvalidRequest(
            f"{number} experiments are too many for one answer.",
            remedy=f"Ask for at most {LARGEST_PAGE_SIZE}, and go on with next_page_token.",
            field="page_size",
        )
    return number or DEFAULT_PAGE_SIZE


def write_status(status: ExperimentStatus) -> experiments_pb2.Experiment:
    """Return the message of an experiment."""
    return experiments_pb2.Experiment(
        experiment_id=status.experiment_id,
        name=status.name,
        owner=status.owner,
        state=_STATES[status.state],
        reason=status.reason,
        submitted_at=encode_timestamp(status.submitted_at),
        changed_at=encode_timestamp(status.changed_at),
        directory=status.directory,
        total=_write_progress(status.total),
        partitions=[
            experiments_pb2.PartitionProgress(partition=name, progress=_write_progress(one))
            for name, one in status.partitions.items()
        ],
    )


def read_status(message: experiments_pb2.Experiment) -> ExperimentStatus:
    """Return the experiment of a message."""
    return ExperimentStatus(
        experiment_id=message.experiment_id,
        name=message.name,
        owner=message.owner,
        state=_STATE_BY_NUMBER[message.state],
        reason=message.reason,
        submitted_at=decode_timestamp(message.submitted_at, field="submitted_at"),
        changed_at=decode_timestamp(message.changed_at, field="changed_at"),
        directory=message.directory,
        total=_read_progress(message.total),
        partitions={one.partition: _read_progress(one.progress) for one in message.partitions},
    )


def write_history(history: ExperimentHistory) -> experiments_pb2.GetHistoryResponse:
    """Return the message of a history."""
    return experiments_pb2.GetHistoryResponse(
        steps=[
            experiments_pb2.StepAttempt(
                name=one.name,
                attempt=one.attempt,
                process=one.process,
                began_at=encode_timestamp(one.began_at),
                ended_at=encode_timestamp(one.ended_at),
                error=one.error or "",
            )
            for one in history.steps
        ],
        failed_chunks=[
            experiments_pb2.FailedChunkAttempt(
                partition=one.partition,
                number=one.number,
                worker=one.worker,
                began_at=encode_timestamp(one.began_at),
                ended_at=encode_timestamp(one.ended_at),
                error=one.error,
            )
            for one in history.failed_chunks
        ],
    )


def read_history(message: experiments_pb2.GetHistoryResponse) -> ExperimentHistory:
    """Return the history of a message."""
    return ExperimentHistory(
        [
            StepAttempt(
                one.name,
                one.attempt,
                one.process,
                decode_timestamp(one.began_at, field="began_at"),
                decode_timestamp(one.ended_at, field="ended_at")
                if one.HasField("ended_at")
                else None,
                one.error or None,
            )
            for one in message.steps
        ],
        [
            FailedAttempt(
                one.partition,
                one.number,
                one.worker,
                decode_timestamp(one.began_at, field="began_at"),
                decode_timestamp(one.ended_at, field="ended_at"),
                one.error,
            )
            for one in message.failed_chunks
        ],
    )


def _write_progress(progress: Progress) -> experiments_pb2.Progress:
    return experiments_pb2.Progress(
        pages=progress.pages,
        tried=progress.tried,
        failures=progress.failures,
        chunks=experiments_pb2.ChunkCounts(
            waiting=progress.count(ChunkState.WAITING),
            leased=progress.count(ChunkState.LEASED),
            done=progress.count(ChunkState.DONE),
            dead=progress.count(ChunkState.DEAD),
        ),
    )


def _read_progress(message: experiments_pb2.Progress) -> Progress:
    chunks = {
        ChunkState.WAITING: message.chunks.waiting,
        ChunkState.LEASED: message.chunks.leased,
        ChunkState.DONE: message.chunks.done,
        ChunkState.DEAD: message.chunks.dead,
    }
    return Progress(message.pages, message.tried, message.failures, chunks)
