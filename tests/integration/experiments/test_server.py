"""Experiments on a server: what is made is what a run makes, whatever dies meanwhile."""

from __future__ import annotations

import getpass
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.moments import parse_moment
from experiments.generation.baseline import STORE_VARIABLE
from experiments.queue.schema import ChunkState
from experiments.register.states import ExperimentState
from experiments.server.programs import WORKER
from experiments.server.settings import DATABASE_VARIABLE, ServerSettings
from experiments.server.steps import MEASURE, PLAN, TELL
from services.page.inputs import BLOCKED_GENRES
from tests.support.commands import (
    check_invoked,
    check_pagesim,
    invoke_pagesim,
    start_pagesim,
)
from tests.support.experiment_server import (
    EXPERIMENT,
    LOOK_SECONDS,
    MANY_SLICES,
    OWNERS,
    VICTIMS,
    WORKERS,
    Served,
    kill,
    made_in,
    own_settings,
    serve,
)
from tests.support.listeners import Webhook, webhook_server
from tests.support.mesh.processes import descendants, wait_gone
from timetravel.facts.model import AttributeFact, EntityKind
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from experiments.register.register import Experiment

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def settings(
    lived_store: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerSettings]:
    directory = tmp_path_factory.mktemp("server")
    with own_settings("sqlite", lived_store, directory) as made:
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


def test_an_experiment_on_a_server_makes_the_bytes_of_a_run(
    served: Served, undisturbed: dict[str, bytes], webhook: Webhook
) -> None:
    experiment_id = served.submit(EXPERIMENT + OWNERS)
    served.wait_for(experiment_id, lambda _: served.count_done(experiment_id) > 0)
    (service,) = served.find_processes(VICTIMS["service of the baseline"])
    assert {DATABASE_VARIABLE, STORE_VARIABLE}.isdisjoint(service.environ())
    run = served.finish(experiment_id)
    assert made_in(run) == undisturbed
    while served.tables.register.get(experiment_id).told != ExperimentState.FINISHED:
        time.sleep(LOOK_SECONDS)
    end = webhook.posted[-1]
    assert (end["title"], end["type"]) == ("trial has finished", "success")
    assert str(run / "report.html") in end["message"]
    assert "trial" in (run / "report.html").read_text()
    steps = served.tables.register.steps(experiment_id)
    own = [(one.name, one.attempt, one.error) for one in steps if one.name != TELL]
    assert own == [(PLAN, 1, None), (MEASURE, 1, None)]


@pytest.mark.long
def test_whatever_is_killed_an_experiment_ends_by_itself_with_the_same_bytes(
    served: Served, lived_store: str, tmp_path: Path
) -> None:
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(MANY_SLICES)
    calm = tmp_path / "calm"
    check_pagesim("run", experiment, "--store", lived_store, "--output", calm)

    experiment_id = served.submit(MANY_SLICES)
    for victim in VICTIMS:
        kill(served, experiment_id, victim)
    run = served.finish(experiment_id)
    assert made_in(run) == made_in(calm)
    assert not list(run.rglob("*.unfinished"))
    queue = served.tables.open_queue(experiment_id)
    assert all(set(one.chunks) == {ChunkState.DONE} for one in queue.progress())
    heard = served.tables.register.heard()
    assert {one.doing for one in heard if one.role == WORKER} <= {"waiting"}
    steps = served.tables.register.steps(experiment_id)
    assert [one.name for one in steps if one.error is None] == [PLAN, MEASURE]
    died = [one.name for one in steps if one.error == "Its process ended."]
    assert died.count(PLAN) == 1
    assert died.count(MEASURE) >= 1


@pytest.mark.long
def test_a_paused_experiment_begins_no_page_and_goes_on_to_the_same_bytes(
    served: Served, undisturbed: dict[str, bytes]
) -> None:
    experiment_id = served.submit()
    served.wait_for(experiment_id, lambda _: served.count_done(experiment_id) > 0)
    served.tables.register.move(experiment_id, ExperimentState.PAUSED)
    queue = served.tables.open_queue(experiment_id)
    while queue.count_held():
        time.sleep(LOOK_SECONDS)
    done = served.count_done(experiment_id)
    assert 0 < done < len(queue.progress())
    served.wait_for(experiment_id, lambda _: not served.find_stacks(experiment_id))
    assert served.count_done(experiment_id) == done
    served.tables.register.move(experiment_id, ExperimentState.RUNNING)
    assert made_in(served.finish(experiment_id)) == undisturbed


