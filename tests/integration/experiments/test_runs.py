"""Runs: what they change, what they leave, over TLS too, and what a kill leaves of them."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml

from core.moments import parse_moment
from experiments.queue.schema import ChunkState
from experiments.runs.status import read_status
from services.page.inputs import BLOCKED_GENRES
from tests.support.commands import check_invoked, check_pagesim, invoke_pagesim, start_pagesim
from tests.support.listeners import Mailbox, Webhook, mail_server, webhook_server
from tests.support.mesh.processes import descendants, wait_gone
from timetravel.facts.model import AttributeFact, EntityKind
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.integration


EXPERIMENT = """
experiment: three-ways
seed: 11
scope: {source: logged_pages, profiles: 20, pages_per_profile: 3, strata: [country, device]}
slices: 2
variants:
  - name: control
  - name: no-dedup
    configuration: {dedup: {policy: none}}
"""
OTHER_VARIANTS = """
  - name: again
  - name: popular-first
    configuration: {ranking: {model: popularity}}
"""


OWNERS = """
owners:
  - {name: Growth, channels: [growth@example.com, chat]}
"""
PATH_OF_HOOK = "t0k3n-of-the-hook"


def read(directory: Path, table: str) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each variant, in order."""
    records = ds.dataset(directory / table, partitioning="hive").to_table().to_pylist()
    by_variant: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_variant.setdefault(record["variant"], []).append(record)
    for own in by_variant.values():
        own.sort(key=lambda record: (record["page_id"], record.get("row_index", 0)))
    return by_variant


def page_files(directory: Path, variants: Sequence[str]) -> dict[str, bytes]:
    """Return the files with the pages of some variants, by their path in the run."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for variant in variants
        for path in (directory / "pages").rglob(f"variant={variant}/**/*.parquet")
    }


def files_of_done_chunks(run: Path) -> list[Path]:
    """Return the files of partitions of a run, each one chunk, that are done."""
    if not (run / "run.json").is_file():
        return []
    status = read_status(run, lambda: datetime.now(UTC))
    done = {one.partition for one in status.partitions if one.count(ChunkState.DONE)}
    return [
        path
        for path in run.glob("pages/*/variant=*/partition=*/*.parquet")
        if "-".join(part.partition("=")[2] for part in path.parts[-3:-1]) in done
    ]


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as opened:
        yield opened


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with webhook_server(failures=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def finished(
    lived_store: str,
    mailbox: Mailbox,
    webhook: Webhook,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run of control against itself, another ranker, and another dedup, with owners."""
    directory = tmp_path_factory.mktemp("finished")
    experiment = directory / "experiment.yaml"
    experiment.write_text(EXPERIMENT + OTHER_VARIANTS + OWNERS)
    check_pagesim(
        *("run", experiment, "--store", lived_store, "--output", directory / "run"),
        extra={
            "PAGESIM_MAIL": f"mailto://{mailbox.address}?from=pagesim@example.com",
            "PAGESIM_CHANNEL_CHAT": f"json://{webhook.address}/{PATH_OF_HOOK}",
        },
    )
    return directory / "run"


def test_a_dry_run_makes_the_pages_that_the_run_has_made(
    finished: Path, lived_store: str, tmp_path: Path
) -> None:
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(EXPERIMENT + OTHER_VARIANTS)
    document = check_invoked(
        *("run", experiment, "--store", lived_store, "--dry-run", 15, "--json")
    ).document
    digests = {
        (variant, one["page_id"]): one["page_digest"]
        for variant, own in read(finished, "pages").items()
        for one in own
    }
    assert len(document["page_ids"]) == 15
    for one in document["variants"]:
        assert one["page_digests"] == [
            digests[one["variant"], page_id] for page_id in document["page_ids"]
        ]
    differing = {one["variant"]: one["differing"] for one in document["variants"]}
    assert differing["again"] == 0 < differing["popular-first"]


def test_control_against_control_gives_the_same_bytes(finished: Path) -> None:
    pages = read(finished, "pages")
    digests = {
        variant: [(one["page_id"], one["page_digest"]) for one in own]
        for variant, own in pages.items()
    }
    assert digests["again"] == digests["control"]
    rows = read(finished, "rows")
    ignored = {"variant"}
    for one, other in zip(rows["control"], rows["again"], strict=True):
        assert {k: v for k, v in one.items() if k not in ignored} == {
            k: v for k, v in other.items() if k not in ignored
        }


