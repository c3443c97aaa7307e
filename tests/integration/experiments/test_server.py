"""Experiments on a server: what is made is what a run makes, whatever dies meanwhile."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil
import pytest

from core.moments import parse_moment
from experiments.queue.schema import ChunkState
from experiments.register.states import ExperimentState
from experiments.server.programs import CONTROLLER, WORKER
from experiments.server.settings import ServerSettings, Tables, open_tables
from experiments.server.steps import MEASURE, PLAN, TELL
from experiments.spec import load_spec
from services.page.inputs import BLOCKED_GENRES
from tests.support.commands import COMMAND, check_pagesim, environment
from tests.support.facts.upkeep import own_database
from tests.support.listeners import Webhook, webhook_server
from tests.support.mesh.processes import descendants, wait_gone
from timetravel.facts.model import AttributeFact, EntityKind
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

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
OWNERS = """
owners:
  - {name: Growth, channels: [chat]}
"""
WORKERS = 2
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Served:
    """A server under test."""

    settings: ServerSettings
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
    process = subprocess.Popen(
        [*map(str, command)], env=environment({**settings.environment, **extra})
    )
    try:
        with open_tables(settings) as tables:
            yield Served(settings, tables, process)
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
    with own_settings(request.param, lived_store, directory) as made:
        yield made


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with webhook_server() as opened:
        yield opened


def addresses(webhook: Webhook) -> Mapping[str, str]:
    """Return what a server is told of channels."""
    return {"PAGESIM_CHANNEL_CHAT": f"json://{webhook.address}/hook"}


@pytest.fixture(scope="module")
def served(settings: ServerSettings, webhook: Webhook) -> Iterator[Served]:
    with serve(settings, extra=addresses(webhook)) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(lived_store: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What `pagesim run` makes of the experiment."""
    directory = tmp_path_factory.mktemp("undisturbed")
    experiment = directory / "experiment.yaml"
    experiment.write_text(EXPERIMENT)
    check_pagesim("run", experiment, "--store", lived_store, "--output", directory / "run")
    return made_in(directory / "run")


def block_unreadable_genres(store_url: str) -> None:
    """Give every profile blocked genres that are no list: none of its pages can be made."""
    since = parse_moment("2024-01-05T00:00:00Z")
    with Store.open(store_url) as store, store.begin(since) as writer:
        # Ingest refuses what cannot be read; a store of an earlier version may hold it.
        unreadable = [
            AttributeFact(EntityKind.PROFILE, profile_id, BLOCKED_GENRES, since, since, 5)
            for profile_id in range(1, 41)
        ]
        writer.append(unreadable, source="an earlier version", synthetic=True)


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
    served: Served, undisturbed: dict[str, bytes], webhook: Webhook
) -> None:
    experiment_id = served.submit(EXPERIMENT + OWNERS)
    run = served.finish(experiment_id)
    assert made_in(run) == undisturbed
    while served.tables.register.get(experiment_id).told != ExperimentState.FINISHED:
        time.sleep(_LOOK_SECONDS)
    end = webhook.posted[-1]
    assert (end["title"], end["type"]) == ("trial has finished", "success")
    assert str(run / "report.html") in end["message"]
    assert "trial" in (run / "report.html").read_text()
    steps = served.tables.register.steps(experiment_id)
    own = [(one.name, one.attempt, one.error) for one in steps if one.name != TELL]
    assert own == [(PLAN, 1, None), (MEASURE, 1, None)]


MANY_SLICES = EXPERIMENT.replace("slices: 3", "slices: 16")
"""So many partitions that work is left after every death."""

VICTIMS: dict[str, Callable[[Sequence[str]], bool]] = {
    "step that plans": lambda command: command[2:4] == ["experiments.server", PLAN],
    "controller": lambda command: command[2:4] == ["experiments.server", CONTROLLER],
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
        victim != "step that plans" and served.count_done(experiment_id) == done
    ):
        served.wait_for(experiment_id, lambda one: not one.state.is_over)
        time.sleep(_LOOK_SECONDS)


@pytest.mark.long
@pytest.mark.parametrize("victims", [[*VICTIMS]], ids=["each-once"])
def test_whatever_is_killed_an_experiment_ends_by_itself_with_the_same_bytes(
    served: Served, lived_store: str, tmp_path: Path, victims: list[str]
) -> None:
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(MANY_SLICES)
    calm = tmp_path / "calm"
    check_pagesim("run", experiment, "--store", lived_store, "--output", calm)

    experiment_id = served.submit(MANY_SLICES)
    for victim in victims:
        kill(served, experiment_id, victim)
    run = served.finish(experiment_id)
    assert made_in(run) == made_in(calm)
    assert not list(run.rglob("*.unfinished"))
    queue = served.tables.open_queue(experiment_id)
    assert all(set(one.chunks) == {ChunkState.DONE} for one in queue.progress())
    assert {turn.doing for turn in served.tables.register.heard()} <= {"leading", "waiting"}
    steps = served.tables.register.steps(experiment_id)
    assert [one.name for one in steps if one.error is None] == [PLAN, MEASURE]
    died = [one.name for one in steps if one.error == "Its process ended."]
    assert died.count(PLAN) == victims.count("step that plans")
    assert died.count(MEASURE) >= victims.count("step that measures")


