"""Where loading resumes after an interruption."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from timetravel.errors import StreamMismatch

if TYPE_CHECKING:
    from experiments.ingest.plan import Plan
    from timetravel.database.chunks import Chunk


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a stream of files goes on, and what has become of it so far.

    Attributes:
        content: Digest of the files.
        reading: Digest of how they are read.
        file: Place of the file among the files.
        record: Number of its first record that has not been looked at.
        records: Records looked at.
        facts: Facts taken.
        refused: Records refused.
        rejects_bytes: Length of the file of refusals.
    """

    content: str
    reading: str
    file: int = 0
    record: int = 0
    records: int = 0
    facts: int = 0
    refused: int = 0
    rejects_bytes: int = 0


def read_bookmark(newest: Chunk | None, plan: Plan) -> Bookmark:
    """Return where a stream goes on, given its last chunk.

    Raises:
        StreamMismatch: It was filled from something else.
    """
    fresh = Bookmark(plan.content, plan.reading)
    if newest is None:
        return fresh
    try:
        bookmark = Bookmark(**json.loads(newest.bookmark))
    except (ValueError, TypeError):
        raise StreamMismatch(
            f"{plan.stream!r} is filled by another sender.",
            remedy="Give another --stream.",
            field="--stream",
        ) from None
    for what, before, now in (
        ("The files have", bookmark.content, fresh.content),
        ("The mapping, or --known-at, has", bookmark.reading, fresh.reading),
    ):
        if before != now:
            raise StreamMismatch(
                f"{what} changed since {plan.stream!r} was begun.",
                remedy="Restore it to go on, or give another --stream to begin anew.",
                field="--stream",
            )
    return bookmark
