"""pagesim experiment, against the doors of a server."""

from __future__ import annotations

import getpass
import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest

from experiments.cli.experiment.pace import Pace, Paces, estimate_seconds_left
from experiments.cli.experiment.tables import render_watched
from experiments.cli.experiment.watch import follow
from experiments.cli.terminal import ScreenConsole
from experiments.errors import ExperimentFailed
from experiments.register.states import ExperimentState
from tests.support.commands import (
    Outcome,
    assert_refused,
    check_invoked,
    invoke_pagesim,
)
from tests.support.served_experiments import (
    EXPERIMENT,
    THREE_MISTAKES,
    ServedExperiments,
    serving_experiments,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.pages.simulated_runs import SimulatedRun


@pytest.fixture
def served(simulated_run: SimulatedRun, tmp_path: Path) -> Iterator[ServedExperiments]:
    with serving_experiments(simulated_run.store_url, tmp_path) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_bytes(EXPERIMENT)
    return path


def ask(served: ServedExperiments, *arguments: object) -> Outcome:
    return invoke_pagesim("experiment", *arguments, "--server", served.address)


def check(served: ServedExperiments, *arguments: object) -> Outcome:
    return check_invoked("experiment", *arguments, "--server", served.address)


def lines(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.output.splitlines()]


def finish(served: ServedExperiments, experiment_id: str) -> None:
    served.plan(experiment_id)
    for partition in ("control-000", "popularity-000"):
        served.make_chunk(experiment_id, partition)
        served.make_chunk(experiment_id, partition, failures=3)
    served.move(experiment_id, ExperimentState.FINISHED)


def test_a_file_is_submitted_for_its_owner(served: ServedExperiments, file: Path) -> None:
    experiment_id = check(served, "submit", file, "--owner", "growth").output.strip()
    assert served.tables.register.get(experiment_id).owner == "growth"
    document = check(served, "submit", file, "--json").document
    assert document["owner"] == getpass.getuser()
    assert (document["state"], document["report"]) == ("submitted", None)
    assert document["experiment_id"] != experiment_id


def test_the_environment_may_name_the_server(served: ServedExperiments, file: Path) -> None:
    submitted = invoke_pagesim(
        "experiment", "submit", file, extra={"PAGESIM_SERVER": served.address}
    )
    assert submitted.exit_code == 0
    assert submitted.output.startswith("trial-")


def test_a_file_with_mistakes_is_refused_as_by_a_run(
    served: ServedExperiments, file: Path
) -> None:
    file.write_bytes(THREE_MISTAKES)
    told = ask(served, "submit", file)
    assert_refused(told, "There are 3 mistakes", f"{file}:3: seed", "popularity")
    ran = invoke_pagesim("run", file, "--store", served.settings.store_url)
    assert told.messages.endswith(ran.messages)  # what the server logs comes first
    assert [*served.client.list()] == []


def test_a_file_that_is_not_there_is_refused(served: ServedExperiments, file: Path) -> None:
    file.unlink()
    assert_refused(ask(served, "submit", file), "is not there", "Name an experiment file")


def test_a_file_that_is_too_large_is_refused(served: ServedExperiments, file: Path) -> None:
    file.write_bytes(b"# " + b"x" * (2 << 20))
    assert_refused(ask(served, "submit", file), "larger than 1048576 bytes")


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("status", "x"), ("watch", "x"), ("cancel", "x"), ("history", "x")],
    ids=lambda arguments: arguments[0],
)
def test_without_a_server_it_is_said_how_to_start_one(arguments: tuple[str, ...]) -> None:
    told = invoke_pagesim("experiment", *arguments, "--server", "127.0.0.1:1")
    assert_refused(told, "No server answers at 127.0.0.1:1.", "Start one with `pagesim server`")


def test_an_address_that_is_none_is_refused() -> None:
    told = invoke_pagesim("experiment", "list", "--server", "here")
    assert_refused(told, "--server: 'here' is not an address")


@pytest.mark.parametrize("command", ["status", "watch", "cancel", "pause", "resume", "history"])
def test_an_unknown_id_is_refused_by_every_command(
    served: ServedExperiments, command: str
) -> None:
    told = ask(served, command, "nobody")
    assert_refused(told, "There is no experiment 'nobody'.", "pagesim experiment list")


def test_experiments_that_are_over_are_listed_if_asked_for(served: ServedExperiments) -> None:
    assert "There is none." in check(served, "list").output
    first, second = served.submit(), served.submit()
    finish(served, first)
    told = check(served, "list").output
    assert second in told
    assert first not in told
    told = check(served, "list", "--all").output
    assert told.index(first) < told.index(second)
    for words in ("finished", "48", "growth"):
        assert words in told
    found = check(served, "list", "--all", "--json").document["experiments"]
    assert [one["experiment_id"] for one in found] == [first, second]
    assert (found[0]["pages"], found[0]["failures"]) == (48, 6)


