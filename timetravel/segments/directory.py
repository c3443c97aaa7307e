"""Keeps segments on disk, each in a folder named for what it was made from.

A segment is built once, under a lock, in a folder of its own that is renamed when it is
whole: another process finds it complete or not at all. What a killed build left is removed by
the next. A damaged segment is built again; the store is the truth.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.errors import SegmentDamaged
from timetravel.segments.build import build_segment
from timetravel.segments.files import MANIFEST, Staging, read_segment
from timetravel.segments.segment import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from timetravel.segments.build import Progress
    from timetravel.segments.pages import Pages
    from timetravel.segments.segment import Origin, Segment

_UNFINISHED: Final = ".unfinished"
_LOCK: Final = ".lock"


class SegmentDirectory:
    """Finds and builds segments below a folder, which is made when first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, origin: Origin) -> Segment | None:
        """Return the segment of an origin, None if there is none or it is damaged."""
        folder = self.folder / name_origin(origin)
        if not (folder / MANIFEST).is_file():
            return None
        try:
            return read_segment(folder)
        except SegmentDamaged:
            return None

    def provide(
        self,
        pages: Pages,
        origin: Origin,
        *,
        progress: Progress | None = None,
    ) -> Segment:
        """Return the segment of an origin; build it if it is not there or damaged.

        Processes that want the same segment wait for the one that builds it.

        Raises:
            StoreUnavailable: The database cannot be reached or is locked for too long.
        """
        found = self.find(origin)
        if found is not None:
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._building(origin):
            found = self.find(origin)
            if found is not None:
                return found
            folder = self.folder / name_origin(origin)
            unfinished = folder.with_name(folder.name + _UNFINISHED)
            for left in (folder, unfinished):
                shutil.rmtree(left, ignore_errors=True)
            unfinished.mkdir()
            staging = Staging(unfinished)
            staging.write(
                build_segment(pages, origin, allocate=staging.allocate, progress=progress)
            )
            unfinished.rename(folder)
            return read_segment(folder)

    def remove(self, *, keep: Origin | None = None) -> int:
        """Remove all segments but one, and return how many; readers keep what they mapped."""
        kept = name_origin(keep) if keep else None
        removed = 0
        for path in sorted(self.folder.glob("*")):
            if path.is_dir() and path.name != kept:
                removed += (path / MANIFEST).is_file()
                shutil.rmtree(path)
        return removed

    @contextmanager
    def _building(self, origin: Origin) -> Iterator[None]:
        path = self.folder / (name_origin(origin) + _LOCK)
        with path.open("w") as lock:  # closing it, or dying, gives the lock back
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def name_origin(origin: Origin) -> str:
    """Return the name of a segment's folder: snapshot, and 16 hex digits of its origin."""
    digest = hashlib.sha256(f"{FORMAT}/{origin.store}/{origin.snapshot}/".encode())
    if origin.profile_ids is not None:
        digest.update(b"chosen/" + np.array(origin.profile_ids, "<i8").tobytes())
    return f"{origin.snapshot}-{digest.hexdigest()[:16]}"
