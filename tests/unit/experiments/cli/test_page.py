"""pagesim page show: what it refuses before it starts anything, and what it shows of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.moments import format_moment
from experiments.runs.run_record import RunRecord, RunState, write_record
from tests.support.commands import invoke_pagesim
from tests.support.pages.page_worlds import DAY, START
from tests.support.pages.simulated_runs import EXPERIMENT, OVERLAYS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.commands import Outcome
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.facts.model import JsonValue

PROFILE = 1000


def show(run: SimulatedRun, *arguments: object, **environment: str) -> Outcome:
    return invoke_pagesim(
        *("page", "show", *arguments, "--store", run.store_url), extra=environment
    )


@pytest.fixture(scope="module")
def directory(simulated_run: SimulatedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with a record of what it was."""
    directory = tmp_path_factory.mktemp("recorded")
    for table in ("pages", "rows"):
        (directory / table).symlink_to(simulated_run.directory / table)
    variants: list[JsonValue] = [
        {"name": name, "description": "", "configuration": dict(overlay)}
        for name, overlay in OVERLAYS.items()
    ]
    scope = {"source": "logged_pages", "window": None, "profiles": 12, "pages_per_profile": 2}
    record = RunRecord(
        experiment={
            "experiment": EXPERIMENT,
            "seed": 5,
            "scope": {**scope, "strata": ["country"]},
            "variants": variants,
        },
        store=simulated_run.store_url,
        snapshot=simulated_run.snapshot,
        version="1",
        started_at="2024-05-06T07:08:09Z",
        state=RunState.FINISHED,
    )
    write_record(directory, record)
    return directory


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((999_999,), ["knows no profile 999999", "e.g. 1000"]),
        ((999_999, "--at", format_moment(START + 9 * DAY)), ["knows no profile 999999"]),
        ((PROFILE, "--at", "1970-01-02"), ["not known at 1970-01-02", "first logged page"]),
        ((PROFILE, "--at", "yesterday"), ["'yesterday' is not a moment", "--at"]),
    ],
    ids=["nobody", "nobody at a moment", "before all that was lived", "no moment"],
)
def test_a_page_that_cannot_be_is_refused_before_anything_starts(
    simulated_run: SimulatedRun, arguments: tuple[object, ...], words: list[str]
) -> None:
    outcome = show(simulated_run, *arguments)
    assert outcome.exit_code == 1
    assert outcome.output == ""
    assert outcome.messages.startswith("error: ")
    for word in words:
        assert word in outcome.messages


def test_a_device_is_refused_for_a_page_that_a_run_has_made(
    simulated_run: SimulatedRun, directory: Path
) -> None:
    outcome = show(simulated_run, PROFILE, "--run", directory, "--device", "tv")
    assert outcome.exit_code == 2
    assert "--device is of a simulated page" in outcome.messages


@pytest.mark.parametrize("columns", [80, 120])
def test_a_page_of_a_run_fits_the_terminal_and_says_whose_it_is(
    simulated_run: SimulatedRun, directory: Path, columns: int
) -> None:
    outcome = show(
        *(simulated_run, PROFILE, "--run", directory),
        *("--variant", "control", "--variant", "diversity"),
        COLUMNS=str(columns),
    )
    assert outcome.exit_code == 0, outcome.messages
    heading, *lines = outcome.output.splitlines()
    assert heading.startswith(f"Profile {PROFILE} at ")
    assert max(map(len, lines)) <= columns
    assert "The same as logged" in outcome.output
    assert "control equals the logged page, byte for byte." in outcome.output
    assert "\x1b[" not in outcome.output
