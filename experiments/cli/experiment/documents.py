"""Experiments of a server, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePath
from typing import TYPE_CHECKING

from core.moments import format_moment
from experiments.register.states import ExperimentState

if TYPE_CHECKING:
    from experiments.server.doors.status import ExperimentHistory, ExperimentStatus, Progress


def find_report(status: ExperimentStatus) -> str | None:
    """Return where the report of an experiment is, None before it is written."""
    if status.state is not ExperimentState.FINISHED:
        return None
    return str(PurePath(status.directory) / "report.html")


def describe_status(status: ExperimentStatus) -> dict[str, object]:
    """Return an experiment with its partitions."""
    return {
        **describe_experiment(status),
        "partitions": [
            {"partition": name, **_describe_progress(one)}
            for name, one in status.partitions.items()
        ],
    }


def describe_experiment(status: ExperimentStatus) -> dict[str, object]:
    """Return an experiment without its partitions."""
    return {
        "experiment_id": status.experiment_id,
        "name": status.name,
        "owner": status.owner,
        "state": status.state.value,
        "reason": status.reason,
        "submitted_at": format_moment(status.submitted_at),
        "changed_at": format_moment(status.changed_at),
        "directory": status.directory,
        "report": find_report(status),
        **_describe_progress(status.total),
    }


def describe_history(history: ExperimentHistory) -> dict[str, object]:
    """Return what was tried for an experiment."""
    return {
        "steps": [
            {
                **asdict(one),
                "began_at": format_moment(one.began_at),
                "ended_at": None if one.ended_at is None else format_moment(one.ended_at),
            }
            for one in history.steps
        ],
        "failed_chunks": [
            {
                **asdict(one),
                "began_at": format_moment(one.began_at),
                "ended_at": format_moment(one.ended_at),
            }
            for one in history.failed_chunks
        ],
    }


def _describe_progress(progress: Progress) -> dict[str, object]:
    return {
        "pages": progress.pages,
        "tried": progress.tried,
        "failures": progress.failures,
        "chunks": {state.value: count for state, count in progress.chunks.items()},
    }
