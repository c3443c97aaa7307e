"""What the doors of a server answer, over gRPC, from a real register."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pagesim.experiments.v1 import experiments_pb2, experiments_pb2_grpc

from core.errors import Exhausted
from experiments.documents.yaml_source import MAXIMUM_BYTES
from experiments.errors import (
    ChannelNotGiven,
    ExperimentNotFound,
    InvalidRequest,
    InvalidSpec,
    ServerUnreachable,
    WrongExperimentState,
)
from experiments.queue.schema import ChunkState
from experiments.register.states import ExperimentState
from experiments.server.doors.client import ExperimentClient
from experiments.server.doors.servicer import SERVICE, serve_doors
from experiments.server.settings import CHUNK_ATTEMPTS, name_process
from mesh.serving import ServingOptions, start
from tests.support.commands import invoke_pagesim
from tests.support.served_experiments import (
    EXPERIMENT,
    THREE_MISTAKES,
    ServedExperiments,
    serving_experiments,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from experiments.server.doors.status import ExperimentStatus
    from tests.support.pages.simulated_runs import SimulatedRun


@pytest.fixture
def served(simulated_run: SimulatedRun, tmp_path: Path) -> Iterator[ServedExperiments]:
    with serving_experiments(simulated_run.store_url, tmp_path) as running:
        yield running


@pytest.fixture
def stub(served: ServedExperiments) -> Iterator[experiments_pb2_grpc.ExperimentServiceStub]:
    with grpc.insecure_channel(served.address) as channel:
        yield experiments_pb2_grpc.ExperimentServiceStub(channel)


def test_an_experiment_that_is_submitted_waits_in_the_register(
    served: ServedExperiments,
) -> None:
    status = served.client.submit(EXPERIMENT, "trial.yaml", "growth")
    assert status.experiment_id == "trial-000000a0"
    assert (status.name, status.owner) == ("trial", "growth")
    assert status.state is ExperimentState.SUBMITTED
    assert status.submitted_at == status.changed_at > 0
    assert status.directory == str(served.settings.runs / "trial-000000a0")
    assert (status.total.pages, status.partitions) == (0, {})
    found = served.tables.register.get(status.experiment_id)
    assert found.spec.scope.strata == ("country",)
    assert served.client.get(status.experiment_id) == status


def test_every_mistake_of_a_file_is_told_at_once(served: ServedExperiments) -> None:
    assert served.client.validate(EXPERIMENT) == []
    found = served.client.validate(THREE_MISTAKES)
    assert [(one.line, one.field) for one in found] == [
        (3, "seed"),
        (4, "scope.strata[0]"),
        (5, "variants[1].configuration.ranking.model"),
    ]
    assert all(one.problem and one.remedy for one in found)


@pytest.mark.parametrize(
    "text",
    [
        THREE_MISTAKES,
        b"experiment: \xff",
        b"",
        b"a: {",
        b" " * (MAXIMUM_BYTES + 1),
        b"".join(b"no-field-%d: 1\n" % number for number in range(200)),
    ],
    ids=["three", "not-text", "empty", "not-yaml", "too-large", "hundreds"],
)
def test_a_file_with_mistakes_is_refused_with_the_message_of_a_run(
    served: ServedExperiments, tmp_path: Path, text: bytes
) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_bytes(text)
    told = invoke_pagesim("run", path, "--store", served.settings.store_url)
    with pytest.raises(InvalidSpec) as caught:
        served.client.submit(text, str(path), "growth")
    assert told.messages == f"error: {caught.value}\n"
    assert [*served.client.list()] == []


def test_a_refusal_has_the_status_of_a_wrong_request(
    served: ServedExperiments, stub: experiments_pb2_grpc.ExperimentServiceStub
) -> None:
    file = experiments_pb2.ExperimentFile(text=THREE_MISTAKES)
    request = experiments_pb2.SubmitExperimentRequest(file=file, owner="growth")
    with pytest.raises(grpc.RpcError) as caught:
        stub.SubmitExperiment(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "experiment.yaml:3: seed" in (caught.value.details() or "")
    assert [*served.client.list()] == []


@pytest.mark.parametrize("owner", ["", "x" * 101, "a\nb"], ids=["none", "long", "two-lines"])
def test_an_owner_has_a_name_that_can_be_shown(served: ServedExperiments, owner: str) -> None:
    with pytest.raises(InvalidRequest, match="owner"):
        served.client.submit(EXPERIMENT, "trial.yaml", owner)


def test_owners_who_cannot_be_told_are_refused_with_the_variable_to_set(
    served: ServedExperiments,
) -> None:
    text = EXPERIMENT + b"\nowners: [{name: Growth, channels: [team-chat]}]\n"
    with pytest.raises(ChannelNotGiven, match="PAGESIM_CHANNEL_TEAM_CHAT"):
        served.client.submit(text, "trial.yaml", "growth")
    assert served.tables.register.find([*ExperimentState]) == []


def test_progress_is_told_by_partition_and_in_total(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    served.plan(experiment_id)
    served.make_chunk(experiment_id, "control-000", failures=2)
    served.fail_chunk(experiment_id, "popularity-000", CHUNK_ATTEMPTS)
    status = served.client.get(experiment_id)
    control, popularity = (
        status.partitions[name] for name in ("control-000", "popularity-000")
    )
    assert (control.pages, control.tried, control.failures) == (24, 10, 2)
    assert control.count(ChunkState.DONE) == control.count(ChunkState.WAITING) == 1
    assert (popularity.tried, popularity.count(ChunkState.DEAD)) == (0, 1)
    assert (status.total.pages, status.total.tried, status.total.failures) == (48, 10, 2)
    assert status.total.chunks == {
        ChunkState.WAITING: 2,
        ChunkState.LEASED: 0,
        ChunkState.DONE: 1,
        ChunkState.DEAD: 1,
    }


def test_experiments_are_listed_by_state_page_after_page(
    served: ServedExperiments, stub: experiments_pb2_grpc.ExperimentServiceStub
) -> None:
    ids = [served.submit() for _ in range(5)]
    served.plan(ids[1])
    assert [one.experiment_id for one in served.client.list()] == ids
    running = [*served.client.list({ExperimentState.RUNNING})]
    assert [one.experiment_id for one in running] == [ids[1]]
    assert (running[0].total.pages, running[0].partitions) == (48, {})
    found, request = [], experiments_pb2.ListExperimentsRequest(page_size=2)
    while True:
        answer = stub.ListExperiments(request)
        assert len(answer.experiments) <= 2
        found += [one.experiment_id for one in answer.experiments]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert found == ids


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (experiments_pb2.ListExperimentsRequest(page_size=1001), "INVALID_ARGUMENT"),
        (experiments_pb2.ListExperimentsRequest(states=[99]), "INVALID_ARGUMENT"),  # type: ignore[list-item]
        (experiments_pb2.ListExperimentsRequest(page_token="x"), "NOT_FOUND"),  # noqa: S106 - of a page
    ],
    ids=["too-many", "no-state", "no-token"],
)
def test_a_list_that_cannot_be_made_is_refused(
    stub: experiments_pb2_grpc.ExperimentServiceStub,
    request_: experiments_pb2.ListExperimentsRequest,
    code: str,
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ListExperiments(request_)
    assert caught.value.code().name == code


def test_whoever_watches_is_told_each_change_until_the_end(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    watching = served.client.watch(experiment_id)
    assert next(watching).state is ExperimentState.SUBMITTED
    served.plan(experiment_id)
    while (told := next(watching)).total.pages < 48:
        pass
    served.make_chunk(experiment_id, "control-000")
    while told.total.tried < 10:
        told = next(watching)
    assert told.state is ExperimentState.RUNNING
    served.move(experiment_id, ExperimentState.FAILED, reason="The disk is full.")
    told = next(watching)
    assert (told.state, told.reason) == (ExperimentState.FAILED, "The disk is full.")
    assert [*watching] == []
    assert [*served.client.watch(experiment_id)] == [told]


def test_the_place_of_one_that_goes_away_is_free_again(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    places = ServingOptions().workers // 2
    watching = [served.client.watch(experiment_id) for _ in range(places)]
    for one in watching:
        next(one)
    with pytest.raises(Exhausted):
        next(served.client.watch(experiment_id))
    for one in watching:
        one.close()
    while True:
        try:
            next(served.client.watch(experiment_id))
        except Exhausted:  # the server has not heard yet that they are gone
            continue
        break


def test_a_server_that_comes_back_is_watched_on(
    simulated_run: SimulatedRun, tmp_path: Path
) -> None:
    lost = threading.Event()
    with serving_experiments(simulated_run.store_url, tmp_path) as first:
        address = first.address
        experiment_id = first.submit()
        client = ExperimentClient(address)
        watching = client.watch(experiment_id, lambda _: lost.set())
        assert next(watching).state is ExperimentState.SUBMITTED
    told: list[ExperimentStatus] = []
    following = threading.Thread(target=lambda: told.extend(watching))
    following.start()
    lost.wait()
    with serving_experiments(simulated_run.store_url, tmp_path, address) as second:
        second.move(experiment_id, ExperimentState.CANCELLING, ExperimentState.CANCELLED)
        following.join()
    client.close()
    assert told[-1].state is ExperimentState.CANCELLED


def test_an_experiment_is_paused_resumed_and_cancelled(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    with pytest.raises(WrongExperimentState, match="is submitted: it cannot become paused"):
        served.client.pause(experiment_id)
    with pytest.raises(WrongExperimentState, match="is submitted: it cannot be resumed"):
        served.client.resume(experiment_id)
    served.plan(experiment_id)
    assert served.client.pause(experiment_id).state is ExperimentState.PAUSED
    assert served.client.pause(experiment_id).state is ExperimentState.PAUSED
    assert served.client.resume(experiment_id).state is ExperimentState.RUNNING
    assert served.client.resume(experiment_id).state is ExperimentState.RUNNING
    assert served.client.cancel(experiment_id).state is ExperimentState.CANCELLING
    served.move(experiment_id, ExperimentState.CANCELLED)
    for change in (served.client.pause, served.client.resume, served.client.cancel):
        with pytest.raises(WrongExperimentState):
            change(experiment_id)


def test_one_that_is_planned_is_not_resumed_before_its_pages_are_posted(
    served: ServedExperiments,
) -> None:
    experiment_id = served.submit()
    served.move(experiment_id, ExperimentState.PLANNING)
    with pytest.raises(WrongExperimentState, match="is planning: it cannot be resumed"):
        served.client.resume(experiment_id)
    assert served.client.get(experiment_id).state is ExperimentState.PLANNING


def test_chunks_of_a_failed_experiment_are_tried_again_when_it_is_resumed(
    served: ServedExperiments,
) -> None:
    experiment_id = served.submit()
    served.plan(experiment_id)
    served.fail_chunk(experiment_id, "control-000", CHUNK_ATTEMPTS)
    served.move(experiment_id, ExperimentState.FAILED, reason="Chunk 0 failed.")
    assert served.client.get(experiment_id).total.count(ChunkState.DEAD) == 1
    status = served.client.resume(experiment_id)
    assert (status.state, status.reason) == (ExperimentState.RUNNING, "")
    assert status.total.count(ChunkState.DEAD) == 0
    assert status.total.count(ChunkState.WAITING) == 4


def test_an_experiment_that_failed_while_it_was_planned_is_planned_again(
    served: ServedExperiments,
) -> None:
    experiment_id = served.submit()
    register = served.tables.register
    register.move(experiment_id, ExperimentState.PLANNING)
    attempt = register.begin_step(experiment_id, "plan", "host/1")
    register.end_step(experiment_id, "plan", attempt, "The disk is full.")
    register.move(experiment_id, ExperimentState.FAILED, "The disk is full.")
    assert served.client.resume(experiment_id).state is ExperimentState.PLANNING


def test_an_experiment_that_is_over_is_given_more_variants_and_planned_again(
    served: ServedExperiments,
) -> None:
    experiment_id = served.submit()
    new = b", {name: new, configuration: {dedup: {policy: row}}}]"
    more = EXPERIMENT.rstrip().removesuffix(b"]") + new
    with pytest.raises(WrongExperimentState, match="is submitted: it cannot be extended"):
        served.client.extend(experiment_id, more, "trial.yaml")
    for state in (
        ExperimentState.PLANNING,
        ExperimentState.RUNNING,
        ExperimentState.FINISHED,
    ):
        served.tables.register.move(experiment_id, state)
    served.tables.register.note_told(experiment_id, ExperimentState.FINISHED)
    for other in (EXPERIMENT, more.replace(b"seed: ", b"seed: 1")):
        with pytest.raises(WrongExperimentState, match="with further variants"):
            served.client.extend(experiment_id, other, "trial.yaml")
    with pytest.raises(InvalidSpec, match="seed"):
        served.client.extend(experiment_id, THREE_MISTAKES, "trial.yaml")
    assert served.client.extend(experiment_id, more, "trial.yaml").state is (
        ExperimentState.PLANNING
    )
    found = served.tables.register.get(experiment_id)
    assert [one.name for one in found.spec.variants][-1] == "new"
    assert found.told == ""


def test_the_history_has_every_attempt(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    served.plan(experiment_id)
    register = served.tables.register
    failed = register.begin_step(experiment_id, "measure", "host/3")
    register.end_step(experiment_id, "measure", failed, "The disk is full.")
    register.begin_step(experiment_id, "measure", "host/4")
    served.fail_chunk(experiment_id, "control-000", 2)
    history = served.client.read_history(experiment_id)
    assert history.steps == register.steps(experiment_id)
    assert [(one.name, one.attempt, one.error) for one in history.steps] == [
        ("plan", 1, None),
        ("measure", 1, "The disk is full."),
        ("measure", 2, None),
    ]
    assert history.steps[-1].ended_at is None
    queue = served.tables.open_queue(experiment_id)
    assert history.failed_chunks == queue.failed_attempts(100)
    assert [one.error for one in history.failed_chunks] == ["Ranking died."] * 2


def test_an_id_that_no_experiment_has_is_said_so(served: ServedExperiments) -> None:
    client = served.client
    calls: list[Callable[[str], object]] = [
        client.get,
        client.cancel,
        client.pause,
        client.resume,
        client.read_history,
        lambda name: [*client.watch(name)],
    ]
    for call in calls:
        with pytest.raises(ExperimentNotFound, match="There is no experiment 'nobody'"):
            call("nobody")


def test_a_server_that_is_not_there_is_said_so() -> None:
    client = ExperimentClient("127.0.0.1:1")
    calls: list[Callable[[], object]] = [
        lambda: client.get("trial"),
        lambda: [*client.list()],
        lambda: [*client.watch("trial")],
        lambda: client.submit(EXPERIMENT, "trial.yaml", "growth"),
    ]
    for call in calls:
        with pytest.raises(ServerUnreachable, match=r"No server answers .*:1\. Start"):
            call()
    client.close()


def test_a_server_of_something_else_is_said_so() -> None:
    server = start([], ServingOptions())
    client = ExperimentClient(server.address)
    try:
        for call in (client.get, lambda name: [*client.watch(name)]):
            with pytest.raises(ServerUnreachable, match=r"failed with UNIMPLEMENTED.*--server"):
                call("trial")
    finally:
        client.close()
        server.stop(0)


def test_doors_answer_health_and_let_the_register_hear_of_them(
    served: ServedExperiments,
) -> None:
    with grpc.insecure_channel(served.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(service=SERVICE))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    asked_to_stop = threading.Event()
    register = served.tables.register
    serving = threading.Thread(
        target=lambda: serve_doors(
            served.administration, register, "127.0.0.1:0", asked_to_stop
        )
    )
    serving.start()
    while not (heard := register.heard()):
        pass
    asked_to_stop.set()
    serving.join()
    assert [(one.name, one.role) for one in heard] == [(name_process(), "doors")]
    assert heard[0].doing.startswith("serving 127.0.0.1:")
