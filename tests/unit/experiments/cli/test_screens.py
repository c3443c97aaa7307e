"""What commands print of hostile data: no control character reaches a screen."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Self

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.screen_text import escape_controls
from experiments.cli.terminal import ScreenConsole, guard_screens, print_json, progress
from experiments.runs.run_record import RunRecord, RunState, write_record
from tests.support.commands import invoke_pagesim
from tests.support.pages.page_worlds import DAY, START
from tests.support.pages.simulated_runs import EXPERIMENT
from timetravel.facts.model import AttributeFact, EntityKind
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.commands import Outcome
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.facts.model import JsonValue

HOSTILE = (
    "\x1b[2J\x1b[31m",
    "\x1b]8;;http://evil\x07link\x1b]8;;\x07",
    "\x9b31m",
    "\x7f",
    "a\rb",
    "a\bb",
    "a\nerror: all is lost",
    "\u202egnp.exe",
    "\u2067x\u2069",
    "ad\u200bmin",
    "\u2028",
    "[bold]markup[/bold] [/nothing] :smile:",
    "a\tb",
)
EVERYTHING = " ".join(HOSTILE)
_OURS = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[hl]|2K|1A)")
"""Styles, and what a progress bar does to its own line; "[2J" is none of it."""


def assert_safe(text: str) -> None:
    plain = _OURS.sub("", text)
    assert escape_controls(plain) == plain
    assert "\x1b" not in plain


class Screens:
    """Both streams of a process, guarded."""

    def __init__(self) -> None:
        self.output, self.messages = io.StringIO(), io.StringIO()

    def __enter__(self) -> Self:
        self._patch = (redirect_stdout(self.output), redirect_stderr(self.messages))
        for own in self._patch:
            own.__enter__()
        guard_screens()
        return self

    def __exit__(self, *_: object) -> None:
        for own in self._patch:
            own.__exit__(None, None, None)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("colours", ["", "1"])
def test_no_way_of_printing_lets_control_characters_pass(
    text: str, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if colours:
        monkeypatch.setenv("FORCE_COLOR", colours)
    with Screens() as screens:
        click.echo(text)
        click.echo(text, err=True)
        print(text, file=sys.stderr)  # noqa: T201 - as a library might
        sys.stdout.write(text)
        sys.stdout.writelines([text, text])
        ScreenConsole().print(text)
        ScreenConsole(stderr=True).print(Text(text, style="bold red"))
        ScreenConsole().print(text, style="bold")
        Console().print(Text(text))  # whoever forgets ours
        with progress(text, 1) as advance:
            advance(1, description=text)
    assert_safe(screens.output.getvalue())
    assert_safe(screens.messages.getvalue())


@pytest.mark.parametrize("text", [own for own in HOSTILE if "\n" not in own])
def test_a_table_keeps_its_shape(text: str) -> None:
    table = Table("name", "value", width=50)
    table.add_row(text, "1")
    table.add_row(Text(text), Text("2"))
    with Screens() as screens:
        ScreenConsole(width=50).print(table)
    lines = screens.output.getvalue().splitlines()
    assert {cell_len(line) for line in lines if line.strip()} == {50}
    assert_safe(screens.output.getvalue())


def test_texts_have_no_meaning_to_the_console() -> None:
    with Screens() as screens:
        ScreenConsole(width=200).print("[bold]x[/] [/nothing] :smile:")
    assert screens.output.getvalue() == "[bold]x[/] [/nothing] :smile:\n"


def test_json_is_exact_and_has_no_control_character() -> None:
    value = {text: [text] for text in (*HOSTILE, EVERYTHING, "\ud800", "\U000e0041")}
    with Screens() as screens:
        print_json(value)
    assert json.loads(screens.output.getvalue()) == value
    assert_safe(screens.output.getvalue())


@pytest.fixture(scope="module")
def hostile(simulated_run: SimulatedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and its store, whose titles, rows, names and values are hostile."""
    directory = tmp_path_factory.mktemp("hostile") / "run"
    shutil.copytree(simulated_run.directory, directory)
    store_url = f"sqlite:///{directory / 'store.db'}"
    with Store.open(store_url) as store:
        reader = store.as_of()
        videos = reader.catalogue(START + 30 * DAY, ()).video_ids.tolist()
        facts = [
            AttributeFact(kind, entity, name, START + 1, START, EVERYTHING)
            for kind, entity, name in (
                *((EntityKind.VIDEO, video, "title") for video in videos),
                (EntityKind.PROFILE, 1000, "nickname"),
                (EntityKind.PROFILE, 1000, EVERYTHING),
            )
        ]
        with store.begin(START) as writer:
            writer.append(facts, source=EVERYTHING, synthetic=True)
        snapshot = store.snapshot()
    for path in directory.glob("rows/**/*.parquet"):
        rows = pq.read_table(path, partitioning=None)
        titles = pa.array([EVERYTHING] * len(rows))
        rows = rows.set_column(rows.column_names.index("title"), "title", titles)
        pq.write_table(rows, path)
    variants: list[JsonValue] = [
        {"name": name, "description": EVERYTHING, "configuration": {}}
        for name in simulated_run.variants
    ]
    scope = {"source": "logged_pages", "window": None, "profiles": 12, "pages_per_profile": 2}
    record = RunRecord(
        experiment={
            "experiment": EXPERIMENT,
            "seed": 5,
            "scope": {**scope, "strata": []},
            "variants": variants,
        },
        store=store_url,
        snapshot=snapshot,
        version="1",
        started_at="2024-05-06T07:08:09Z",
        state=RunState.FINISHED,
    )
    write_record(directory, record)
    (directory / "bad.jsonl").write_text(
        "".join(
            json.dumps({"video_id": text, "name": text, "value": text, "known_at": text}) + "\n"
            for text in (*HOSTILE, "\ud800")
        )
    )
    (directory / "mapping.yaml").write_text(
        "entity_kind: {constant: video}\nentity_id: video_id\nvalues: {title: value}\n"
        "known_at: known_at\nvalid_from: known_at\n"
    )
    return directory


