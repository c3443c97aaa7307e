"""The controller: brings each experiment through its steps.

It keeps nothing that is not in the tables: one that dies is followed by another, which finds
every experiment where it was. Of several, one leads at a time. The steps run in processes that
end with the controller.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from experiments.register.states import ExperimentState
from experiments.server.settings import name_process
from experiments.server.steps import FAILED, MEASURE, PLAN, TELL, fail_experiment
from experiments.server.telling import TOLD
from mesh.process.child_process import Program, Spawner
from timetravel.errors import StoreUnavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from experiments.register.register import Experiment
    from experiments.server.settings import ServerSettings, Tables
    from mesh.process.child_process import ChildProcess

OFFICE: Final = "controller"
LEAD_SECONDS: Final = 10.0
STEP_ATTEMPTS: Final = 12
"""How often in a row a step may fail in a passing way before its experiment fails."""

TELL_ATTEMPTS: Final = 3
"""How often it is tried to tell the owners of a state."""

_LOOK_SECONDS: Final = 0.5
_FORGOTTEN_SECONDS: Final = 600.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 15.0
_STOP_SECONDS: Final = 5.0
_STEPS: Final[Mapping[ExperimentState, str]] = {
    ExperimentState.SUBMITTED: PLAN,
    ExperimentState.PLANNING: PLAN,
    ExperimentState.RUNNING: MEASURE,
    ExperimentState.PAUSED: MEASURE,
}
_LOGS: Final = "logs"

_log = structlog.get_logger("experiments.server")


@dataclass(slots=True)
class _Step:
    """A step of an experiment, and when it may be tried again."""

    name: str
    process: ChildProcess | None = None
    failures: int = 0
    not_before: float = 0.0

    def stop(self) -> None:
        """End its process, if it has one."""
        if self.process is not None:
            self.process.stop(_STOP_SECONDS)


class Controller:
    """Bring experiments through their steps.

    Args:
        settings: Where what is.
        tables: Register and queue.
        monotonic_seconds: The clock of pauses.
    """

    def __init__(
        self,
        settings: ServerSettings,
        tables: Tables,
        *,
        monotonic_seconds: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._now = monotonic_seconds
        self._name = name_process()
        self._spawner = Spawner()
        self._steps: dict[str, _Step] = {}
        self._telling: dict[str, _Step] = {}

    def run(self, asked_to_stop: threading.Event) -> None:
        """Work until asked to stop."""
        try:
            while not asked_to_stop.wait(_LOOK_SECONDS):
                try:
                    self.look()
                except StoreUnavailable as error:  # the database restarts, say
                    _log.warning("database_unavailable", reason=error.problem)
        finally:
            self._stop_steps(keep=())
            for step in self._telling.values():
                step.stop()

    def look(self) -> None:
        """Do what is to be done now, if this controller leads."""
        leads = self._tables.register.lead(OFFICE, self._name, LEAD_SECONDS)
        self._tables.register.hear(self._name, OFFICE, "leading" if leads else "waiting")
        if not leads:
            self._stop_steps(keep=())
            return
        self._tables.register.forget_silent(_FORGOTTEN_SECONDS)
        under_way = self._tables.register.find(
            [state for state in ExperimentState if not state.is_over]
        )
        self._stop_steps(
            keep=[
                one.experiment_id
                for one in under_way
                if one.state is not ExperimentState.CANCELLING
            ]
        )
        for experiment in under_way:
            if experiment.state is ExperimentState.CANCELLING:
                self._take_down(experiment)
            else:
                self._bring_on(experiment)
        self._tell_owners()

    def _bring_on(self, experiment: Experiment) -> None:
        if experiment.state is ExperimentState.SUBMITTED:
            self._tables.register.move(experiment.experiment_id, ExperimentState.PLANNING)
        dead = self._tables.open_queue(experiment.experiment_id).dead()
        if dead:
            fail_experiment(
                self._tables,
                experiment.experiment_id,
                f"Chunk {dead[0].number} of {dead[0].partition} failed {dead[0].attempts} "
                f"times, at last with this: {dead[0].error}",
            )
            return
        self._keep_step(experiment, _STEPS[experiment.state])

    def _keep_step(self, experiment: Experiment, name: str) -> None:
        """Let the step of an experiment run, again after a pause if it has failed."""
        step = self._steps.get(experiment.experiment_id)
        if step is None or step.name != name:
            if step is not None:
                step.stop()
            step = self._steps[experiment.experiment_id] = _Step(name)
        self._drive(experiment, step)
        if step.failures >= STEP_ATTEMPTS:
            fail_experiment(
                self._tables,
                experiment.experiment_id,
                f"Step {step.name} failed {step.failures} times; its log is beside the "
                "directory of the experiment.",
            )

    def _drive(self, experiment: Experiment, step: _Step) -> None:
        """Start the process of a step unless it runs, or has done its work."""
        if step.process is not None:
            reason = step.process.exit_reason()
            if reason is None:
                return
            step.process.stop(0)
            step.process = None
            if reason == "exit code 0" or (
                reason == f"exit code {FAILED}" and step.name != TELL
            ):
                return  # the register says what came of it
            self._note_failure(experiment, step, reason)
        if self._now() >= step.not_before:
            step.process = self._start(experiment, step.name)

    def _note_failure(self, experiment: Experiment, step: _Step, reason: str) -> None:
        step.failures += 1
        _log.warning(
            "step_ended", step=step.name, experiment=experiment.experiment_id, reason=reason
        )
        pause = _FIRST_PAUSE_SECONDS * 2 ** (step.failures - 1)
        step.not_before = self._now() + min(pause, _LONGEST_PAUSE_SECONDS)

    def _start(self, experiment: Experiment, name: str) -> ChildProcess:
        logs = self._settings.find_directory(experiment.experiment_id)
        return self._spawner.spawn(
            Program(
                name=f"Step {name} of {experiment.experiment_id}",
                command=(
                    *(sys.executable, "-m", "experiments.server", name),
                    *("--experiment", experiment.experiment_id, *self._settings.arguments),
                ),
                log=logs.with_name(f"{logs.name}.{name}.log"),
                environment=self._settings.environment,
            )
        )

    def _tell_owners(self) -> None:
        """Let owners be told of the states in which their experiments have come."""
        untold = {one.experiment_id: one for one in self._tables.register.find_untold(TOLD)}
        for experiment_id in [one for one in self._telling if one not in untold]:
            self._telling.pop(experiment_id).stop()
        for experiment in untold.values():
            step = self._telling.setdefault(experiment.experiment_id, _Step(TELL))
            has_owners = bool(experiment.spec.notifications.owners)
            if has_owners and step.failures < TELL_ATTEMPTS:
                self._drive(experiment, step)
            else:
                self._tables.register.note_told(experiment.experiment_id, experiment.state)

    def _stop_steps(self, keep: list[str] | tuple[str, ...]) -> None:
        for experiment_id in [one for one in self._steps if one not in keep]:
            self._steps.pop(experiment_id).stop()

    def _take_down(self, experiment: Experiment) -> None:
        """Remove what a cancelled experiment has, once no worker holds a chunk of it."""
        queue = self._tables.open_queue(experiment.experiment_id)
        if queue.count_held():
            return
        directory = self._settings.find_directory(experiment.experiment_id)
        if directory.exists():
            shutil.rmtree(directory)
        queue.remove()
        self._tables.register.move(experiment.experiment_id, ExperimentState.CANCELLED)
