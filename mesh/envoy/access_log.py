"""The access log of Envoy, rotated so that it cannot fill the disk.

Envoy appends to its log for ever, and opens it anew when asked to. What was logged before
stays beside it until the log is full again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from mesh.envoy.envoy import ACCESS_LOG, FORMER_ACCESS_LOG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = structlog.get_logger("mesh.envoy")


class AccessLog:
    """Envoy's access log.

    Args:
        directory: The mesh directory.
        limit_bytes: Size at which it begins anew; on disk are at most two such files and
            what is logged between two checks.
        reopen: Makes Envoy open it anew.
    """

    def __init__(
        self, directory: Path, *, limit_bytes: int, reopen: Callable[[], None]
    ) -> None:
        self._path = directory / ACCESS_LOG
        self._former = directory / FORMER_ACCESS_LOG
        self._limit_bytes = limit_bytes
        self._reopen = reopen

    def check(self) -> None:
        """Begin anew if the log is full."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return  # Envoy makes it with its first listener
        if size < self._limit_bytes:
            return
        self._path.replace(self._former)
        self._reopen()
        _log.info("access_log_rotated", bytes=size, former=str(self._former))
