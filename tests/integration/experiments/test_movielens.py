"""The claim of pagesim, on real data: the simulation is the live system."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.moments import parse_moment
from tests.support.commands import check_pagesim, run_pagesim
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
)
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from timetravel.facts.model import Fact

pytestmark = [pytest.mark.integration, pytest.mark.movielens, pytest.mark.long]

BELOW_THRESHOLD = 3
KNOWN_NOW = parse_moment("2020-01-01")
PROFILES = ("--profiles", 100, "--seed", 5, "--json")


@pytest.fixture(scope="session")
def store_path(movielens_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MovieLens from 1996 to 2018, lived forward."""
    directory = tmp_path_factory.mktemp("movielens")
    world, store = directory / "world", directory / "store.db"
    check_pagesim("import", "movielens", movielens_source, "--world", world)
    check_pagesim("db", "upgrade", "--store", f"sqlite:///{store}")
    report = check_pagesim(
        "world", "live", "--world", world, "--store", f"sqlite:///{store}", "--json"
    ).document
    assert report["pages"] > 9_000
    return store


@pytest.fixture(scope="session")
def corrected_path(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same store after 1% of its facts was corrected, or arrived, in 2020."""
    path = tmp_path_factory.mktemp("corrected") / "store.db"
    shutil.copy(store_path, path)
    with Store.open(f"sqlite:///{path}") as store, store.begin(KNOWN_NOW) as writer:
        before = sum(
            store.count_facts()[kind] for kind in ("events", "attributes", "availability")
        )
        facts = list(_late_facts(store_path))
        assert len(facts) >= before // 100
        writer.append(facts, source="test:corrections", synthetic=True)
    return path


def _late_facts(path: Path) -> Iterator[Fact]:
    """Yield a correction of every hundredth fact, and as many that arrive late."""
    with sqlite3.connect(path) as connection:
        for event_id, profile, at, video in connection.execute(
            "SELECT event_id, profile_id, event_at, video_id FROM event_fact"
        ).fetchall()[::100]:
            yield EventFact(event_id, profile, at, EventKind.RATING, video, 0.5, KNOWN_NOW)
            yield EventFact(
                f"late:{event_id}", profile, at + 1, EventKind.RATING, video + 1, 5.0, KNOWN_NOW
            )
        for window, video, country, since, until in connection.execute(
            "SELECT window_id, video_id, country, valid_from, valid_to FROM availability_fact"
        ).fetchall()[::100]:
            middle = (since + until) // 2
            yield AvailabilityFact(window, video, country, since, middle, KNOWN_NOW)
        for video, since in connection.execute(
            "SELECT entity_id, valid_from FROM attribute_fact"
            " WHERE kind = 2 AND name = 'maturity'"
        ).fetchall()[::20]:
            yield AttributeFact(EntityKind.VIDEO, video, "maturity", since, KNOWN_NOW, 18)
        for group, entity, since, vector in connection.execute(
            "SELECT name, entity_id, valid_from, vector FROM feature_fact"
            " JOIN feature_group USING (group_id, schema_version) WHERE vector IS NOT NULL"
        ).fetchall()[::100]:
            halved = (np.frombuffer(vector, "<f4") / 2).astype(np.float32)
            yield FeatureFact(group, entity, since, KNOWN_NOW, halved)


def _validate(path: Path, *arguments: object) -> tuple[int, dict[str, Any]]:
    outcome = run_pagesim("validate", "--store", f"sqlite:///{path}", *PROFILES, *arguments)
    assert outcome.exit_code in {0, BELOW_THRESHOLD}, outcome.messages
    return outcome.exit_code, outcome.document


def test_control_equals_every_logged_page_and_every_logged_feature(store_path: Path) -> None:
    exit_code, result = _validate(store_path)
    assert exit_code == 0
    assert result["pages"] > 500
    assert result["identical_pages"] == result["pages"]
    assert result["values"] > 100_000
    assert result["identical_values"] == result["values"]
    assert result["future_reads"] == 0


def test_corrections_that_came_later_change_no_page_of_the_past(corrected_path: Path) -> None:
    exit_code, result = _validate(corrected_path)
    assert exit_code == 0
    assert result["identical_pages"] == result["pages"] > 500
    assert result["identical_values"] == result["values"]


def test_pages_as_known_now_differ_from_those_that_were_shown(corrected_path: Path) -> None:
    exit_code, result = _validate(corrected_path, "--known-by", "now")
    assert exit_code == BELOW_THRESHOLD
    assert result["identical_pages"] < result["pages"]


def test_an_experiment_runs_over_500_profiles_and_three_variants(
    store_path: Path, tmp_path: Path
) -> None:
    result = check_pagesim(
        "run",
        "examples/movielens.yaml",
        *("--store", f"sqlite:///{store_path}", "--output", tmp_path / "run", "--json"),
    ).document
    assert result["pages"] == 3 * 600
    assert result["failures"] == 0
    fidelity = [
        record
        for record in result["metrics"]
        if (record["variant"], record["reference"]) == ("control", "logged")
        and (record["metric"], record["stratum"]) == ("identical_pages", "all")
    ]
    assert [record["mean"] for record in fidelity] == [1.0]
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