def test_the_status_shows_each_partition(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    served.plan(experiment_id)
    served.make_chunk(experiment_id, "control-000", failures=2)
    told = check(served, "status", experiment_id).output
    for words in (
        f"{experiment_id} of growth",
        "State: running since",
        "10 of 48 pages tried, 2 of them failed.",
        "control-000",
        "popularity-000",
    ):
        assert words in told
    document = check(served, "status", experiment_id, "--json").document
    assert document["partitions"][0] == {
        "partition": "control-000",
        "pages": 24,
        "tried": 10,
        "failures": 2,
        "chunks": {"waiting": 1, "leased": 0, "done": 1, "dead": 0},
    }


def test_an_experiment_is_paused_resumed_and_cancelled(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    assert_refused(
        ask(served, "pause", experiment_id),
        "is submitted: it cannot become paused",
        "Only one that is running can",
    )
    served.plan(experiment_id)
    assert check(served, "pause", experiment_id, "--json").document["state"] == "paused"
    assert "is running." in check(served, "resume", experiment_id).messages
    assert "is cancelling." in check(served, "cancel", experiment_id).messages
    served.move(experiment_id, ExperimentState.CANCELLED)
    assert_refused(ask(served, "resume", experiment_id), "is cancelled: it cannot be resumed")


def test_the_history_shows_attempts_and_errors(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    assert "No step was tried yet." in check(served, "history", experiment_id).output
    served.plan(experiment_id)
    served.tables.register.begin_step(experiment_id, "measure", "host/7")
    served.fail_chunk(experiment_id, "control-000", 1)
    told = check(served, "history", experiment_id).output
    for words in ("plan", "host/7", "goes on", "chunk 0 of control-000, by host/2: Ranking"):
        assert words in told
    document = check(served, "history", experiment_id, "--json").document
    assert [one["name"] for one in document["steps"]] == ["plan", "measure"]
    assert document["failed_chunks"][0]["error"] == "Ranking died."


def test_watching_tells_where_the_report_is(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    finish(served, experiment_id)
    report = served.settings.find_directory(experiment_id) / "report.html"
    assert check(served, "watch", experiment_id).output == (
        f"{experiment_id} is finished; 48 of 48 pages tried, 6 of them failed.\n"
        f"Report: {report}\n"
    )
    (document,) = lines(check(served, "watch", experiment_id, "--json"))
    assert (document["state"], document["report"]) == ("finished", str(report))


def test_watching_fails_if_there_is_no_report(served: ServedExperiments) -> None:
    failed, cancelled = served.submit(), served.submit()
    served.move(failed, ExperimentState.FAILED, reason="The disk is full.")
    told = ask(served, "watch", failed)
    assert told.exit_code == 1
    assert "is failed; 0 of 0 pages tried, 0 of them failed. The disk is full." in told.output
    assert f"pagesim experiment history {failed}" in told.messages
    served.move(cancelled, ExperimentState.CANCELLING, ExperimentState.CANCELLED)
    told = ask(served, "watch", cancelled, "--json")
    assert told.exit_code == 1
    assert lines(told)[-1]["state"] == "cancelled"
    assert "was cancelled" in told.messages


class Terminal(io.StringIO):
    """A screen that takes what is printed."""

    def isatty(self) -> bool:
        """Say that somebody watches."""
        return True


def test_on_a_terminal_an_experiment_is_shown_as_it_goes_on(
    served: ServedExperiments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    experiment_id = served.submit()
    finish(served, experiment_id)
    screen = Terminal()
    with redirect_stdout(screen):
        follow(served.client, experiment_id, as_json=False)
    for words in (experiment_id, "control-000", "pages/s", "report.html", "\x1b["):
        assert words in screen.getvalue()
    failed = served.submit()
    served.move(failed, ExperimentState.FAILED, reason="The disk is full.")
    with redirect_stdout(screen), pytest.raises(ExperimentFailed):
        follow(served.client, failed, as_json=False)
    assert "The disk is full." in screen.getvalue()


def test_of_many_partitions_those_under_way_are_shown(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    served.plan(experiment_id)
    queue = served.tables.open_queue(experiment_id)
    queue.lease("popularity-000", "host/2", 60.0)
    status = served.client.get(experiment_id)
    paces = Paces()
    paces.note(0.0, status)
    served.make_chunk(experiment_id, "control-000")
    status = served.client.get(experiment_id)
    paces.note(4.0, status)
    output = ScreenConsole(width=120)
    with output.capture() as captured:
        output.print(render_watched(status, paces, 5.0, rows=1))
    told = captured.get()
    assert "popularity-000" in told
    assert "control-000" not in told
    assert "1 more partitions are not shown." in told
    assert told.splitlines()[-3].split()[-2:] == ["2.0", "0:00:19"]


def test_the_pace_is_that_of_the_last_minute() -> None:
    pace = Pace()
    assert pace.measure(0.0) == 0.0
    for second in range(0, 100, 10):
        pace.note(second, 1000 if second == 0 else 1000 + 5 * second)
    assert pace.measure(90) == pytest.approx(5.0)
    assert pace.measure(110) == pytest.approx((1450 - 1250) / 60)
    assert pace.measure(10_000) == 0.0


def test_time_left_is_told_where_there_is_a_pace(served: ServedExperiments) -> None:
    experiment_id = served.submit()
    served.plan(experiment_id)
    total = served.client.get(experiment_id).total
    assert estimate_seconds_left(total, 4.0) == 12.0
    assert estimate_seconds_left(total, 0.0) is None
    for partition in ("control-000", "popularity-000") * 2:
        served.make_chunk(experiment_id, partition)
    assert estimate_seconds_left(served.client.get(experiment_id).total, 0.0) == 0.0
