"""The page about time shows what the command shows."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_is_what_the_history_command_prints() -> None:
    printed = (
        ROOT / "tests" / "golden" / "experiments" / "history" / "country.txt"
    ).read_text()
    assert f"```\n{printed}```\n" in (ROOT / "docs" / "time.md").read_text()
