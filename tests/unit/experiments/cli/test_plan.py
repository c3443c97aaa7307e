"""pagesim plan and pagesim run --dry-run: what they show, refuse, and leave alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds
import pytest
import yaml

from tests.support.commands import assert_refused, check_invoked, invoke_pagesim
from tests.support.pages.simulated_runs import OVERLAYS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.pages.simulated_runs import SimulatedRun

NO_PHONES = {"name": "no-phones", "configuration": {"geometry": {"devices": {"phone": None}}}}


@pytest.fixture
def write_experiment(tmp_path: Path) -> Callable[..., Path]:
    """Write the experiment of the simulated run, changed, and return where it is."""

    def write(**changes: object) -> Path:
        document: dict[str, object] = {
            "experiment": "trial",
            "seed": 5,
            "scope": {
                "source": "logged_pages",
                "profiles": 12,
                "pages_per_profile": 2,
                "strata": ["country"],
            },
            "slices": 2,
            "variants": [
                {"name": name, "configuration": dict(overlay)}
                for name, overlay in OVERLAYS.items()
            ],
            **changes,
        }
        path = tmp_path / "experiment.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    return write


def contents(directory: Path) -> dict[str, bytes]:
    """Return every file below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_plan_tells_what_would_be_made_and_what_it_takes(
    simulated_run: SimulatedRun, tmp_path: Path, write_experiment: Callable[..., Path]
) -> None:
    file, segments = write_experiment(), tmp_path / "segments"
    options = (file, "--store", simulated_run.store_url, "--segments", segments)
    document = check_invoked("plan", *options, "--json").document
    assert (document["profiles"], document["pages_per_variant"], document["pages"]) == (
        *(12, 24),
        72,
    )
    assert (document["slices"], document["partitions"], document["stacks_at_a_time"]) == (
        *(2, 6),
        2,
    )
    assert (document["chunks_per_variant"], document["batches_per_variant"]) == (2, 2)
    *strata, everybody = document["strata"]
    assert sum(one["population"] for one in strata) == everybody["population"] == 12
    assert sum(one["pages"] for one in strata) == everybody["pages"] == 24
    assert {one["size"] for one in document["strata"]} <= {"few", "too few"}
    control, popularity, _ = document["variants"]
    assert control["own_services"] == []
    assert popularity["own_services"] == ["pagesim.ranking.v1.RankingService"]
    assert len(popularity["baseline_services"]) == 4
    assert control["sample"] == {"pages": 24, "made": 24, "failed": 0, "reasons": {}}
    assert all(one["cpu_micros_per_page"] > 0 for one in document["variants"])
    cost = document["cost"]
    assert 0 < cost["least_seconds"] <= cost["most_seconds"] <= cost["cpu_seconds"]
    assert cost["cores"] == len(os.sched_getaffinity(0))
    assert any("docs/measurements.md" in text for text in cost["assumptions"])
    # The facts are there for the run; the run itself is not.
    assert {path.name for path in tmp_path.iterdir()} == {file.name, segments.name}


def test_a_plan_shows_all_of_it_to_people(
    simulated_run: SimulatedRun, tmp_path: Path, write_experiment: Callable[..., Path]
) -> None:
    file = write_experiment(variants=[{"name": "control"}, NO_PHONES])
    options = (file, "--store", simulated_run.store_url, "--segments", tmp_path / "segments")
    told = check_invoked("plan", *options).output
    for words in (
        "24 pages of 12 profiles for each of 2 variants: 48 in all",
        *("country=US", "everybody", "in the population"),
        "few: less than 30 members",
        *("no-phones", "assembler", "The baseline has timetravel, filtering, ranking"),
        "failed because of INVALID_ARGUMENT: devices: 'phone' is not a device",
        "no-phones: a run ends when less than 95.0% can be made (limits.page_yield)",
        "4 partitions of 2 slices of time, 2 stacks at a time",
        *("s of CPU", "from start to report", "This rests on:", "docs/measurements.md"),
    ):
        assert words in told
    assert "control: " not in told


