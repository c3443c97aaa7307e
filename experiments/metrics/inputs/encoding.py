"""Encodes pages as the arrays that metrics are written over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.kernel import kernel, kernel_array
from experiments.metrics.definitions.columns import Pages
from services.page.model import RowType
from services.page.ranges import starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import BoolArray, Int16Array, Int32Array, Int64Array

GEOMETRY: Final = ("geometry_rows", "geometry_columns", "viewport_rows", "viewport_columns")
_TEXT: Final = pa.dictionary(pa.int32(), pa.string())
ROWS_SCHEMA: Final = pa.schema(
    [
        ("row_id", _TEXT),
        ("row_type", _TEXT),
        ("title", _TEXT),
        ("videos", pa.list_(pa.int64())),
    ]
)

_UNSEEN = -1
_TYPE_NUMBERS: Final = pa.array([row_type.value for row_type in RowType], pa.int8())
_TYPE_LABELS: Final = pa.array([row_type.label for row_type in RowType])


@dataclass(frozen=True, slots=True, eq=False)
class PageTable:
    """Hold pages of one variant as they are stored.

    Args:
        row_counts: int64[pages], rows of each page; 0 for a page that was not made.
        geometry: int32[pages, 4], as in GEOMETRY.
        rows: Rows of all pages, page by page, as in ROWS_SCHEMA.
    """

    row_counts: Int64Array
    geometry: Int32Array
    rows: pa.Table


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPages:
    """Hold pages of several variants under the same codes.

    Args:
        variants: The pages of each.
        video_ids: int64[videos], by code.
        row_ids: How many row ids there are.
    """

    variants: tuple[Pages, ...]
    video_ids: Int64Array
    row_ids: int

    @property
    def deepest(self) -> int:
        """The greatest depth of a place, and no row or list of rows is longer than one more."""
        depths = (int(pages.depths.max(initial=0)) for pages in self.variants)
        return max(depths, default=0)


def encode_pages(tables: Sequence[PageTable]) -> EncodedPages:
    """Return pages of several variants, each with as many pages as the next."""
    sizes = [len(table.rows) for table in tables]
    rows = pa.concat_tables([table.rows for table in tables]).combine_chunks()
    row_ids, row_id_values = _encode(rows["row_id"], sizes)
    titles, _ = _encode(rows["title"], sizes)
    row_types, labels = _encode(rows["row_type"], sizes)
    numbers = _TYPE_NUMBERS.take(pc.index_in(labels, value_set=_TYPE_LABELS)).to_numpy()
    lists = rows["videos"].combine_chunks()
    lengths = np.split(pc.list_value_length(lists).to_numpy(), np.cumsum(sizes)[:-1])
    cells = [int(own.sum()) for own in lengths]
    videos, video_ids = _encode(lists.flatten().dictionary_encode(), cells)
    variants = []
    for place, table in enumerate(tables):
        row_starts = starts(table.row_counts)
        cell_starts = starts(lengths[place])
        own = videos[place]
        geometry = kernel_array(table.geometry, np.int32)
        depths, steps = np.empty(len(own), np.int16), np.empty(len(own), np.int16)
        repeats, repeats_in_view = np.empty(len(own), np.bool_), np.empty(len(own), np.bool_)
        describe_cells(
            row_starts,
            cell_starts,
            own,
            geometry,
            np.full((2, len(video_ids)), _UNSEEN, np.int64),
            depths,
            steps,
            repeats,
            repeats_in_view,
        )
        variants.append(
            Pages(
                row_starts=row_starts,
                row_ids=row_ids[place],
                titles=titles[place],
                row_types=kernel_array(numbers[row_types[place]], np.int8),
                cell_starts=cell_starts,
                videos=own,
                depths=depths,
                steps=steps,
                is_repeat=repeats,
                is_repeat_in_view=repeats_in_view,
                geometry=geometry,
            )
        )
    return EncodedPages(
        tuple(variants), kernel_array(video_ids.to_numpy(), np.int64), len(row_id_values)
    )


def _encode(
    column: pa.ChunkedArray | pa.DictionaryArray, sizes: Sequence[int]
) -> tuple[list[Int32Array], pa.Array]:
    """Return the codes of parts of a column, and the value of each code."""
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    codes = kernel_array(column.indices.to_numpy(), np.int32)
    return np.split(codes, np.cumsum(sizes)[:-1]), column.dictionary


@kernel
def describe_cells(
    row_starts: Int64Array,
    cell_starts: Int64Array,
    videos: Int32Array,
    geometry: Int32Array,
    seen: Int64Array,
    depths: Int16Array,
    steps: Int16Array,
    repeats: BoolArray,
    repeats_in_view: BoolArray,
) -> None:
    """Write where each cell stands; see `Pages`.

    Args:
        row_starts: int64[pages + 1].
        cell_starts: int64[rows + 1].
        videos: int32[cells], codes.
        geometry: int32[pages, 4].
        seen: int64[2, videos], _UNSEEN; changed.
        depths: int16[cells], written.
        steps: int16[cells], written.
        repeats: bool[cells], written.
        repeats_in_view: bool[cells], written.
    """
    for page in range(len(row_starts) - 1):
        for row in range(row_starts[page], row_starts[page + 1]):
            down = row - row_starts[page]
            for cell in range(cell_starts[row], cell_starts[row + 1]):
                across = cell - cell_starts[row]
                video = videos[cell]
                depths[cell] = down + across
                steps[cell] = max(down - geometry[page, 2] + 1, 0) + max(
                    across - geometry[page, 3] + 1, 0
                )
                repeats[cell] = seen[0, video] == page
                seen[0, video] = page
                repeats_in_view[cell] = steps[cell] == 0 and seen[1, video] == page
                if steps[cell] == 0:
                    seen[1, video] = page
