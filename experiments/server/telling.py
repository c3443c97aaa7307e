"""Tells the owners of an experiment what became of it."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

from experiments.metrics.compute import METRICS_FILE
from experiments.notifications import Ended, Notifier, Persistence, Started, open_channels
from experiments.register.states import ExperimentState
from experiments.runs.run_record import read_record
from experiments.runs.runner import describe_figures

if TYPE_CHECKING:
    from experiments.notifications.events import Event
    from experiments.register.register import Experiment
    from experiments.server.settings import ServerSettings, Tables

TOLD: Final = (
    ExperimentState.RUNNING,
    ExperimentState.FINISHED,
    ExperimentState.FAILED,
    ExperimentState.CANCELLED,
)
"""The states that owners are told of."""

_REPORT: Final = "report.html"
# Nobody waits for these messages: the time at the end is that of all attempts.
_PERSISTENCE: Final = Persistence(closing_seconds=300.0)


def tell_owners(experiment: Experiment, settings: ServerSettings, tables: Tables) -> None:
    """Tell the owners of an experiment of its state; what cannot be sent is logged.

    Raises:
        ChannelNotGiven: The environment has no address for a channel.
    """
    told = experiment.spec.notifications
    if told.owners:
        with Notifier(
            told,
            open_channels(told.owners, os.environ),
            _PERSISTENCE,
            clock=time.monotonic,
            wait=threading.Event.wait,
        ) as notifier:
            notifier.tell(_describe(experiment, settings, tables))
    tables.register.note_told(experiment.experiment_id, experiment.state)


def _describe(experiment: Experiment, settings: ServerSettings, tables: Tables) -> Event:
    directory = settings.find_directory(experiment.experiment_id)
    progress = tables.open_queue(experiment.experiment_id).progress()
    name, run = experiment.spec.name, str(directory)
    pages, failures = (
        sum(one.pages for one in progress),
        sum(one.failures for one in progress),
    )
    match experiment.state:
        case ExperimentState.FINISHED:
            figures = describe_figures(
                pq.read_table(directory / METRICS_FILE), read_record(directory).yields
            )
            report = str(directory / _REPORT)
            return Ended(name, run, pages, failures, report=report, figures=figures)
        case ExperimentState.FAILED:
            return Ended(name, run, pages, failures, failed=True, reason=experiment.reason)
        case ExperimentState.CANCELLED:
            return Ended(name, run, pages, failures, failed=True, reason="It was cancelled.")
        case _:
            return Started(name, run, pages, failures)