@pytest.mark.parametrize("command", [("plan",), ("run", "--dry-run", 3)])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"seed": "minus one", "scope": {"profiles": 0}, "variants": []},
            ("experiment.yaml:2", "seed", "profiles", "variants"),
        ),
        (
            {
                "scope": {"source": "logged_pages", "profiles": 2, "strata": ["contry"]},
                "variants": [
                    {"name": "control"},
                    {"name": "b", "configuration": {"ranking": {"model": "populrity"}}},
                ],
            },
            ("'contry'", "'country'?", "'populrity'"),
        ),
        ({"scope": {"source": "logged_pages", "profiles": 13}}, ("13 profiles", "at most 12")),
        ({"owners": [{"name": "Growth", "channels": ["chat"]}]}, ("PAGESIM_CHANNEL_CHAT",)),
    ],
    ids=["mistakes", "names", "profiles", "channels"],
)
def test_what_a_run_refuses_is_refused_in_the_same_words(
    simulated_run: SimulatedRun,
    tmp_path: Path,
    write_experiment: Callable[..., Path],
    command: tuple[object, ...],
    changes: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    name, *options = command
    file = write_experiment(**changes)
    asked = (file, "--store", simulated_run.store_url, "--segments", tmp_path / "segments")
    outcome = invoke_pagesim(name, *asked, *options)
    assert_refused(outcome, *words)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    ran = invoke_pagesim("run", *asked, "--output", tmp_path / "run")
    refusal = ran.messages[ran.messages.index("error:") :]
    assert outcome.messages.endswith(refusal)
    assert not (tmp_path / "run").exists()


def test_a_snapshot_that_there_is_not_cannot_be_planned(
    simulated_run: SimulatedRun, write_experiment: Callable[..., Path]
) -> None:
    outcome = invoke_pagesim(
        *("plan", write_experiment(), "--store", simulated_run.store_url),
        *("--snapshot", simulated_run.snapshot + 1),
    )
    assert_refused(outcome, f"There is no snapshot {simulated_run.snapshot + 1}", "--snapshot")


def test_a_store_that_is_not_there_cannot_be_planned_on(
    tmp_path: Path, write_experiment: Callable[..., Path]
) -> None:
    outcome = invoke_pagesim(
        "plan", write_experiment(), "--store", f"sqlite:///{tmp_path / 'none.db'}"
    )
    assert_refused(outcome, "pagesim db upgrade --store")


def test_a_dry_run_makes_the_pages_of_the_run_and_writes_nothing(
    simulated_run: SimulatedRun,
    tmp_path: Path,
    write_experiment: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = write_experiment()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = contents(tmp_path), contents(simulated_run.directory)
    options = ("run", file, "--store", simulated_run.store_url, "--dry-run", 10)
    document = check_invoked(*options, "--json").document
    told = check_invoked(*options).output
    assert (contents(tmp_path), contents(simulated_run.directory)) == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]

    pages = ds.dataset(simulated_run.directory / "pages", partitioning="hive").to_table()
    written = {
        (one["variant"], one["page_id"]): one["page_digest"] for one in pages.to_pylist()
    }
    names = document["page_ids"]
    assert len({*names}) == 10
    control, *treatments = document["variants"]
    assert control["differing"] == 0
    for one in document["variants"]:
        assert one["page_digests"] == [written[one["variant"], name] for name in names]
        assert (one["made"], one["failed"], one["compared"]) == (10, 0, 10)
    for one in treatments:
        changed = zip(one["page_digests"], control["page_digests"], strict=True)
        assert one["differing"] == sum(own != other for own, other in changed) > 0
        assert f"{one['differing']} of 10" in told
    assert "10 of the 24 pages of each variant" in told


def test_a_dry_run_tells_which_pages_cannot_be_made_and_why(
    simulated_run: SimulatedRun, write_experiment: Callable[..., Path]
) -> None:
    file = write_experiment(variants=[{"name": "control"}, NO_PHONES])
    options = ("run", file, "--store", simulated_run.store_url, "--dry-run", 1000)
    document = check_invoked(*options, "--json").document
    _, treatment = document["variants"]
    assert treatment["pages"] == 24
    assert treatment["made"] == treatment["compared"] == 24 - treatment["failed"]
    ((reason, count),) = treatment["reasons"].items()
    assert "'phone' is not a device" in reason
    assert count == treatment["failed"] > 0
    told = check_invoked(*options).output
    assert f"no-phones: {count} failed because of {reason}" in told
    assert "limits.page_yield" in told


@pytest.mark.parametrize("option", ["--output", "--tls"])
def test_a_dry_run_takes_no_option_of_a_run_that_is_made(
    simulated_run: SimulatedRun,
    tmp_path: Path,
    write_experiment: Callable[..., Path],
    option: str,
) -> None:
    outcome = invoke_pagesim(
        *("run", write_experiment(), "--store", simulated_run.store_url),
        *("--dry-run", 3, option, tmp_path / "given"),
    )
    assert (outcome.exit_code, outcome.output) == (2, "")
    assert f"{option} is of a run that is made" in outcome.messages
    assert not (tmp_path / "given").exists()


@pytest.mark.parametrize("count", ["0", "-1", "some"])
def test_a_dry_run_makes_a_page_at_least(
    write_experiment: Callable[..., Path], count: str
) -> None:
    outcome = invoke_pagesim("run", write_experiment(), "--dry-run", count)
    assert outcome.exit_code == 2
    assert "--dry-run" in outcome.messages