@pytest.mark.long
def test_an_experiment_that_is_given_more_variants_makes_only_what_is_new(
    served: Served, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    *_, last = EXPERIMENT.splitlines(keepends=True)
    experiment_id = served.submit(EXPERIMENT.replace(last, "  - {name: again}\n"))
    run = served.finish(experiment_id)
    kept = {path: path.stat().st_mtime_ns for path in run.glob("pages/**/*.parquet")}
    path = tmp_path / "experiment.yaml"
    path.write_text(EXPERIMENT.replace(last, f"  - {{name: again}}\n{last}"))
    check_invoked("experiment", "extend", experiment_id, path, "--server", served.address)
    made = made_in(served.finish(experiment_id))
    for name, content in undisturbed.items():
        if "variant=" in name or name.startswith("requests"):
            assert made[name] == content
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(run.glob("pages/**/*.parquet"))) == len(kept) * 3 / 2


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
        time.sleep(LOOK_SECONDS)
    assert not served.settings.find_directory(experiment_id).exists()
    assert queue.progress() == []
    assert queue.failed_attempts(10) == []
    while served.find_stacks(experiment_id):
        time.sleep(LOOK_SECONDS)
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
            time.sleep(LOOK_SECONDS)
        assert found.state is ExperimentState.FAILED
        assert "could not be made, a yield of " in found.reason
        assert BLOCKED_GENRES in found.reason
        while served.find_stacks(experiment_id):
            time.sleep(LOOK_SECONDS)
        assert served.tables.open_queue(experiment_id).count_held() == 0
        while served.tables.register.get(experiment_id).told != ExperimentState.FAILED:
            time.sleep(LOOK_SECONDS)
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
                time.sleep(LOOK_SECONDS)
            experiment_id = dying.submit()
            dying.wait_for(experiment_id, lambda _: dying.count_done(experiment_id) > 0)
            started = descendants(dying.process.pid)
            dying.process.kill()
            assert wait_gone(started) == set()
        assert made_in(staying.finish(experiment_id)) == undisturbed


@pytest.mark.long
def test_experiments_share_the_stacks_fairly_and_a_small_one_passes_large_ones(
    lived_store: str, tmp_path: Path
) -> None:
    with (
        own_settings("sqlite", lived_store, tmp_path) as settings,
        serve(settings) as served,
    ):
        text = EXPERIMENT.replace("slices: 3", "slices: 8")
        large = [served.submit(text) for _ in range(3)]

        def are_all_under_way(_: Experiment) -> bool:
            return all(served.count_done(one) > 0 for one in large)

        served.wait_for(large[0], are_all_under_way)
        small = served.submit(EXPERIMENT.replace("profiles: 30", "profiles: 4"))
        served.finish(small)
        states = [served.tables.register.get(one).state for one in large]
        assert states == [ExperimentState.RUNNING] * len(large)
        before = [served.count_done(one) for one in large]
        most = 2 * 8 - 2  # the first is nearly done then
        while max(after := [served.count_done(one) for one in large]) < most:
            time.sleep(LOOK_SECONDS)
        rates = [last - first for first, last in zip(before, after, strict=True)]
        assert min(rates) >= 0.8 * max(rates), (before, after)


def test_an_experiment_is_submitted_and_watched_by_command_though_the_doors_are_killed(
    served: Served, tmp_path: Path
) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(EXPERIMENT)
    server = ("--server", served.address)
    while (submitted := invoke_pagesim("experiment", "submit", path, *server)).exit_code:
        assert "No server answers" in submitted.messages  # it starts
        time.sleep(LOOK_SECONDS)
    experiment_id = submitted.output.strip()
    watching = start_pagesim("experiment", "watch", experiment_id, "--json", *server)
    assert watching.stdout is not None
    first = watching.stdout.readline()
    (doors,) = served.find_processes(VICTIMS["doors"])
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
