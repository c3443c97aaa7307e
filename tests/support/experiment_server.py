"""Experiments on a server, whose processes are killed."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil

from experiments.queue.schema import ChunkState
from experiments.register.states import ExperimentState
from experiments.server.programs import CONTROLLER, DOORS, WORKER
from experiments.server.settings import ServerSettings, Tables, open_tables
from experiments.server.steps import MEASURE, PLAN
from experiments.spec import load_spec
from mesh.call.addresses import Address
from mesh.host.ports import ReservedPort
from tests.support.commands import COMMAND, environment
from tests.support.facts.upkeep import own_database
from tests.support.mesh.processes import descendants, wait_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from experiments.register.register import Experiment

EXPERIMENT = """
experiment: trial
seed: 7
scope: {source: logged_pages, profiles: 30, pages_per_profile: 20, strata: [country]}
slices: 3
limits: {batch_pages: 8}
variants:
  - {name: control}
  - {name: popular-first, configuration: {ranking: {model: popularity}}}
"""
OWNERS = """
owners:
  - {name: Growth, channels: [chat]}
"""
WORKERS = 2
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Served:
    """A server under test."""

    settings: ServerSettings
    address: str
    tables: Tables
    process: subprocess.Popen[bytes]

    def submit(self, text: str = EXPERIMENT) -> str:
        """Submit an experiment, and return its id."""
        experiment_id = f"trial-{uuid4().hex[:8]}"
        path = self.settings.runs.parent / f"{experiment_id}.yaml"
        path.write_text(text)
        self.tables.register.submit(experiment_id, load_spec(path), "growth")
        return experiment_id

    def wait_for(
        self, experiment_id: str, condition: Callable[[Experiment], bool]
    ) -> Experiment:
        """Wait until an experiment is as it should be; fail if it ends otherwise."""
        while not condition(found := self.tables.register.get(experiment_id)):
            assert not found.state.is_over, found
            assert self.process.poll() is None
            time.sleep(LOOK_SECONDS)
        return found

    def finish(self, experiment_id: str) -> Path:
        """Wait until an experiment is finished, and return its directory."""
        self.wait_for(experiment_id, lambda one: one.state is ExperimentState.FINISHED)
        return self.settings.find_directory(experiment_id)

    def count_done(self, experiment_id: str) -> int:
        """Return how many chunks of an experiment are done."""
        progress = self.tables.open_queue(experiment_id).progress()
        return sum(one.count(ChunkState.DONE) for one in progress)

    def find_processes(
        self, is_wanted: Callable[[Sequence[str]], bool]
    ) -> list[psutil.Process]:
        """Return the processes of the server whose command is a wanted one."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                command = process.cmdline()
            except psutil.Error:
                continue
            if command and is_wanted(command):
                found.append(process)
        return found

    def find_stacks(self, experiment_id: str) -> list[psutil.Process]:
        """Return the processes that the stacks of an experiment have of their own."""
        return self.find_processes(
            lambda command: (
                "--configuration-overlay" in command
                and any(experiment_id in part for part in command)
            )
        )


@contextmanager
def serve(
    settings: ServerSettings, *, extra: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Served]:
    """Run `pagesim server`, and check that nothing is left of it."""
    command = (*COMMAND, "server", "--runs", settings.runs, "--segments", settings.segments)
    with ReservedPort(Address("127.0.0.1", 0), field="--address") as port:
        address = str(port.address)
        process = subprocess.Popen(
            [*map(str, command), "--address", address],
            env=environment({**settings.environment, **extra}),
        )
        try:
            with open_tables(settings) as tables:
                yield Served(settings, address, tables, process)
        finally:
            started = {process.pid}
            if process.poll() is None:
                started |= descendants(process.pid)
                process.send_signal(signal.SIGTERM)
            process.wait()
            assert wait_gone(started) == set()


@contextmanager
def own_settings(backend: str, lived_store: str, directory: Path) -> Iterator[ServerSettings]:
    """Give the settings of a server with an empty database."""
    places = (lived_store, directory / "runs", directory / "segments")
    if backend == "sqlite":
        yield ServerSettings(f"sqlite:///{directory / 'server.db'}", *places)
        return
    with own_database() as url:
        yield ServerSettings(url, *places)


MANY_SLICES = EXPERIMENT.replace("slices: 3", "slices: 16")
"""So many partitions that work is left after every death."""

STEP_THAT_PLANS = "step that plans"
VICTIMS: dict[str, Callable[[Sequence[str]], bool]] = {
    STEP_THAT_PLANS: lambda command: command[2:4] == ["experiments.server", PLAN],
    "controller": lambda command: command[2:4] == ["experiments.server", CONTROLLER],
    "doors": lambda command: command[2:4] == ["experiments.server", DOORS],
    "step that measures": lambda command: command[2:4] == ["experiments.server", MEASURE],
    "worker": lambda command: command[2:4] == ["experiments.server", WORKER],
    "host": lambda command: command[2:3] == ["mesh"],
    "control plane": lambda command: command[2:3] == ["mesh.control.process"],
    "Envoy": lambda command: command[0].endswith("/envoy"),
    "service of a stack": lambda command: "--configuration-overlay" in command,
    "service of the baseline": lambda command: command[2:3] == ["services.assembler"],
}


def kill(served: Served, experiment_id: str, victim: str) -> None:
    """Kill a component while it has work, and return when another one works in its place."""
    is_victim, is_step = VICTIMS[victim], victim.startswith("step")
    while True:
        found = served.find_processes(is_victim)
        at_work = {
            int(one.process.rpartition("/")[2])
            for one in served.tables.register.steps(experiment_id)
            if one.ended_at is None
        }
        if found and (not is_step or found[0].pid in at_work):
            break
        served.wait_for(experiment_id, lambda one: not one.state.is_over)
        time.sleep(0.001)
    done = served.count_done(experiment_id)
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    killed = {process.pid for process in found}
    while not {process.pid for process in served.find_processes(is_victim)} - killed or (
        victim != STEP_THAT_PLANS and served.count_done(experiment_id) == done
    ):
        served.wait_for(experiment_id, lambda one: not one.state.is_over)
        time.sleep(LOOK_SECONDS)


def made_in(run: Path) -> dict[str, bytes]:
    """Return the files of a run that hold pages, and what was measured."""
    folders = ("pages", "rows", "results", "requests")
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted((run / folder).rglob("*"))
        if path.is_file()
    }