def test_a_paused_experiment_begins_no_page_and_goes_on_to_the_same_bytes(
    served: Served, undisturbed: dict[str, bytes]
) -> None:
    experiment_id = served.submit()
    served.wait_for(experiment_id, lambda _: served.count_done(experiment_id) > 0)
    served.tables.register.move(experiment_id, ExperimentState.PAUSED)
    queue = served.tables.open_queue(experiment_id)
    while queue.count_held():
        time.sleep(_LOOK_SECONDS)
    done = served.count_done(experiment_id)
    assert 0 < done < len(queue.progress())
    served.wait_for(experiment_id, lambda _: not served.find_stacks(experiment_id))
    assert served.count_done(experiment_id) == done
    served.tables.register.move(experiment_id, ExperimentState.RUNNING)
    assert made_in(served.finish(experiment_id)) == undisturbed


PHASES: dict[str, Callable[[Served, Experiment], bool]] = {
    "submitted": lambda _, one: one.state is ExperimentState.SUBMITTED,
    "planned": lambda served, one: bool(served.tables.register.steps(one.experiment_id)),
    "made": lambda served, one: served.count_done(one.experiment_id) > 0,
    "measured": lambda served, one: bool(
        served.count_done(one.experiment_id)
        == len(served.tables.open_queue(one.experiment_id).progress())
        > 0
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("phase", PHASES)
def test_an_experiment_that_is_cancelled_leaves_nothing_behind(
    served: Served, phase: str
) -> None:
    experiment_id = served.submit()
    register, queue = served.tables.register, served.tables.open_queue(experiment_id)
    served.wait_for(experiment_id, lambda one: PHASES[phase](served, one))
    register.move(experiment_id, ExperimentState.CANCELLING)
    while register.get(experiment_id).state is not ExperimentState.CANCELLED:
        time.sleep(_LOOK_SECONDS)
    assert not served.settings.find_directory(experiment_id).exists()
    assert queue.progress() == []
    assert queue.failed_attempts(10) == []
    while served.find_stacks(experiment_id):
        time.sleep(_LOOK_SECONDS)
    assert not served.find_processes(lambda command: experiment_id in command)


@pytest.mark.long
def test_an_experiment_with_too_few_pages_fails_by_name_and_its_owners_are_told_why(
    lived_store: str, webhook: Webhook, tmp_path: Path
) -> None:
    copied = f"sqlite:///{shutil.copy(lived_store.removeprefix('sqlite:///'), tmp_path)}"
    block_unreadable_genres(copied)
    places = (copied, tmp_path / "runs", tmp_path / "segments")
    own = ServerSettings(f"sqlite:///{tmp_path / 'server.db'}", *places)
    with serve(own, extra=addresses(webhook)) as served:
        experiment_id = served.submit(EXPERIMENT + OWNERS)
        while not (found := served.tables.register.get(experiment_id)).state.is_over:
            time.sleep(_LOOK_SECONDS)
        assert found.state is ExperimentState.FAILED
        assert "could not be made, a yield of " in found.reason
        assert BLOCKED_GENRES in found.reason
        while served.find_stacks(experiment_id):
            time.sleep(_LOOK_SECONDS)
        assert served.tables.open_queue(experiment_id).count_held() == 0
        while served.tables.register.get(experiment_id).told != ExperimentState.FAILED:
            time.sleep(_LOOK_SECONDS)
    assert found.reason in webhook.posted[-1]["message"]


@pytest.mark.long
def test_a_worker_that_hangs_is_ended_and_another_goes_on(
    served: Served, undisturbed: dict[str, bytes]
) -> None:
    experiment_id = served.submit()
    served.wait_for(experiment_id, lambda _: served.count_done(experiment_id) > 0)
    (hung,) = served.find_processes(VICTIMS["worker"])
    hung.suspend()
    assert made_in(served.finish(experiment_id)) == undisturbed
    assert not hung.is_running()


@pytest.mark.long
@pytest.mark.postgres
def test_when_one_of_two_servers_dies_the_other_goes_on_with_its_experiments(
    lived_store: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    with (
        own_settings("postgresql", lived_store, tmp_path) as settings,
        serve(settings) as staying,
    ):
        with serve(settings) as dying:
            while sum(one.role == WORKER for one in dying.tables.register.heard()) < WORKERS:
                time.sleep(_LOOK_SECONDS)
            experiment_id = dying.submit()
            dying.wait_for(experiment_id, lambda _: dying.count_done(experiment_id) > 0)
            started = descendants(dying.process.pid)
            dying.process.kill()
            assert wait_gone(started) == set()
        assert made_in(staying.finish(experiment_id)) == undisturbed
