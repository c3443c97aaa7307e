"""Experiments on a server: what is made is what a run makes, whatever dies meanwhile."""

from __future__ import annotations

import getpass
import json
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil
import pytest

from experiments.queue.schema import ChunkState
from experiments.register.states import ExperimentState
from experiments.server.settings import ServerSettings, Tables, open_tables
from experiments.spec import load_spec
from mesh.call.addresses import Address
from mesh.host.ports import ReservedPort
from tests.support.commands import (
    COMMAND,
    check_pagesim,
    environment,
    invoke_pagesim,
    start_pagesim,
)
from tests.support.facts.upkeep import own_database
from tests.support.mesh.processes import descendants, wait_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from experiments.register.register import Experiment

pytestmark = pytest.mark.integration

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
_LOOK_SECONDS = 0.1


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
            time.sleep(_LOOK_SECONDS)
        return found

    def finish(self, experiment_id: str) -> Path:
        """Wait until an experiment is finished, and return its directory."""
        self.wait_for(experiment_id, lambda one: one.state is ExperimentState.FINISHED)
        return self.settings.find_directory(experiment_id)

    def count_done(self, experiment_id: str) -> int:
        """Return how many chunks of an experiment are done."""
        progress = self.tables.open_queue(experiment_id).progress()
        return sum(one.count(ChunkState.DONE) for one in progress)

    def find_processes(self, *words: str) -> list[psutil.Process]:
        """Return the processes of the server whose command has all of the words."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                command = process.cmdline()
            except psutil.Error:
                continue
            if all(word in command for word in words):
                found.append(process)
        return found


@contextmanager
def serve(settings: ServerSettings, *options: object) -> Iterator[Served]:
    """Run `pagesim server`."""
    command = (*COMMAND, "server", "--runs", settings.runs, "--segments", settings.segments)
    with ReservedPort(Address("127.0.0.1", 0), field="--address") as port:
        address = str(port.address)
        process = subprocess.Popen(
            [*map(str, command), "--address", address, *map(str, options)],
            env=environment(settings.environment),
        )
        try:
            with open_tables(settings) as tables:
                yield Served(settings, address, tables, process)
        finally:
            started = {process.pid, *descendants(process.pid)}
            process.send_signal(signal.SIGTERM)
            process.wait()
            assert wait_gone(started) == set()


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.long]),
    ],
)
def settings(
    request: pytest.FixtureRequest,
    lived_store: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerSettings]:
    directory = tmp_path_factory.mktemp("server")
    places = (lived_store, directory / "runs", directory / "segments")
    if request.param == "sqlite":
        yield ServerSettings(f"sqlite:///{directory / 'server.db'}", *places)
        return
    with own_database() as url:
        yield ServerSettings(url, *places)


@pytest.fixture(scope="module")
def served(settings: ServerSettings) -> Iterator[Served]:
    with serve(settings) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(lived_store: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What `pagesim run` makes of the experiment."""
    directory = tmp_path_factory.mktemp("undisturbed")
    experiment = directory / "experiment.yaml"
    experiment.write_text(EXPERIMENT)
    check_pagesim("run", experiment, "--store", lived_store, "--output", directory / "run")
    return made_in(directory / "run")


def made_in(run: Path) -> dict[str, bytes]:
    """Return the files of a run that hold pages, and what was measured."""
    folders = ("pages", "rows", "results", "requests")
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted((run / folder).rglob("*"))
        if path.is_file()
    }


def test_an_experiment_on_a_server_makes_the_bytes_of_a_run(
    served: Served, undisturbed: dict[str, bytes]
) -> None:
    experiment_id = served.submit()
    run = served.finish(experiment_id)
    assert made_in(run) == undisturbed
    assert "trial" in (run / "report.html").read_text()
    steps = served.tables.register.steps(experiment_id)
    assert [(one.name, one.attempt, one.error) for one in steps] == [
        ("plan", 1, None),
        ("measure", 1, None),
    ]


def test_an_experiment_is_submitted_and_watched_by_command_though_the_doors_are_killed(
    served: Served, tmp_path: Path
) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(EXPERIMENT)
    server = ("--server", served.address)
    while (submitted := invoke_pagesim("experiment", "submit", path, *server)).exit_code:
        assert "No server answers" in submitted.messages  # it starts
        time.sleep(_LOOK_SECONDS)
    experiment_id = submitted.output.strip()
    watching = start_pagesim("experiment", "watch", experiment_id, "--json", *server)
    assert watching.stdout is not None
    first = watching.stdout.readline()
    (doors,) = served.find_processes("doors", served.address)
    doors.kill()
    output, messages = watching.communicate()
    assert watching.returncode == 0, messages
    told = [json.loads(line) for line in (first, *output.splitlines())]
    assert {one["experiment_id"] for one in told} == {experiment_id}
    last = told[-1]
    assert (last["state"], last["owner"]) == ("finished", getpass.getuser())
    assert last["tried"] == last["pages"] == sum(one["pages"] for one in last["partitions"])
    assert "trial" in Path(last["report"]).read_text()
    assert len(told) > 3
