"""The states of an experiment, and how it may get from one to another.

::

    submitted -> planning -> running <-> paused
                                |
                             finished

    Whatever is not over may fail, or be cancelled: cancelling -> cancelled. A failed experiment
    may run again, or be planned again if it was not.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExperimentState(StrEnum):
    """Say how far an experiment is.

    SUBMITTED: It waits for a controller. PLANNING: Its pages are drawn and posted. RUNNING: Its
    pages are made and measured. PAUSED: No page is begun. CANCELLING: What it holds is taken
    down. The others are ends.
    """

    SUBMITTED = "submitted"
    PLANNING = "planning"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in {
            ExperimentState.FINISHED,
            ExperimentState.FAILED,
            ExperimentState.CANCELLED,
        }


_UNDER_WAY: Final = frozenset(state for state in ExperimentState if not state.is_over)

SOURCES: Final[Mapping[ExperimentState, frozenset[ExperimentState]]] = {
    ExperimentState.SUBMITTED: frozenset(),
    ExperimentState.PLANNING: frozenset({ExperimentState.SUBMITTED, ExperimentState.FAILED}),
    ExperimentState.RUNNING: frozenset(
        {ExperimentState.PLANNING, ExperimentState.PAUSED, ExperimentState.FAILED}
    ),
    ExperimentState.PAUSED: frozenset({ExperimentState.RUNNING}),
    ExperimentState.CANCELLING: _UNDER_WAY - {ExperimentState.CANCELLING},
    ExperimentState.FINISHED: frozenset({ExperimentState.RUNNING}),
    ExperimentState.FAILED: _UNDER_WAY - {ExperimentState.CANCELLING},
    ExperimentState.CANCELLED: frozenset({ExperimentState.CANCELLING}),
}
"""From which states an experiment may get to each."""
