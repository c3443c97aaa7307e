"""The command that loads files: told clearly, killed, and gone on with."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from tests.support.commands import (
    assert_refused,
    check_invoked,
    invoke_pagesim,
    run_pagesim,
    start_pagesim,
)
from tests.support.effort import effort
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

RECORDS: Final = effort(8_000, 30_000)
KILLED_AT: Final = effort((1_000,), (1_000, 10_000))
"""Facts taken when the command is killed."""

MAPPING: Final = """
source: test
group: {name: taste, entity_kind: profile}
entity_id: profile
valid_from: at
known_at: at
values: [a, b]
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "mapping.yaml"
    path.write_text(MAPPING)
    return path


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.csv"
    lines = ["profile,at,a,b"]
    lines += [f"{number},2024-03-04T12:00:00Z,0.5,{number}" for number in range(RECORDS)]
    lines[777] = lines[777].replace("0.5", "half")
    path.write_text("\n".join(lines) + "\n")
    return path


def new_store(path: Path) -> str:
    url = f"sqlite:///{path}"
    check_invoked("db", "upgrade", "--store", url)
    return url


@pytest.mark.scaled
def test_a_load_that_is_killed_again_and_again_ends_as_one_that_is_not(
    tmp_path: Path, mapping: Path, vectors: Path
) -> None:
    options = ["--kind", "features", "--mapping", mapping, "--records-per-chunk", 200]
    undisturbed, disturbed = new_store(tmp_path / "one.db"), new_store(tmp_path / "two.db")
    rejects = tmp_path / "rejects.jsonl"
    whole = run_pagesim("ingest", vectors, "--store", undisturbed, *options, "--json")
    assert whole.exit_code == 1
    arguments = ["ingest", vectors, "--store", disturbed, *options, "--rejects", rejects]
    with Store.open(disturbed) as store:
        for killed_at in KILLED_AT:
            process = start_pagesim(*arguments)
            while store.count_facts()["features"] < killed_at:
                assert process.poll() is None, process.communicate()
                time.sleep(0.001)
            process.kill()
            process.communicate()
            newest = store.newest_chunk(whole.document["stream"])
            assert newest is not None
            assert store.count_facts()["features"] == newest.sequence * 200 - 1
    done = run_pagesim(*arguments, "--json")
    assert done.exit_code == 1
    assert done.document["went_on"]
    for report in (whole.document, done.document):
        told = (report["records"], report["facts"], report["refused"])
        assert told == (RECORDS, RECORDS - 1, 1)
    (refused,) = map(json.loads, rejects.read_text().splitlines())
    assert (refused["line"], refused["field"], refused["value"]) == (778, "values.a", "'half'")
    with Store.open(undisturbed) as one, Store.open(disturbed) as two:
        assert one.digest() == two.digest()
        values = two.as_of().features("taste", [1, 776, RECORDS - 1], 2 * 10**15).values
        expected = [[0.5, 1], [np.nan] * 2, [0.5, RECORDS - 1]]
        assert np.array_equal(values, np.array(expected, np.float32), equal_nan=True)


def test_what_is_refused_is_told_and_a_right_file_is_not(tmp_path: Path, mapping: Path) -> None:
    store = new_store(tmp_path / "store.db")
    options = ["--store", store, "--kind", "features", "--mapping", mapping]
    right, wrong = tmp_path / "right.csv", tmp_path / "wrong.csv"
    right.write_text("profile,at,a,b\n1,2024-03-04T12:00:00Z,1,2\n")
    wrong.write_text("profile,at,a,b\n1,2024-03-04T12:00:00Z,x,2\n")
    outcome = run_pagesim("ingest", wrong, *options)
    assert outcome.exit_code == 1
    assert outcome.output == "1 records read, 0 facts taken, 1 records refused.\n"
    assert f"{wrong}:2: values.a ('x'): This is not a finite number." in outcome.messages
    assert "Traceback" not in outcome.messages
    dry = check_invoked("ingest", right, *options, "--dry-run")
    assert "1 facts would be taken" in dry.output
    done = check_invoked("ingest", right, *options, "--json")
    assert done.document["refused"] == 0
    assert done.document["facts"] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text + "seed: 7\n", ["mapping.yaml:8: seed", "no key here"]),
        (lambda text: text.replace("known_at: at\n", ""), ["--known-at COLUMN"]),
        (lambda text: text.replace("profile\nvalid", "member\nvalid"), ["no column 'member'"]),
    ],
)
def test_a_mapping_that_is_wrong_is_told_before_anything_is_written(
    tmp_path: Path, mapping: Path, vectors: Path, change: object, words: list[str]
) -> None:
    assert callable(change)
    mapping.write_text(change(MAPPING))
    url = new_store(tmp_path / "store.db")
    options = ["--store", url, "--kind", "features", "--mapping", mapping]
    outcome = invoke_pagesim("ingest", vectors, *options)
    assert_refused(outcome, *words)
    with Store.open(url) as store:
        assert store.snapshot() == 0