_MAPPED = ("--kind", "attributes", "--mapping", "mapping.yaml")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("page", "show", "1000", "--run", "."),
    ("page", "show", "1000", "--run", ".", "--variant", "control", "--variant", "diversity"),
    ("page", "show", "1000", "--run", ".", "--json"),
    ("page", "show", "1000", "--run", ".", "--variant", EVERYTHING),
    ("page", "show", "1000", "--at", EVERYTHING),
    ("history", "profile/1000"),
    ("history", "profile/1000", "--json"),
    ("history", "profile/1000", "--field", "nickname"),
    ("history", "profile/1000", "--field", EVERYTHING),
    ("history", "profile/1000", "--field", "x" + EVERYTHING),
    ("history", EVERYTHING),
    ("run", EVERYTHING),
    ("world", "show", "--world", EVERYTHING),
    ("import", "movielens", EVERYTHING, "--world", "w"),
    ("ingest", "bad.jsonl", *_MAPPED, "--rejects", "rejects.jsonl"),
    ("ingest", "bad.jsonl", *_MAPPED, "--dry-run", "--json"),
    ("validate", "--since", EVERYTHING),
    (EVERYTHING,),
    ("page", EVERYTHING),
    ("page", "show", EVERYTHING),
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda own: ascii(" ".join(own))[:40])
@pytest.mark.parametrize("colours", [{}, {"FORCE_COLOR": "1"}], ids=["plain", "styled"])
def test_no_command_prints_control_characters_of_data(
    hostile: Path,
    arguments: tuple[str, ...],
    colours: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(hostile)
    store = {"PAGESIM_STORE": f"sqlite:///{hostile / 'store.db'}", **colours}
    outcome = invoke_pagesim(*arguments, extra=store)
    assert_safe(outcome.output)
    assert_safe(outcome.messages)
    assert "Traceback" not in outcome.messages
    if "--json" in arguments and arguments[0] != "history":
        json.loads(outcome.output)


def test_titles_and_rows_stay_in_their_frames(
    hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile)
    store = {"PAGESIM_STORE": f"sqlite:///{hostile / 'store.db'}", "COLUMNS": "120"}
    outcome: Outcome = invoke_pagesim(
        "page", "show", "1000", "--run", ".", "--variant", "control", extra=store
    )
    assert outcome.exit_code == 0, outcome.messages
    side = "\N{BOX DRAWINGS LIGHT VERTICAL}"
    framed = [line for line in outcome.output.splitlines() if side in line]
    assert len(framed) > 10
    assert {cell_len(line.rstrip()) for line in framed} <= {118, 119, 120}
    assert r"\u001b[2J" in outcome.output
    assert not any(line.startswith("error") for line in outcome.output.splitlines())
