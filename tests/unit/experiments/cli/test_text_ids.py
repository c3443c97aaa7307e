"""Commands take the ids that a store was given, and speak them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.errors import PagesimError
from experiments.cli.__main__ import cli
from experiments.cli.serve import example_request
from timetravel.database import migrate
from timetravel.facts.external_ids import hash_id
from timetravel.facts.model import EntityKind
from timetravel.store import Store
from worlds.external_ids import text_of

ANN = " Ann/\u00e9"
MAPPING = """
source: test
event_id: id
profile_id: {column: who, as: text}
event_at: at
known_at: at
kind: {constant: play}
video_id: film
"""


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate.upgrade(url)
    plays = [{"id": "e1", "who": ANN, "at": "2024-03-04T12:00:00Z", "film": "alien"}]
    Path("plays.jsonl").write_text("".join(json.dumps(play) + "\n" for play in plays))
    Path("plays.yaml").write_text(MAPPING)
    loaded = run(
        "ingest", "plays.jsonl", "--kind", "events", "--mapping", "plays.yaml", url=url
    )
    assert loaded.exit_code == 0, loaded.output
    return url


def run(*arguments: str, url: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--store", url])


def test_history_is_asked_for_and_headed_by_the_text(url: str) -> None:
    shown = run("history", f"profile/{ANN}", url=url)
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith(f"Profile {ANN}: 1 version")
    as_json = run("history", f"profile/{ANN}", "--json", url=url)
    assert json.loads(as_json.stdout)["about"] == f"profile {ANN}"
    for output in (shown.output, as_json.stdout):
        assert "alien" in output
        for kind, text in ((EntityKind.PROFILE, ANN), (EntityKind.VIDEO, "alien")):
            assert str(hash_id(kind, text)) not in output


def test_a_profile_is_erased_and_readmitted_by_its_text(url: str) -> None:
    planned = run("db", "erase", ANN, "--reason", "ticket 1", "--dry-run", url=url)
    assert planned.output == (
        "Would erase:\n             1  texts of ids\n             1  events\n"
    )
    erased = run("db", "erase", ANN, "--reason", "ticket 1", "--json", url=url)
    assert json.loads(erased.stdout)["removed"]["external_id"] == 1
    with Store.open(url) as store:
        assert store.erased_profiles().tolist() == [hash_id(EntityKind.PROFILE, ANN)]
    readmitted = run("db", "readmit", ANN, "--reason", "ticket 2", "--json", url=url)
    assert json.loads(readmitted.stdout) == {"readmitted": 1}


def test_a_world_is_generated_and_lived_by_texts(tmp_path: Path) -> None:
    url, world = f"sqlite:///{tmp_path / 'lived.db'}", ("--world", str(tmp_path / "world"))
    sizes = ("--profiles", "2", "--videos", "50", "--days", "3")
    generate = ("world", "generate", *world, *sizes, "--ids", "texts")
    generated = CliRunner().invoke(cli, [*generate, "--json"])
    assert json.loads(generated.stdout)["ids"] == "texts"
    migrate.upgrade(url)
    assert run("world", "live", *world, url=url).exit_code == 0
    shown = run("world", "show", *world, url=url)
    assert "Members and videos are named by texts" in shown.output
    with Store.open(url) as store:
        end = int(store.shown_pages().shown_at[-1])
        called = example_request(store, end, store.snapshot())
        assert called["external_id"] in {text_of(EntityKind.PROFILE, one) for one in (1, 2)}
        early = example_request(store, 0, store.snapshot())
        assert early == {"external_id": "ID OF A PROFILE"}
    member = text_of(EntityKind.PROFILE, 2)
    found = run("history", f"profile/{member}", url=url)
    assert found.output.startswith(f"Profile {member}: ")
    assert (
        text_of(EntityKind.VIDEO, 1)
        in run("history", f"video/{text_of(EntityKind.VIDEO, 1)}", url=url).output
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("history", "profile/ann"), "no profile 'ann'"),
        (("page", "show", "17"), "no profile '17'"),
        (("db", "erase", "x" * 513, "--reason", "t"), "has 513 bytes"),
    ],
)
def test_a_text_that_the_store_does_not_have_is_refused(
    url: str, arguments: tuple[str, ...], message: str
) -> None:
    refused = run(*arguments, url=url)
    assert refused.exit_code == 1
    assert isinstance(refused.exception, PagesimError)
    assert message in refused.exception.problem
