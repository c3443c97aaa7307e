"""What commands share: screens, console, progress, JSON, the store option.

Whatever a command writes goes through `ScreenStream`, which shows control characters of data
as text; the styles of a `ScreenConsole` alone are ours, and pass.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

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

from core.screen_text import escape_controls, escape_line
from timetravel.database.engine import parse_url, sqlite_path
from timetravel.errors import StoreNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

    from core.errors import PagesimError
    from experiments.generation.segments import Advance


class ScreenStream:
    """Write to a stream without the control characters of data."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text; lines and tabs stay."""
        self.stream.write(escape_controls(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        if name == "buffer":  # a way around
            raise AttributeError(name)
        return getattr(self.stream, name)


def guard_screens() -> None:
    """Have everything that the process prints from now on go through `ScreenStream`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, ScreenStream):
            setattr(sys, name, cast("IO[str]", ScreenStream(stream)))


class ScreenConsole(Console):
    """Style what is printed; texts are data, in which nothing has a meaning.

    Args:
        stderr: Print on standard error.
        width: Columns; those of the terminal if left out.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    @property
    def file(self) -> IO[str]:
        """Where it prints: a stream that lets its styles pass."""
        file = super().file
        return file.stream if isinstance(file, ScreenStream) else file

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of a renderable, and of those inside it, fit for a screen."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=escape_controls(segment.text))


console = ScreenConsole(stderr=True)
"""Messages and progress; results go to standard output."""

_LINES = 10
"""Lines of a progress that nobody watches."""


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
    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn()]
    counts: list[ProgressColumn] = [TimeElapsedColumn()]
    if total is not None:
        counts = [MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    # Redirected, texts would be searched for styles.
    with Progress(
        *columns, *counts, console=console, redirect_stdout=False, redirect_stderr=False
    ) as display:
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
        console.print(f"{description} ...")

    def advance(self, amount: int = 1, /, *, description: str | None = None) -> None:
        """Print a line when another tenth is done."""
        self._description = description or self._description
        self._done += amount
        if self._total and self._done * _LINES >= self._next_line * self._total:
            share = self._done / self._total
            console.print(
                f"{self._description}: {self._done}/{self._total} ({share:.0%})",
            )
            self._next_line = int(share * _LINES) + 1


def print_json(result: object) -> None:
    """Print a result as JSON on standard output, for pipes."""
    text = json.dumps(result, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write(f"{escape_controls(text)}\n")
    sys.stdout.flush()  # a pipe holds it back, and `serve` goes on for hours


def print_error(error: PagesimError) -> None:
    """Print what is wrong and what to do, on standard error."""
    console.print("error: ", style="bold red", end="")
    console.print(str(error), soft_wrap=True)


class _ConsoleLogger:
    """Print what is logged on the console, above a progress bar if there is one."""

    def msg(self, line: str) -> None:
        console.print(escape_line(line), soft_wrap=True)

    debug = info = warning = error = critical = msg


def show_logs() -> None:
    """Print what this process logs on standard error: standard output is for results."""
    import structlog  # noqa: PLC0415 - not for help

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=lambda *_: _ConsoleLogger(),
    )


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
