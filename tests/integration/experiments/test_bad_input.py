"""Bad input: one clear message, a non-zero exit, and nothing half-written."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import (
    assert_refused,
    check_invoked,
    invoke_pagesim,
    run_pagesim,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


pytestmark = pytest.mark.integration


def test_a_broken_experiment_file_is_told_with_lines_and_all_mistakes_at_once(
    lived_store: str, tmp_path: Path
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("experiment: x\nseed: minus one\nscope: {profiles: 0}\nvariants: []\n")
    outcome = run_pagesim("run", path, "--store", lived_store, "--output", tmp_path / "run")
    assert_refused(outcome, "broken.yaml:2", "seed", "broken.yaml:3", "profiles", "variants")
    assert not (tmp_path / "run").exists()


def test_names_that_the_store_does_not_have_are_told_before_anything_starts(
    lived_store: str, tmp_path: Path, write_experiment: Callable[..., Path]
) -> None:
    scope = {"source": "logged_pages", "profiles": 12, "strata": ["contry"]}
    treatment = {"name": "other", "configuration": {"ranking": {"model": "populrity"}}}
    path = write_experiment(scope=scope, variants=[{"name": "control"}, treatment])
    outcome = invoke_pagesim("run", path, "--store", lived_store, "--output", tmp_path / "run")
    assert_refused(
        outcome,
        *("experiment.yaml:7: scope.strata[0]", "'contry'", "country, device", "'country'?"),
        *("experiment.yaml:14: variants[1]", "'populrity'", "personal, popularity", "larity'?"),
    )
    assert not (tmp_path / "run").exists()


def test_a_policy_that_there_is_not_is_told_before_anything_starts(
    lived_store: str, tmp_path: Path, write_experiment: Callable[..., Path]
) -> None:
    treatment = {"name": "other", "configuration": {"dedup": {"policy": "pages"}}}
    path = write_experiment(variants=[{"name": "control"}, treatment])
    outcome = invoke_pagesim("run", path, "--store", lived_store, "--output", tmp_path / "run")
    assert_refused(outcome, "dedup.policy", "none, row, viewport, page", "'page'?")
    assert not (tmp_path / "run").exists()


def test_an_experiment_file_that_is_not_there_is_named(
    tmp_path: Path, lived_store: str
) -> None:
    outcome = invoke_pagesim("run", tmp_path / "missing.yaml", "--store", lived_store)
    assert_refused(outcome, "missing.yaml")


def test_a_missing_data_folder_is_named(tmp_path: Path) -> None:
    world = tmp_path / "world"
    outcome = invoke_pagesim("import", "movielens", tmp_path / "nowhere", "--world", world)
    assert_refused(outcome, "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_csv_is_told_with_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "movies.csv").write_text("movieId,title,genres\n1,Toy Story (1995),Comedy\n")
    (source / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,1,3.5"
    )
    outcome = run_pagesim("import", "movielens", source, "--world", tmp_path / "world")
    assert_refused(outcome, "ratings.csv", "3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_a_port_in_use_is_named(lived_store: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = run_pagesim(
            *("serve", "--store", lived_store, "--as-of", "2024-01-15", "--address", address)
        )
    assert_refused(outcome, address)


def test_a_service_started_by_hand_on_a_port_in_use_says_so(lived_store: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = run_pagesim(
            *("services", "time-travel", "--store", lived_store, "--address", address)
        )
    assert outcome.exit_code == 1
    assert address in outcome.messages
    assert "Traceback" not in outcome.messages


@pytest.mark.parametrize(
    "command",
    [
        ("validate",),
        ("page", "show", "1"),
        ("serve", "--as-of", "2024-01-15"),
        ("run", "examples/demo.yaml"),
    ],
)
def test_a_store_that_is_not_there_is_refused_with_the_command_that_makes_it(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = invoke_pagesim(*command, "--store", f"sqlite:///{tmp_path / 'none.db'}")
    assert_refused(outcome, "pagesim db upgrade --store")
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_its_migrations_is_refused_with_the_command_that_runs_them(
    tmp_path: Path, write_experiment: Callable[..., Path]
) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    experiment = write_experiment()
    outcome = invoke_pagesim(
        *("run", experiment, "--store", f"sqlite:///{path}", "--output", tmp_path / "run")
    )
    assert_refused(outcome, "pagesim db upgrade --store")
    assert not (tmp_path / "run").exists()


def test_a_store_without_logged_pages_is_refused_before_anything_starts(
    tmp_path: Path, write_experiment: Callable[..., Path]
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    check_invoked("db", "upgrade", "--store", url)
    outcome = invoke_pagesim(
        *("run", write_experiment(), "--store", url, "--output", tmp_path / "run")
    )
    assert_refused(outcome, "no logged page", "world live")
    assert not (tmp_path / "run").exists()


def test_more_profiles_than_there_are_is_refused_with_their_number(
    lived_store: str, tmp_path: Path, write_experiment: Callable[..., Path]
) -> None:
    experiment = write_experiment(scope={"source": "logged_pages", "profiles": 5_000})
    outcome = invoke_pagesim(
        *("run", experiment, "--store", lived_store, "--output", tmp_path / "run")
    )
    assert_refused(outcome, "scope.profiles", "5000", "at most")
    assert not (tmp_path / "run").exists()


def test_a_wrong_command_line_exits_with_2() -> None:
    for arguments in (("rum",), ("run",), ("validate", "--profiles", "none"), ("services",)):
        outcome = invoke_pagesim(*arguments)
        assert outcome.exit_code == 2, arguments
        assert "Traceback" not in outcome.messages
    of_a_process = run_pagesim("rum")
    assert of_a_process.exit_code == 2
    assert "Traceback" not in of_a_process.messages
