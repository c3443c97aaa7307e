"""Progress where nobody watches: a line for each tenth, and one at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.cli.terminal import progress

if TYPE_CHECKING:
    import pytest


def lines_of(capsys: pytest.CaptureFixture[str], total: int | None, *amounts: int) -> list[str]:
    with progress("Making pages", total) as advance:
        for amount in amounts:
            advance(amount)
    return capsys.readouterr().err.splitlines()


def test_progress_is_told_by_tenths_up_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    first, *others = lines_of(capsys, 338, *[1] * 338)
    assert first == "Making pages ..."
    assert len(others) == 10
    assert others[0] == "Making pages: 34/338 (10%)"
    assert others[-1] == "Making pages: 338/338 (100%)"


def test_steps_larger_than_a_tenth_are_told_once_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, *others = lines_of(capsys, 100, 35, 3, 62)
    assert others == ["Making pages: 35/100 (35%)", "Making pages: 100/100 (100%)"]


def test_what_has_no_end_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(capsys, None, 5, 5) == ["Making pages ..."]
