"""Keeps segments on disk, each in a folder named after its content.

A segment is built once, under a lock, in a folder of its own that is renamed when it is
whole: another process finds it complete or not at all. What a killed build left is removed by
the next. A damaged segment is built again; the store is the truth.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.errors import SegmentDamaged, StoreChanged
from timetravel.segments.build import build_segment
from timetravel.segments.files import MANIFEST, Staging, read_segment
from timetravel.segments.segment import FORMAT, Origin, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from timetravel.segments.build import Progress
    from timetravel.segments.table_scan import TableScan

_UNFINISHED: Final = ".unfinished"
_REMOVED: Final = ".removed"
_LOCK: Final = ".lock"
_NAME: Final = re.compile(r"\d+-[0-9a-f]{16}")


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
            segment = read_segment(folder)
            os.utime(folder / MANIFEST)  # for `trim`: it was used
        except (SegmentDamaged, FileNotFoundError):
            return None
        return segment

    def find_any(self, store: str, snapshot: int) -> Segment | None:
        """Return a segment of a store's snapshot, the one with most profiles; None of none."""
        everybody = self.find(Origin(store, snapshot))
        if everybody is not None:
            return everybody
        found = list[Segment]()
        for folder in self.folder.glob(f"{snapshot}-" + "?" * 16):
            with suppress(SegmentDamaged):
                segment = read_segment(folder)
                if segment.origin.store == store:
                    found.append(segment)
        return max(found, key=lambda one: len(one.origin.profile_ids or ()), default=None)

    def provide(
        self,
        tables: TableScan,
        origin: Origin,
        *,
        progress: Progress | None = None,
    ) -> Segment:
        """Return the segment of an origin; build it if it is not there or damaged.

        Processes that want the same segment wait for the one that builds it.

        Raises:
            StoreUnavailable: The database cannot be reached or is locked for too long.
            StoreChanged: Facts were taken out of the store meanwhile.
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
            for left in (folder, unfinished, folder.with_suffix(_REMOVED)):
                shutil.rmtree(left, ignore_errors=True)
            unfinished.mkdir()
            staging = Staging(unfinished)
            try:
                staging.write(
                    build_segment(tables, origin, allocate=staging.allocate, progress=progress)
                )
            except StoreChanged:
                shutil.rmtree(unfinished)  # it may hold what was erased
                raise
            unfinished.rename(folder)
            return read_segment(folder)

    def trim(self, kept: int) -> int:
        """Remove all segments but those used last, and return how many.

        Readers keep what they have mapped.
        """
        used = {
            folder: (folder / MANIFEST).stat().st_mtime_ns
            for folder in self.folder.glob("*")
            if (folder / MANIFEST).is_file() and folder.suffix != _UNFINISHED
        }
        oldest_first = sorted(used, key=lambda folder: used[folder])
        unused = oldest_first[: max(len(used) - kept, 0)]
        for folder in unused:
            # Whoever opens it at this moment must find all of it or nothing.
            gone = folder.rename(folder.with_suffix(_REMOVED))
            shutil.rmtree(gone)
        return len(unused)

    def clear(self) -> int:
        """Remove all segments, of whatever store, finished or not; return how many.

        Waits for those that are being built. Readers keep what they have mapped.
        """
        names = {path.name.partition(".")[0] for path in self.folder.glob("*-*")}
        removed = 0
        for name in sorted(filter(_NAME.fullmatch, names)):
            with self._locked(name):
                for suffix in (_REMOVED, _UNFINISHED, ""):
                    folder = self.folder / (name + suffix)
                    if folder.is_dir():
                        gone = self.folder / (name + _REMOVED)
                        shutil.rmtree(folder if folder == gone else folder.rename(gone))
                        removed += 1
        return removed

    def _building(self, origin: Origin) -> AbstractContextManager[None]:
        return self._locked(name_origin(origin))

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        path = self.folder / (name + _LOCK)
        with path.open("w") as lock:  # closing it, or dying, gives the lock back
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def name_origin(origin: Origin) -> str:
    """Return the name of a segment's folder: snapshot, and 16 hex digits of its origin."""
    digest = hashlib.sha256(f"{FORMAT}/{origin.store}/{origin.snapshot}/".encode())
    if origin.profile_ids is not None:
        digest.update(b"chosen/" + np.array(origin.profile_ids, "<i8").tobytes())
    return f"{origin.snapshot}-{digest.hexdigest()[:16]}"
