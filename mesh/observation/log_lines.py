"""The log of one stack: Envoy's access log and the logs of processes, merged by time.

All of a stack's own processes belongs to it; of the access log and of the baseline's
processes, the entries that name it. A line that is not JSON (a traceback, a print) belongs to
the entry above it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from core.moments import EARLIEST_MICROS, parse_moment
from mesh.envoy.envoy import ACCESS_LOG, FORMER_ACCESS_LOG

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from mesh.xds.kinds import Json

LOGS = "logs"
BASELINE_LOGS = "baseline"
ACCESS = "envoy"

_LOUD = frozenset({"warning", "error", "critical"})
_NO_FLAGS = "-"
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log.

    Attributes:
        at_micros: When, microseconds since 1970-01-01 UTC.
        source: "envoy" for the access log, else owner and replica, e.g.
            "baseline/pagesim.ranking.v1.RankingService-0".
        text: The line as it was written.
        values: What it says, if it is JSON; else empty.
        stack: The stack that it names, or that of the entry above; empty if none.
    """

    at_micros: int
    source: str
    text: str
    values: Mapping[str, Json]
    stack: str

    @property
    def is_error(self) -> bool:
        """Whether it tells of something that went wrong."""
        if self.source == ACCESS:
            flagged = self.values.get("flags") not in (None, _NO_FLAGS)
            return self.values.get("grpc_status") != "OK" or flagged
        return not self.values or self.values.get("level") in _LOUD


@dataclass(slots=True)
class LogFile:
    """A log that grows: each reading gives the whole lines that are new."""

    source: str
    _offset: int = 0
    _rest: bytes = b""
    _at_micros: int = EARLIEST_MICROS
    _stack: str = ""

    def read_new(self, path: Path, containing: bytes = b"") -> Iterator[LogLine]:
        """Yield the lines written since the last reading; begin again if it was truncated.

        Args:
            path: Where the file is now.
            containing: Leave out lines without this, unread: an access log is long.
        """
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self._offset:
                self._offset, self._rest = 0, b""
            file.seek(self._offset)
            while piece := file.read(_PIECE_BYTES):
                self._offset += len(piece)
                *lines, self._rest = (self._rest + piece).split(b"\n")
                for line in lines:
                    if containing in line:
                        yield self._parse(line.decode(errors="replace"))

    def _parse(self, text: str) -> LogLine:
        values = _parse_entry(text)
        moment = values.get("at") or values.get("timestamp")
        if isinstance(moment, str):
            self._at_micros = _parse_moment(moment, self._at_micros)
        if values:
            self._stack = str(values.get("stack") or "")
        return LogLine(self._at_micros, self.source, text, values, self._stack)


@dataclass(slots=True)
class StackLogs:
    """The logs of one stack, those of processes yet to start among them.

    Args:
        directory: The mesh directory.
        stack_id: The stack.
    """

    directory: Path
    stack_id: str
    _files: dict[tuple[int, int], LogFile] = field(default_factory=dict)

    def read_new(self) -> list[LogLine]:
        """Return what was logged since the last reading, ordered by time."""
        own = f"{self.stack_id}/"
        return sorted(
            (
                line
                for line in self._read_files()
                if line.source.startswith(own) or line.stack == self.stack_id
            ),
            key=lambda line: line.at_micros,
        )

    def _read_files(self) -> Iterator[LogLine]:
        for path, source in self._find():
            with suppress(FileNotFoundError):  # not there yet, or just rotated away
                status = path.stat()
                # A rotated log is the same file under another name.
                key = (status.st_dev, status.st_ino)
                file = self._files.setdefault(key, LogFile(source))
                named = f'"{self.stack_id}"'.encode() if source == ACCESS else b""
                yield from file.read_new(path, containing=named)

    def _find(self) -> Iterator[tuple[Path, str]]:
        yield self.directory / FORMER_ACCESS_LOG, ACCESS
        yield self.directory / ACCESS_LOG, ACCESS
        for owner in (BASELINE_LOGS, self.stack_id):
            for path in sorted((self.directory / LOGS / owner).glob("*.log")):
                yield path, f"{owner}/{path.stem}"


def choose_lines(
    lines: Iterable[LogLine], *, since_micros: int | None = None, only_errors: bool = False
) -> list[LogLine]:
    """Return the lines from the moment on, or of errors only."""
    return [
        line
        for line in lines
        if (since_micros is None or line.at_micros >= since_micros)
        and (line.is_error or not only_errors)
    ]


def _parse_entry(text: str) -> Mapping[str, Json]:
    try:
        values = json.loads(text)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _parse_moment(text: str, otherwise: int) -> int:
    try:
        return parse_moment(text)
    except InvalidInput:
        return otherwise
