"""Reads pages: simulated ones from a run's files, logged ones from the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from services.page.canonical import parse_page
from services.page.inputs import TITLE
from services.page.model import Geometry, Page, PageRow, PageVideo, RowType
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from timetravel.reading.reader import FactReader
    from timetravel.store import Store

_HIVE = ds.partitioning(
    pa.schema(
        [("experiment", pa.string()), ("variant", pa.string()), ("partition", pa.string())]
    ),
    flavor="hive",
)
_RECORDS_AT_ONCE = 16_384
_ROW_TYPES = {row_type.label: row_type for row_type in RowType}


def open_table(directory: Path, table: str) -> ds.Dataset:
    """Return a table ("pages" or "rows") of a run, with experiment, variant and partition."""
    return ds.dataset(directory / table, format="parquet", partitioning=_HIVE)


def read_page_keys(directory: Path, variants: Sequence[str]) -> pa.Table:
    """Return whose pages of which moments some variant made: profile_id, as_of; distinct.

    Args:
        directory: The run's.
        variants: Whose pages; others are left out.
    """
    made = pc.field("failure").is_null() & pc.field("variant").isin(list(variants))
    pages = open_table(directory, "pages").to_table(["profile_id", "as_of"], made)
    return pages.group_by(["profile_id", "as_of"]).aggregate([])


def find_page_ids(directory: Path, profile_id: int) -> list[str]:
    """Return the ids of the pages that a run has of a profile, by moment."""
    if not (directory / "pages").is_dir():
        return []
    found = open_table(directory, "pages").to_table(
        columns=["page_id"], filter=pc.field("profile_id") == profile_id
    )
    # Of one profile the order of ids is the order of moments.
    return sorted(set(found["page_id"].to_pylist()))


def find_profile_ids(directory: Path) -> list[int]:
    """Return the profiles of whom a run has pages, in ascending order."""
    if not (directory / "pages").is_dir():
        return []
    found = open_table(directory, "pages").to_table(columns=["profile_id"])
    return sorted(found["profile_id"].unique().to_pylist())


def read_simulated(directory: Path, variant: str, page_ids: Sequence[str]) -> dict[str, Page]:
    """Return pages of one variant by page id, without video titles; failed ones are left out.

    Args:
        directory: The run's.
        variant: Whose pages.
        page_ids: Which.
    """
    wanted = (pc.field("variant") == variant) & pc.field("page_id").isin(list(page_ids))
    pages = _read(directory, "pages", wanted & pc.field("failure").is_null())
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in _read(directory, "rows", wanted):
        rows.setdefault(row["page_id"], []).append(row)
    return {
        record["page_id"]: _page(record, rows.get(record["page_id"], [])) for record in pages
    }


def read_logged(store: Store, profile_id: int, shown_at: int, snapshot: int) -> Page | None:
    """Return the page logged for a profile at a moment (microseconds), None if none was."""
    found = store.logged_pages(
        since=shown_at,
        until=shown_at + 1,
        profile_ids=[profile_id],
        snapshot=snapshot,
        with_features=False,
    )
    for logged in found:
        return parse_page(logged.page)
    return None


def add_titles(store: Store, reader: FactReader, pages: Iterable[Page]) -> list[Page]:
    """Return the pages with the video titles as known at their as-of."""
    pages = list(pages)
    keys = {
        (page.as_of_micros, video.video_id)
        for page in pages
        for row in page.rows
        for video in row.videos
    }
    titles = read_titles(store, reader, keys)
    return [_entitled(page, titles) for page in pages]


def read_titles(
    store: Store, reader: FactReader, keys: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], str]:
    """Return the title of each video at a moment, in words if none was known.

    Args:
        store: Names the videos without one.
        reader: As-of reader of the store.
        keys: (moment in microseconds, video id) pairs.
    """
    keys = sorted(set(keys))
    found = reader.attributes(
        EntityKind.VIDEO,
        np.array([video_id for _, video_id in keys], np.int64),
        np.array([moment for moment, _ in keys], np.int64),
        (TITLE,),
    ).columns[TITLE]
    untitled = [key[1] for key, title in zip(keys, found, strict=True) if not title]
    named = dict(zip(untitled, store.name_entities(EntityKind.VIDEO, untitled), strict=True))
    return {
        key: str(title or f"video {named[key[1]]}")
        for key, title in zip(keys, found, strict=True)
    }


def _entitled(page: Page, titles: Mapping[tuple[int, int], str]) -> Page:
    rows = tuple(
        replace(
            row,
            videos=tuple(
                replace(video, title=titles[page.as_of_micros, video.video_id])
                for video in row.videos
            ),
        )
        for row in page.rows
    )
    return replace(page, rows=rows)


def _read(directory: Path, table: str, wanted: pc.Expression) -> list[dict[str, Any]]:
    # Few are wanted of many, and what is read ahead is held in memory.
    found = open_table(directory, table).to_table(
        filter=wanted, batch_size=_RECORDS_AT_ONCE, batch_readahead=1, fragment_readahead=1
    )
    return list(found.to_pylist())


def _page(record: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Page:
    return Page(
        profile_id=record["profile_id"],
        as_of_micros=pa.scalar(record["as_of"], pa.timestamp("us", "UTC")).value,
        device=record["device"],
        rows=tuple(
            PageRow(
                row_id=row["row_id"],
                type=_ROW_TYPES[row["row_type"]],
                title=row["title"],
                videos=tuple(
                    PageVideo(video_id, score)
                    for video_id, score in zip(row["videos"], row["scores"], strict=True)
                ),
                score=row["row_score"],
            )
            for row in sorted(rows, key=lambda row: row["row_index"])
        ),
        geometry=Geometry(
            rows=record["geometry_rows"],
            columns=record["geometry_columns"],
            viewport_rows=record["viewport_rows"],
            viewport_columns=record["viewport_columns"],
        ),
    )
