"""What the terminal shows: the answer first, nothing cut off, no colours in a pipe."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from experiments.metrics.compute import METRICS_FILE
from experiments.report.pages.sheets import make_column
from experiments.report.pages.side_by_side import render_columns
from experiments.report.terminal import render, render_fidelity
from tests.support.pages.plain_results import fidelity, findings_of, unclear
from tests.unit.experiments.report.plain_pages import AFTER, BEFORE

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

    from experiments.report.description import RunDescription

CUT_OFF = "\N{HORIZONTAL ELLIPSIS}"
COLOURED = re.compile(r"\x1b\[[0-9;]*3[0-7]")


def shown(what: RenderableType, width: int, **environment: str) -> str:
    """Return what is printed into a pipe, or into a terminal if TERM names one."""
    output = io.StringIO()
    is_terminal = True if "TERM" in environment else None
    console = Console(
        file=output, width=width, force_terminal=is_terminal, _environ=environment
    )
    console.print(what)
    return output.getvalue()


@pytest.fixture(scope="module")
def results(described_run: RunDescription) -> pa.Table:
    return pq.read_table(described_run.measured.directory / METRICS_FILE)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_nothing_is_cut_off_or_wider_than_the_terminal(results: pa.Table, width: int) -> None:
    lines = shown(render(results), width).splitlines()
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if CUT_OFF in line]


def test_the_answer_stands_first_and_then_how_far_to_trust_it(results: pa.Table) -> None:
    first, second, *rest = shown(render(results), 200).splitlines()
    assert "at showing what members played next" in first
    assert second.startswith("Fidelity: control equals the logged page on 91.7")
    assert second.endswith("of 24 pages.")
    assert any(line.startswith("popularity: ") for line in rest)


def test_treatments_stand_side_by_side_where_there_is_room(results: pa.Table) -> None:
    def heads(width: int) -> list[str]:
        return [
            line for line in shown(render(results), width).splitlines() if " metric" in line
        ]

    assert len(heads(80)) == 2
    (head,) = heads(200)
    assert "popularity" in head
    assert "diversity" in head


def test_a_long_name_folds_and_leaves_room_for_figures(results: pa.Table) -> None:
    names = {"popularity": "p" * 40, "diversity": "d" * 40}
    records = results.to_pylist()
    for record in records:
        record["variant"] = names.get(record["variant"], record["variant"])
    text = shown(render(results.from_pylist(records, results.schema)), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert CUT_OFF not in text
    assert "Played next, in view" in text


def test_one_page_that_differs_is_never_rounded_away() -> None:
    findings = findings_of(fidelity(1 - 1 / 100_000, pages=100_000), unclear("page_ndcg", "a"))
    assert "under 100.0" in str(render_fidelity(findings))


def test_a_pipe_gets_no_colours_and_a_terminal_does_unless_told_not_to(
    results: pa.Table,
) -> None:
    assert "\x1b[" not in shown(render(results), 120)
    bright, plain = (
        shown(render(results), 120, TERM="xterm-256color", **more)
        for more in ({}, {"NO_COLOR": "1"})
    )
    assert COLOURED.search(bright)
    assert not COLOURED.search(plain)


def test_pages_stand_side_by_side_unless_they_would_be_too_narrow_to_read() -> None:
    columns = [
        make_column("logged", BEFORE, None, ()),
        make_column("control", BEFORE, BEFORE, (), "logged"),
        make_column("new", AFTER, BEFORE, {20}, "control"),
    ]

    def tops(width: int) -> int:
        return sum(
            "\N{BOX DRAWINGS LIGHT ARC DOWN AND RIGHT}" in line
            for line in shown(render_columns(columns), width).splitlines()
        )

    assert (tops(120), tops(80), tops(40)) == (1, 2, 3)
    text = shown(render_columns(columns), 80)
    assert "end of the first screen" in text
    assert "Rows gone: Music" in text
    assert "Titles gone: Film 3, Film 6" in text


def test_the_legend_explains_the_signs_that_occur_and_no_others() -> None:
    same = shown(render_columns([make_column("logged", BEFORE, None, ())]), 120)
    assert "new on the page" not in same
    assert "played next" not in same
    column = make_column("new", AFTER, BEFORE, {20}, "control")
    other = shown(render_columns([column]), 120)
    assert "new on the page" in other
    assert "played next" in other