def test_every_variant_makes_the_same_pages_of_the_same_profiles(finished: Path) -> None:
    asked = {
        variant: [(one["page_id"], one["device"], one["stratum"]) for one in own]
        for variant, own in read(finished, "pages").items()
    }
    assert len(asked["control"]) > 20
    assert all(own == asked["control"] for own in asked.values())


def test_a_treatment_changes_pages_only_where_it_should(finished: Path) -> None:
    rows = read(finished, "rows")
    given = {"continue_watching", "my_list", "top_ten", "trending", "new", "popular"}
    control = {(one["page_id"], one["row_id"]): one for one in rows["control"]}
    shared = [
        (control[one["page_id"], one["row_id"]], one)
        for one in rows["no-dedup"]
        if (one["page_id"], one["row_id"]) in control
    ]
    assert shared
    # Without dedup a row keeps its first choices; with it, some have moved up from behind.
    for before, after in shared:
        if before["row_type"] in given:
            kept = [video for video in before["videos"] if video in set(after["videos"])]
            assert kept == [video for video in after["videos"] if video in set(kept)]
    assert any(before["videos"] != after["videos"] for before, after in shared)
    digests = {
        variant: [one["page_digest"] for one in own]
        for variant, own in read(finished, "pages").items()
    }
    assert digests["popular-first"] != digests["control"]


def test_no_page_has_used_the_future(finished: Path) -> None:
    for own in read(finished, "pages").values():
        assert all(one["newest_known_at"] <= one["as_of"] for one in own)


