"""What erasure and retention need from this machine: clock, randomness, access to copies."""

from __future__ import annotations

import secrets
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from experiments.runs.purge import purge_results
from timetravel.removal.completion import UpkeepEnvironment
from timetravel.removal.rehash import NONCE_BYTES
from timetravel.segments.directory import SegmentDirectory
from timetravel.upkeep.copies import CopyKind

if TYPE_CHECKING:
    from pathlib import Path

    from core.arrays import Int64Array
    from timetravel.store import Store


def upkeep_environment(store: Store) -> UpkeepEnvironment:
    """Return what upkeep of a store needs here."""
    return UpkeepEnvironment(
        host=socket.gethostname(),
        now_micros=now_micros,
        draw_nonce=draw_nonce,
        purges={
            CopyKind.SEGMENTS: _purge_segments,
            CopyKind.RESULTS: partial(_purge_results, store),
        },
    )


def now_micros() -> int:
    """Return what the clock says, microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000


def draw_nonce() -> bytes:
    """Return random bytes; see `timetravel.removal.rehash`."""
    # Not from a seed: whoever knew it could try out what an erased fact may have been.
    return secrets.token_bytes(NONCE_BYTES)


def _purge_segments(folder: Path, _profile_ids: Int64Array) -> int:
    # Nobody can tell whose facts an array holds, and all of it can be built again.
    return SegmentDirectory(folder).clear()


def _purge_results(store: Store, directory: Path, profile_ids: Int64Array) -> int:
    return purge_results(directory, profile_ids, store) if len(profile_ids) else 0
