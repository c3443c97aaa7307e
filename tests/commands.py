"""Runs the pagesim command as a person or a script would: another process, real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COMMAND = (sys.executable, "-m", "experiments.cli")


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    output: str
    messages: str

    @property
    def document(self) -> dict[str, Any]:
        """What it printed with --json."""
        document: dict[str, Any] = json.loads(self.output)
        return document


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing of the caller's decides the result."""
    kept = {name: value for name, value in os.environ.items() if name != "PAGESIM_STORE"}
    return {**kept, "COLUMNS": "200", **(extra or {})}


def run_pagesim(
    *arguments: object, cwd: Path | None = None, extra: Mapping[str, str] | None = None
) -> Outcome:
    """Run the command to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment(extra),
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def check_pagesim(*arguments: object) -> Outcome:
    """Run the command to its end; fail with its messages if it does."""
    outcome = run_pagesim(*arguments)
    assert outcome.exit_code == 0, outcome.messages
    return outcome


def start_pagesim(*arguments: object) -> subprocess.Popen[str]:
    """Start the command and return it running."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