def test_a_run_says_what_it_was_and_leaves_no_process(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert record["state"] == "finished"
    assert len(record["partitions"]) == 4 * 2
    assert record["failures"] == 0
    assert not list(finished.rglob("*.unfinished"))
    for path in (finished / "results" / "metrics.parquet", finished / "report.html"):
        assert path.stat().st_size > 1_000


def test_what_a_run_found_is_weighed_by_whom_it_could_draw(finished: Path) -> None:
    population = json.loads((finished / "run.json").read_text())["population"]
    drawn = {page["stratum"] for page in read(finished, "pages")["control"]}
    assert drawn & population.keys()
    assert sum(population.values()) >= 20
    normalised = pq.read_table(finished / "results" / "metrics_normalised.parquet").to_pylist()
    again = [
        record["reweighted"]
        for record in normalised
        if (record["variant"], record["stratum"]) == ("again", "all")
    ]
    assert again
    assert set(again) == {0.0}


def test_the_pages_of_a_run_are_measured_again_to_the_same_results(
    finished: Path, lived_store: str, tmp_path: Path
) -> None:
    copied = shutil.copytree(finished, tmp_path / "run", ignore=shutil.ignore_patterns("logs"))
    shutil.rmtree(copied / "results")
    (copied / "report.html").unlink()
    told = check_invoked("metrics", copied, "--store", lived_store, "--json").document
    results = {path.name: path.read_bytes() for path in (finished / "results").iterdir()}
    assert {path.name: path.read_bytes() for path in (copied / "results").iterdir()} == results
    assert told["metrics"] == pq.read_table(copied / "results/metrics.parquet").to_pylist()
    assert (copied / "report.html").read_bytes() == (finished / "report.html").read_bytes()

    other = invoke_pagesim("metrics", copied, "--store", f"sqlite:///{tmp_path / 'no.db'}")
    assert other.exit_code == 1
    shutil.rmtree(copied / "pages")
    empty = invoke_pagesim("metrics", copied, "--store", lived_store)
    assert "holds no page of control" in empty.messages


def test_the_owners_of_a_run_are_told_of_its_start_and_end(
    finished: Path, mailbox: Mailbox, webhook: Webhook
) -> None:
    assert webhook.refused == 1
    start, end = (posted["message"] for posted in webhook.posted)
    assert "three-ways" in start
    assert str(finished / "report.html") in end
    mails = [mail.get_body().get_content() for mail in mailbox.mails["growth@example.com"]]  # type: ignore[union-attr]
    assert len(mails) == 2
    assert "Growth" in mails[0]
    written = [path for path in finished.rglob("*") if path.is_file()]
    assert not any(PATH_OF_HOOK.encode() in path.read_bytes() for path in written)


@pytest.mark.long
def test_a_run_over_tls_makes_the_same_pages_as_one_without(
    finished: Path, lived_store: str, tmp_path: Path
) -> None:
    experiment, certificates = tmp_path / "experiment.yaml", tmp_path / "tls"
    experiment.write_text(EXPERIMENT)
    check_pagesim("mesh", "certificates", "make", certificates)
    proved = tmp_path / "proved"
    options = ("--store", lived_store, "--output", proved, "--tls", certificates)
    check_pagesim("run", experiment, *options)
    variants = ("control", "no-dedup")
    assert len(page_files(proved, variants)) == len(variants) * 2  # slices
    assert page_files(proved, variants) == page_files(finished, variants)


def test_a_page_of_a_run_is_shown_beside_the_logged_one(
    finished: Path, lived_store: str
) -> None:
    profile_id = read(finished, "pages")["control"][0]["profile_id"]
    of_run = ("--store", lived_store, "--run", finished)
    control, treated = (
        check_invoked("page", "show", profile_id, *of_run, *flags).output
        for flags in ((), ("--variant", "popular-first"))
    )
    assert "control equals the logged page, byte for byte." in control
    assert "popular-first differs from the logged page, byte for byte." in treated


@pytest.mark.long
def test_a_page_made_on_the_spot_equals_the_logged_one(lived_store: str) -> None:
    shown = check_pagesim("page", "show", 3, "--store", lived_store, "--json").document
    assert shown["logged"]["rows"]
    assert shown["simulated"] == {"simulated": shown["logged"]}


def test_a_profile_that_a_run_lacks_is_refused_with_some_that_it_has(
    finished: Path, lived_store: str
) -> None:
    sampled = {one["profile_id"] for one in read(finished, "pages")["control"]}
    lacking = next(number for number in range(1, 41) if number not in sampled)
    outcome = invoke_pagesim(
        *("page", "show", lacking, "--store", lived_store, "--run", finished)
    )
    assert outcome.exit_code == 1
    assert f"has no page of profile {lacking}" in outcome.messages
    assert f"Name a profile that it has: {min(sampled)}, " in outcome.messages


def test_a_run_does_not_write_over_something_else(
    finished: Path, lived_store: str, write_experiment: Callable[..., Path]
) -> None:
    before = sorted(finished.rglob("*"))
    outcome = invoke_pagesim(
        "run", write_experiment(), "--store", lived_store, "--output", finished
    )
    assert outcome.exit_code == 1
    assert "holds something already" in outcome.messages
    assert sorted(finished.rglob("*")) == before


@pytest.mark.long
def test_a_run_of_too_few_pages_fails_by_name_and_reason(
    lived_store: str, write_experiment: Callable[..., Path], tmp_path: Path
) -> None:
    copied = f"sqlite:///{shutil.copy(urlsplit(lived_store).path, tmp_path / 'store.db')}"
    since = parse_moment("2024-01-05T00:00:00Z")
    with Store.open(copied) as store, store.begin(since) as writer:
        # Ingest refuses what cannot be read; a store of an earlier version may hold it.
        unreadable = [
            AttributeFact(EntityKind.PROFILE, profile_id, BLOCKED_GENRES, since, since, 5)
            for profile_id in range(1, 41)
        ]
        writer.append(unreadable, source="an earlier version", synthetic=True)
    failed = tmp_path / "run"
    outcome = invoke_pagesim("run", write_experiment(), "--store", copied, "--output", failed)
    assert outcome.exit_code == 1
    assert "of variant " in outcome.messages
    assert "could not be made, a yield of " in outcome.messages
    assert BLOCKED_GENRES in outcome.messages
    record = json.loads((failed / "run.json").read_text())
    assert record["state"] == "failed"
    assert "a yield of " in record["reason"]


@pytest.mark.parametrize(
    "signal_number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.long),
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
    ],
)
def test_a_killed_run_leaves_no_process_and_goes_on_to_the_same_bytes(
    signal_number: signal.Signals, finished: Path, lived_store: str, tmp_path: Path
) -> None:
    run, experiment = tmp_path / "run", tmp_path / "experiment.yaml"
    experiment.write_text(EXPERIMENT + OTHER_VARIANTS)
    command = ("run", experiment, "--store", lived_store, "--output", run)
    process = start_pagesim(*command)
    while not files_of_done_chunks(run):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    started = descendants(process.pid)
    assert len(started) > 6  # the mesh, Envoy, five services
    process.send_signal(signal_number)
    process.communicate()
    assert process.returncode != 0
    assert wait_gone(started) == set()
    record = json.loads((run / "run.json").read_text())
    if signal_number is signal.SIGINT:
        assert process.returncode == 130
        assert record["state"] == "failed"

    if signal_number is not signal.SIGKILL:
        return  # what goes on does not know how it was stopped

    # A chunk whose file is there, and which is not acknowledged yet, is made again.
    kept = {path: path.stat().st_mtime_ns for path in files_of_done_chunks(run)}
    outcome = check_pagesim(*command, "--json")
    assert "Going on" in outcome.messages
    undisturbed = json.loads((finished / "run.json").read_text())
    assert outcome.document["pages"] == undisturbed["pages"]
    variants = ("control", "no-dedup", "again", "popular-first")
    assert page_files(run, variants) == page_files(finished, variants)
    assert len(page_files(run, variants)) > len(kept) > 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not list(run.rglob("*.unfinished"))
    assert json.loads((run / "run.json").read_text())["started_at"] == record["started_at"]


