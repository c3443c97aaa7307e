"""The ready line: what a process reports to its parent, once."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.errors import PagesimError


class ReadyLine:
    """A file descriptor that gets one line of JSON: addresses, or why there are none.

    Args:
        ready_fd: The descriptor; None when nobody waits for the line.
    """

    def __init__(self, ready_fd: int | None) -> None:
        self._ready_fd = ready_fd

    def report_addresses(self, **addresses: str) -> None:
        """Say where the process can be reached."""
        self._write(addresses)

    def report_failure(self, error: PagesimError) -> None:
        """Say why the process cannot be reached, unless it already could."""
        self._write(
            {
                "error": type(error).__name__,
                "problem": error.problem,
                "remedy": error.remedy,
                "field": error.field,
            }
        )

    def _write(self, said: Mapping[str, str]) -> None:
        ready_fd, self._ready_fd = self._ready_fd, None
        if ready_fd is not None:
            with os.fdopen(ready_fd, "w", encoding="utf-8") as ready:
                ready.write(json.dumps(said) + "\n")
