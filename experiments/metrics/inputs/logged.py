"""Reads logged pages beside simulated ones, so that the same metrics apply to both.

A logged page whose digest equals control's is control's page: only the others are decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.moments import EARLIEST_MICROS
from experiments.metrics.inputs.encoding import ROWS_SCHEMA, PageTable
from services.page.canonical import geometry_of, parse_message, row_type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from core.arrays import BoolArray, Int64Array
    from experiments.metrics.inputs.slices import PageSlice, VariantPages
    from timetravel.queries.logged_pages import LoggedDigests
    from timetravel.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class LoggedSlice:
    """Hold the logged pages of a slice, and when any page was shown to its profiles.

    Args:
        is_present: bool[pages]; False where none was logged or no variant made the page.
        equals_control: bool[pages], control made the same bytes.
        digests: string[pages].
        table: The pages that are not control's; the others have no rows.
        shown_to: int64[logged], profiles of every page logged from the first moment of the
            slice until the horizon after its last.
        shown_at: int64[logged].
    """

    is_present: BoolArray
    equals_control: BoolArray
    digests: pa.Array
    table: PageTable
    shown_to: Int64Array
    shown_at: Int64Array


class LoggedPages:
    """Read logged pages as slices come; as these follow each other in time, each is read once.

    Args:
        store: Holds them.
        snapshot: Append position up to which is read.
        profile_ids: Whose pages may be asked for; None means everybody's.
        horizon_micros: For how long after a page others matter.
    """

    def __init__(
        self,
        store: Store,
        snapshot: int,
        profile_ids: Sequence[int] | None,
        *,
        horizon_micros: int,
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._profile_ids = profile_ids
        self._horizon_micros = horizon_micros
        self._since = self._until = EARLIEST_MICROS
        self._held: LoggedDigests | None = None

    def read(self, pages: PageSlice, control: VariantPages) -> LoggedSlice:
        """Return the logged pages of the profiles, moments and devices of a slice.

        Args:
            pages: The slice.
            control: What control made of it.

        Raises:
            InvalidPages: What was logged is not a page.
        """
        shown = self._read_shown(int(pages.as_of.min()), int(pages.as_of.max()))
        is_made = np.any([one.is_made for one in pages.variants.values()], axis=0)
        logged_at = _find_pages(pages, shown)
        digests = pa.array(shown.digests, pa.string()).take(
            pa.array(logged_at, mask=(logged_at < 0) | ~is_made)
        )
        is_present = digests.is_valid().to_numpy(zero_copy_only=False)
        equals_control = are_equal(digests, control.digests)
        others = {
            (int(pages.profile_ids[place]), int(pages.as_of[place])): place
            for place in np.flatnonzero(is_present & ~equals_control).tolist()
        }
        return LoggedSlice(
            is_present,
            equals_control,
            digests,
            lay_out_logged(_read_bytes(self._store, others, self._snapshot), len(digests)),
            shown.profile_ids,
            shown.shown_at,
        )

    def _read_shown(self, first: int, last: int) -> LoggedDigests:
        """Return what was shown from a moment until the horizon after another."""
        until = last + self._horizon_micros + 1
        if self._held is None or not self._since <= first <= self._until:
            self._held = self._read_digests(first, until)
        else:
            self._held = self._held.since(first)
            if until > self._until:
                self._held = self._held.followed_by(self._read_digests(self._until, until))
        self._since, self._until = first, max(until, self._until)
        return self._held

    def _read_digests(self, since: int, until: int) -> LoggedDigests:
        return self._store.logged_digests(
            since=since, until=until, profile_ids=self._profile_ids, snapshot=self._snapshot
        )


def are_equal(digests: pa.Array, others: pa.Array) -> BoolArray:
    """Return which pages have equal digests; a page that was not made has none."""
    equal: BoolArray = (
        pc.equal(digests, others).fill_null(fill_value=False).to_numpy(zero_copy_only=False)
    )
    return equal


def _find_pages(pages: PageSlice, shown: LoggedDigests) -> Int64Array:
    """Return the place of each page's logged one, -1 without one: int64[pages]."""
    # Both are by moment and profile, so a pair of their ranks is one ascending number.
    _, moment_ranks = np.unique(
        np.concatenate([shown.shown_at, pages.as_of]), return_inverse=True
    )
    profiles, profile_ranks = np.unique(
        np.concatenate([shown.profile_ids, pages.profile_ids]), return_inverse=True
    )
    keys = moment_ranks * len(profiles) + profile_ranks
    known, asked = keys[: len(shown.shown_at)], keys[len(shown.shown_at) :]
    if not len(known):
        return np.full(len(asked), -1, np.int64)
    places = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    devices = pa.array(shown.devices, pa.string()).take(pa.array(places))
    is_same = pc.equal(devices, pages.devices).to_numpy(zero_copy_only=False)
    return np.where((known[places] == asked) & is_same, places, -1)


def _read_bytes(
    store: Store, places: dict[tuple[int, int], int], snapshot: int
) -> Iterator[tuple[int, bytes]]:
    """Yield place and canonical bytes of logged pages, by place: slices are by moment."""
    if not places:
        return
    moments = [moment for _, moment in places]
    for logged in store.logged_pages(
        since=min(moments),
        until=max(moments) + 1,
        profile_ids=sorted({profile_id for profile_id, _ in places}),
        snapshot=snapshot,
        with_features=False,
    ):
        place = places.get((logged.profile_id, logged.shown_at))
        if place is not None:
            yield place, logged.page


def lay_out_logged(pages: Iterable[tuple[int, bytes]], size: int) -> PageTable:
    """Return logged pages in columns.

    Args:
        pages: Place and canonical bytes of each page; other places have no rows.
        size: How many places there are.

    Raises:
        InvalidPages: Bytes are not a page.
    """
    row_counts = np.zeros(size, np.int64)
    geometry = np.ones((size, 4), np.int32)
    row_ids: list[str] = []
    row_types: list[str] = []
    titles: list[str] = []
    ends = [0]
    videos: list[int] = []
    for place, canonical in sorted(pages):
        message = parse_message(canonical)
        shape = geometry_of(message.geometry)
        geometry[place] = (
            shape.rows,
            shape.columns,
            shape.viewport_rows,
            shape.viewport_columns,
        )
        row_counts[place] = len(message.rows)
        for row in message.rows:
            row_ids.append(row.row_id)
            row_types.append(row_type_of(row.type).label)
            titles.append(row.title)
            videos.extend([video.video_id for video in row.videos])
            ends.append(len(videos))
    rows = pa.table(
        [
            *(
                pa.array(texts, pa.string()).dictionary_encode()
                for texts in (row_ids, row_types, titles)
            ),
            pa.ListArray.from_arrays(np.array(ends, np.int32), pa.array(videos, pa.int64())),
        ],
        schema=ROWS_SCHEMA,
    )
    return PageTable(row_counts, geometry, rows)