@pytest.mark.long
def test_a_member_who_is_erased_while_a_run_is_under_way_is_in_none_of_its_files(
    lived_store: str, tmp_path: Path
) -> None:
    store = tmp_path / "store.db"
    shutil.copyfile(lived_store.removeprefix("sqlite:///"), store)
    with closing(sqlite3.connect(store)) as copied:
        copied.execute("DELETE FROM copy_place")  # runs of the other store keep everybody
        copied.commit()
    run, experiment = tmp_path / "run", tmp_path / "experiment.yaml"
    document = yaml.safe_load(EXPERIMENT + OTHER_VARIANTS)
    # The pages of a member who is gone cannot be made.
    document["limits"] = {**document.get("limits", {}), "page_yield": 0.5}
    experiment.write_text(yaml.safe_dump(document))
    command = ("run", experiment, "--store", f"sqlite:///{store}", "--output", run, "--json")
    process = start_pagesim(*command)
    while not (made := list(run.glob("pages/**/*.parquet"))):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    erased = pq.ParquetFile(made[0]).read()["profile_id"][0].as_py()
    check_invoked(
        *("db", "erase", erased, "--store", f"sqlite:///{store}", "--reason", "asked for")
    )
    process.send_signal(signal.SIGCONT)
    output, messages = process.communicate()
    assert process.returncode == 0, messages
    for path in run.rglob("*.parquet"):
        table = pq.ParquetFile(path).read()
        assert erased not in table.to_pydict().get("profile_id", []), path
    # What was measured before the erasure is measured again without its pages.
    again = check_invoked("metrics", run, "--store", f"sqlite:///{store}", "--json").document
    assert json.loads(output)["metrics"] == again["metrics"]


@pytest.mark.long
def test_a_finished_run_that_is_given_more_variants_makes_only_what_is_new(
    finished: Path, lived_store: str, tmp_path: Path
) -> None:
    run, experiment = tmp_path / "run", tmp_path / "experiment.yaml"
    command = ("run", experiment, "--store", lived_store, "--output", run)
    document = yaml.safe_load(EXPERIMENT + OTHER_VARIANTS)
    variants = document["variants"]
    experiment.write_text(yaml.safe_dump({**document, "variants": variants[:2]}))
    check_pagesim(*command)
    kept = {path: path.stat().st_mtime_ns for path in run.glob("pages/**/*.parquet")}
    experiment.write_text(yaml.safe_dump(document))
    check_pagesim(*command)
    names = [variant["name"] for variant in variants]
    assert page_files(run, names) == page_files(finished, names)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(run.glob("pages/**/*.parquet"))) > len(kept)
    for name in ("metrics.parquet", "metrics_normalised.parquet", "page_metrics.parquet"):
        made, at_once = run / "results" / name, finished / "results" / name
        assert made.read_bytes() == at_once.read_bytes()
