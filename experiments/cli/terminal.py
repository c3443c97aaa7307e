"""What commands share: console, progress, JSON, the store option."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from timetravel.database.engine import parse_url, sqlite_path
from timetravel.errors import StoreNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.errors import PagesimError

console = Console(stderr=True)
"""Messages and progress; results go to standard output."""

_LINES = 10
"""Lines of a progress that nobody watches."""


class Advance(Protocol):
    """Tell a progress display that more is done."""

    def __call__(self, amount: int = 1, /, *, description: str | None = None) -> None:
        """Add to what is done; `description` replaces the text in front."""


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Advance]:
    """Show progress on standard error while the block runs.

    On a terminal it is a bar; elsewhere a line for each tenth, so that logs stay short.

    Args:
        description: What is being done, e.g. "Making pages".
        total: How much there is to do; None when nobody knows.
    """
    if not console.is_terminal:
        yield _Lines(description, total).advance
        return
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn()]
    counts: list[ProgressColumn] = [TimeElapsedColumn()]
    if total is not None:
        counts = [MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    with Progress(*columns, *counts, console=console, transient=False) as display:
        task = display.add_task(description, total=total)

        def advance(amount: int = 1, /, *, description: str | None = None) -> None:
            display.update(task, advance=amount, description=description)

        yield advance


class _Lines:
    """Progress where nobody watches: one line when it begins and one for each tenth."""

    def __init__(self, description: str, total: int | None) -> None:
        self._description = description
        self._total = total
        self._done = 0
        self._next_line = 1
        console.print(f"{description} ...", highlight=False)

    def advance(self, amount: int = 1, /, *, description: str | None = None) -> None:
        """Print a line when another tenth is done."""
        self._description = description or self._description
        self._done += amount
        if self._total and self._done * _LINES >= self._next_line * self._total:
            share = self._done / self._total
            console.print(
                f"{self._description}: {self._done}/{self._total} ({share:.0%})",
                highlight=False,
            )
            self._next_line = int(share * _LINES) + 1


def print_json(result: object) -> None:
    """Print a result as JSON on standard output, for pipes."""
    json.dump(result, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")
    sys.stdout.flush()  # a pipe holds it back, and `serve` goes on for hours


def print_error(error: PagesimError) -> None:
    """Print what is wrong and what to do, on standard error."""
    console.print("[bold red]error:[/] ", end="")
    console.print(str(error), markup=False, highlight=False, soft_wrap=True)


def default_store() -> str:
    """Return the store used when none is named, in the user's data folder (XDG)."""
    return f"sqlite:///{_user_folder('XDG_DATA_HOME', '.local/share') / 'store.db'}"


def make_default_folder(url: str) -> None:
    """Make the folder of the default store; that of one which was named is not ours to make.

    Raises:
        StoreNotFound: It cannot be made.
    """
    if url != default_store():
        return
    folder = _user_folder("XDG_DATA_HOME", ".local/share")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreNotFound(
            f"{folder} cannot be made: {error.strerror}.",
            remedy="Name a store elsewhere, with --store or in PAGESIM_STORE.",
            field="store",
        ) from error


def default_segments() -> Path:
    """Return the folder of segments used when none is named, in the user's cache (XDG)."""
    return _user_folder("XDG_CACHE_HOME", ".cache") / "segments"


def _user_folder(variable: str, otherwise: str) -> Path:
    """Return our folder below one of the user's; XDG has relative ones ignored."""
    named = Path(os.environ.get(variable, ""))
    return (named if named.is_absolute() else Path.home() / otherwise) / "pagesim"


def absolute_store(url: str) -> str:
    """Return the URL with an absolute path, for processes that run in other directories."""
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is None:
        return url
    return f"sqlite:///{path.absolute()}"


store_option = click.option(
    "--store",
    default=default_store,
    envvar="PAGESIM_STORE",
    show_envvar=True,
    metavar="URL",
    help="sqlite:///path/to/store.db or postgresql+psycopg://user@host/database; "
    "without one, pagesim/store.db in the user's data folder.",
)

needed_store_option = click.option(
    "--store",
    required=True,
    envvar="PAGESIM_STORE",
    show_envvar=True,
    metavar="URL",
    help="sqlite:///path/to/store.db or postgresql+psycopg://user@host/database.",
)

tls_option = click.option(
    "--tls",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIRECTORY",
    help="Certificates with which mesh, services and callers prove who they are; plain calls "
    "if left out. See `pagesim mesh certificates`.",
)
segments_option = click.option(
    "--segments",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_segments,
    envvar="PAGESIM_SEGMENTS",
    show_envvar=True,
    metavar="DIRECTORY",
    help="Where the facts of a snapshot are laid out for fast reading; made when needed, and "
    "safe to remove. Without one, pagesim/segments in the user's cache folder.",
)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."
)
