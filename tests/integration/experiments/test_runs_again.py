"""A run pinned to a snapshot can be repeated, whatever has become of the store since."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from experiments.runs.run_record import RunState, read_record
from tests.support.commands import check_invoked, check_pagesim, invoke_pagesim
from tests.support.facts.corrections import EVER, SHARE, have_second_thoughts
from tests.support.facts.upkeep import own_database
from timetravel.facts.model import FactKind
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.long]

CUTOFF = "2024-01-11"
EXPERIMENT = f"""
experiment: again-and-again
seed: 11
scope:
  source: logged_pages
  window: {{since: {CUTOFF}, until: 2024-01-21}}
  profiles: 20
  pages_per_profile: 3
  strata: [country]
slices: 2
variants:
  - name: control
  - name: popular-first
    configuration: {{ranking: {{model: popularity}}}}
"""


@dataclass(frozen=True)
class Repeated:
    """An experiment on a store of which a tenth was corrected and some was let go."""

    directory: Path
    store: str
    snapshot: int
    before: dict[FactKind, int]
    changed: dict[FactKind, int]
    appended: dict[FactKind, int]
    removed: dict[str, int]

    def run(self, name: str, *options: object) -> Path:
        """Run the experiment once more; return its directory."""
        run_experiment(self.directory, self.store, name, *options)
        return self.directory / name


def run_experiment(directory: Path, store: str, name: str, *options: object) -> None:
    options = ("--segments", directory / f"{name}-segments", *options)
    check_pagesim(
        *("run", directory / "experiment.yaml", "--store", store),
        *("--output", directory / name, *options),
    )


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)],
)
def repeated(
    request: pytest.FixtureRequest, lived_store: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Repeated]:
    directory: Path = tmp_path_factory.mktemp("repeated")
    (directory / "experiment.yaml").write_text(EXPERIMENT)
    lived = Path(lived_store.removeprefix("sqlite:///"))
    if request.param == "sqlite":
        shutil.copy(lived, directory / "store.db")
        yield change_after_a_run(directory, f"sqlite:///{directory / 'store.db'}")
        return
    with own_database() as url:
        check_invoked("db", "upgrade", "--store", url)
        check_invoked("world", "live", "--world", lived.with_name("world"), "--store", url)
        yield change_after_a_run(directory, url)


def change_after_a_run(directory: Path, url: str) -> Repeated:
    run_experiment(directory, url, "first")
    before = count_versions(url)
    with Store.open(url) as store:
        changed = have_second_thoughts(store, seed=5)
    after = count_versions(url)
    let_go = check_pagesim("db", "retain", "--store", url, "--before", CUTOFF, "--json")
    return Repeated(
        directory,
        url,
        read_record(directory / "first").snapshot,
        before,
        dict(changed),
        {kind: after[kind] - count for kind, count in before.items()},
        let_go.document["removed"],
    )


def count_versions(url: str) -> dict[FactKind, int]:
    counts: dict[FactKind, int] = {}
    with Store.open(url) as store:
        for change in store.ledger().changed_facts(EVER):
            counts[change.version.kind] = counts.get(change.version.kind, 0) + 1
    return counts


def files(run: Path, *tables: str) -> dict[str, bytes]:
    """Return what is in the Parquet files of a finished run, by path."""
    assert read_record(run).state is RunState.FINISHED
    found = {
        str(path.relative_to(run)): path.read_bytes()
        for table in tables
        for path in sorted((run / table).rglob("*.parquet"))
    }
    assert len(found) >= len(tables)
    return found


def test_a_tenth_of_every_kind_of_fact_has_changed_and_some_was_let_go(
    repeated: Repeated,
) -> None:
    assert set(repeated.appended) >= {
        *(FactKind.FEATURES, FactKind.ATTRIBUTE, FactKind.EVENT),
        *(FactKind.AVAILABILITY, FactKind.DOCUMENT, FactKind.LOGGED_PAGE),
    }
    assert repeated.appended == repeated.changed
    for kind, count in repeated.appended.items():
        assert count >= SHARE * repeated.before[kind]
    assert repeated.removed["feature_fact"] > 0


@pytest.mark.parametrize("segments", ["new", "first"])
def test_a_run_on_its_snapshot_makes_the_same_bytes(repeated: Repeated, segments: str) -> None:
    folder = repeated.directory / f"{segments}-segments"
    again = repeated.run(
        f"again-{segments}", "--snapshot", repeated.snapshot, "--segments", folder
    )
    assert read_record(again).snapshot == repeated.snapshot
    tables = ("pages", "rows", "results")
    assert files(again, *tables) == files(repeated.directory / "first", *tables)


def test_a_run_on_the_newest_snapshot_makes_other_pages(repeated: Repeated) -> None:
    newest = repeated.run("newest")
    assert read_record(newest).snapshot > repeated.snapshot
    assert files(newest, "rows") != files(repeated.directory / "first", "rows")


def test_a_snapshot_that_is_not_there_or_was_let_go_is_refused(repeated: Repeated) -> None:
    newest = read_newest(repeated.store)
    for wanted, words in (
        (newest + 1, f"There is no snapshot {newest + 1}"),
        (0, "There is no snapshot 0"),
    ):
        refused = invoke_pagesim(
            *("run", repeated.directory / "experiment.yaml", "--store", repeated.store),
            *("--output", repeated.directory / "refused", "--snapshot", wanted),
        )
        assert refused.exit_code == 1
        assert words in refused.messages
    early = invoke_pagesim(
        *("run", repeated.directory / "experiment.yaml", "--store", repeated.store),
        *("--output", repeated.directory / "refused", "--snapshot", repeated.snapshot - 1),
    )
    assert early.exit_code == 1
    assert f"this is snapshot {repeated.snapshot - 1}" in early.messages
    assert not (repeated.directory / "refused").exists()


def read_newest(url: str) -> int:
    with Store.open(url) as store:
        return store.snapshot()
