"""Runs the pagesim command as a person or a script would: another process, real files.

Where only the answer of a command counts, `invoke_pagesim` gives it without starting one.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from experiments.cli.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COMMAND = (sys.executable, "-m", "experiments.cli")
_DECIDING = (
    "PAGESIM_STORE",
    "PAGESIM_DATABASE",
    "PAGESIM_MESH",
    "PAGESIM_SERVER",
    "PYTHONUNBUFFERED",
)
_SAFETY_NET_SECONDS = 300.0


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
    kept = {name: value for name, value in os.environ.items() if name not in _DECIDING}
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


def invoke_pagesim(*arguments: object, extra: Mapping[str, str] | None = None) -> Outcome:
    """Run the command to its end in this process."""
    output, messages = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(output),
        redirect_stderr(messages),
    ):
        for name in _DECIDING:
            patch.delenv(name, raising=False)
        for name, value in {"COLUMNS": "200", **(extra or {})}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["pagesim", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return Outcome(int(ended.value.code or 0), output.getvalue(), messages.getvalue())


def assert_refused(outcome: Outcome, *words: str) -> None:
    """Check for one message that holds the words, and no traceback."""
    assert outcome.exit_code == 1
    assert outcome.output == ""
    assert outcome.messages.count("error:") == 1
    assert "Traceback" not in outcome.messages
    for word in words:
        assert word in outcome.messages


def check_pagesim(*arguments: object, extra: Mapping[str, str] | None = None) -> Outcome:
    """Run the command to its end; fail with its messages if it does."""
    outcome = run_pagesim(*arguments, extra=extra)
    assert outcome.exit_code == 0, outcome.messages
    return outcome


def check_invoked(*arguments: object) -> Outcome:
    """Run the command to its end in this process; fail with its messages if it does."""
    outcome = invoke_pagesim(*arguments)
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


@contextmanager
def serve(
    store: str,
    as_of: str,
    logs: Path,
    *options: object,
    ending: signal.Signals = signal.SIGTERM,
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run `pagesim serve`; yield it with what it says of itself, and end it by the signal."""
    # A shell starts what it puts in the background with SIGINT ignored.
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = start_pagesim(
            *("serve", "--store", store, "--as-of", as_of, "--address", "127.0.0.1:0"),
            *("--logs", logs, "--json", *options),
        )
    finally:
        signal.signal(signal.SIGINT, ours)
    try:
        yield process, _read_document(process)
    finally:
        process.send_signal(ending)
        try:
            process.communicate(timeout=_SAFETY_NET_SECONDS)
        finally:
            process.kill()
            process.wait()


def _read_document(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Read the JSON that a command says and goes on."""
    assert process.stdout is not None
    text = ""
    while not text.endswith("\n}\n"):
        assert select.select([process.stdout], [], [], _SAFETY_NET_SECONDS)[0], "nothing said"
        part = os.read(process.stdout.fileno(), 65_536)
        assert part, process.communicate()
        text += part.decode()
    document: dict[str, Any] = json.loads(text)
    return document
