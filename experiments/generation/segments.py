"""Builds the segment that an experiment reads, before its services start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from timetravel.facts.model import EntityKind
from timetravel.segments.directory import SegmentDirectory

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from core.arrays import Int64Array
    from timetravel.segments.segment import Segment
    from timetravel.store import Store

KEPT_SEGMENTS: Final = 8
"""Segments that stay on disk, those used last."""

_SHARE_OF_EVERYBODY: Final = 0.1


class Advance(Protocol):
    """Tell a progress display that more is done."""

    def __call__(self, amount: int = 1, /, *, description: str | None = None) -> None:
        """Add to what is done; `description` replaces the text in front."""


class Progress(Protocol):
    """Show progress while a block runs; the block tells how much more is done."""

    def __call__(
        self, description: str, total: int | None = None, /
    ) -> AbstractContextManager[Advance]:
        """Begin a stretch of work of `total` steps."""


def lay_out_facts(
    store: Store,
    snapshot: int,
    profile_ids: Int64Array | None,
    folder: Path,
    *,
    progress: Progress,
) -> Segment:
    """Return the segment of a snapshot, built unless it is there.

    Args:
        store: To read.
        snapshot: Newest transaction to hold.
        profile_ids: int64, whose facts are going to be asked for, ascending; None means
            everybody's.
        folder: Where segments are.
        progress: Shows how far it is.

    Raises:
        StoreUnavailable: The database cannot be reached or is locked for too long.
    """
    everybody = len(store.as_of(snapshot).entity_ids(EntityKind.PROFILE))
    if profile_ids is not None and len(profile_ids) >= _SHARE_OF_EVERYBODY * everybody:
        # A little more to read, and the next experiment on this snapshot reads nothing.
        profile_ids = None
    counts = store.count_facts(snapshot)
    facts = sum(count for kind, count in counts.items() if kind != "logged_pages")
    directory = SegmentDirectory(folder)
    chosen = None if profile_ids is None else profile_ids.tolist()
    with progress("Laying out facts", facts if chosen is None else None) as advance:
        before: dict[str, int] = {}

        def note(part: str, done: int, _total: int) -> None:
            advance(done - before.get(part, 0))
            before[part] = done

        segment = store.segment(
            snapshot, directory=directory, profile_ids=chosen, progress=note
        )
    directory.trim(KEPT_SEGMENTS)
    return segment
