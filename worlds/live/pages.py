"""The pages that the live system shows, and what it logs of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from services.in_process import InProcessAssembler
from services.page.canonical import canonical_bytes
from services.page.inputs import PROFILE_FEATURE_GROUPS, VIDEO_FEATURE_GROUPS
from services.page.model import PageRequests
from timetravel.facts.model import EntityKind, LoggedFeatures, LoggedPageFact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import Int64Array
    from services.page.model import AssembledPages, PageFailure
    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import FactReader
    from worlds.live.reader import LiveReader
    from worlds.live.system import LiveSystem

SOURCE: Final = "live"
CONTEXT_ATTRIBUTES: Final = ("country", "maturity_limit", "plan", "tenure_since")
"""Attributes of the profile that are logged with a page."""


class LivePages:
    """Show pages, and log them with what they were made from.

    Args:
        system: The live system.
        reader: Through which it reads the store.
    """

    def __init__(self, system: LiveSystem, reader: LiveReader) -> None:
        self._system = system
        self._reader = reader
        self._assembler = InProcessAssembler(reader)

    def show(
        self, shown_at: int, profile_ids: Int64Array, devices: Sequence[str]
    ) -> tuple[list[LoggedPageFact], tuple[PageFailure, ...]]:
        """Make the pages of one moment; return what is to be logged, and what failed.

        Args:
            shown_at: The moment, microseconds.
            profile_ids: int64[pages].
            devices: Device of each.
        """
        moments = np.full(len(profile_ids), shown_at)
        pages = self._assembler.assemble(PageRequests(profile_ids, moments, tuple(devices)))
        failed = {failure.index for failure in pages.failures}
        logged = [self._log(pages, index) for index in range(len(pages)) if index not in failed]
        return logged, pages.failures

    def _log(self, pages: AssembledPages, index: int) -> LoggedPageFact:
        page = pages.page(index)
        shown = {video.video_id for row in page.rows for video in row.videos}
        canonical = canonical_bytes(page)
        return LoggedPageFact(
            profile_id=page.profile_id,
            shown_at=page.as_of_micros,
            known_at=page.as_of_micros,
            device=page.device,
            context=self._context(page.profile_id, page.as_of_micros),
            page=canonical,
            page_digest=hashlib.sha256(canonical).hexdigest(),
            features=(
                *(
                    _read_features(self._reader, group, page.profile_id, page.as_of_micros)
                    for group in PROFILE_FEATURE_GROUPS
                ),
                *(
                    self._system.delivered(group).log(np.array(sorted(shown), np.int64))
                    for group in VIDEO_FEATURE_GROUPS
                ),
            ),
        )

    def _context(self, profile_id: int, at: int) -> Mapping[str, JsonValue]:
        rows = self._reader.attributes(EntityKind.PROFILE, [profile_id], at, CONTEXT_ATTRIBUTES)
        return {name: column[0] for name, column in rows.columns.items()}


def _read_features(reader: FactReader, group: str, profile_id: int, at: int) -> LoggedFeatures:
    rows = reader.features(group, [profile_id], at)
    ids = np.array([profile_id], np.int64)
    return LoggedFeatures(group, ids, rows.values, rows.known_at, rows.valid_from)
