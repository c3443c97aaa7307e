"""Prepares logged pages like simulated ones, so that the same metrics apply to both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from experiments.metrics.definitions.definition import LOGGED
from services.page.canonical import parse_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from services.page.model import Page
    from timetravel.queries.logged_pages import LoggedPage

LOGGED_PAGES_SCHEMA = pa.schema(
    [
        ("variant", pa.string()),
        ("page_id", pa.string()),
        ("page_digest", pa.string()),
        ("geometry_rows", pa.int32()),
        ("geometry_columns", pa.int32()),
        ("viewport_rows", pa.int32()),
        ("viewport_columns", pa.int32()),
    ]
)
LOGGED_ROWS_SCHEMA = pa.schema(
    [
        ("variant", pa.string()),
        ("page_id", pa.string()),
        ("row_index", pa.int32()),
        ("row_id", pa.string()),
        ("row_type", pa.string()),
        ("title", pa.string()),
        ("videos", pa.list_(pa.int64())),
    ]
)


SHOWN_SCHEMA = pa.schema([("profile_id", pa.int64()), ("shown_at", pa.int64())])


@dataclass(frozen=True, slots=True, eq=False)
class LoggedPages:
    """Hold the logged pages that belong to simulated ones, and when any page was shown.

    Args:
        pages: variant ("logged"), page_id, page_digest and the geometry.
        rows: variant, page_id, row_index, row_id, row_type, title, videos.
        shown: profile_id, shown_at; every logged page, simulated or not.
    """

    pages: pa.Table
    rows: pa.Table
    shown: pa.Table


def lay_out_logged(
    logged_pages: Iterable[LoggedPage], page_ids: Mapping[tuple[int, int, str], str]
) -> LoggedPages:
    """Return the logged pages of the wanted profiles, moments and devices.

    Args:
        logged_pages: All that may be of use.
        page_ids: Page id by profile, moment in microseconds and device.
    """
    pages: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    shown: list[tuple[int, int]] = []
    for logged in logged_pages:
        shown.append((logged.profile_id, logged.shown_at))
        page_id = page_ids.get((logged.profile_id, logged.shown_at, logged.device))
        if page_id is not None:
            page = parse_page(logged.page)
            pages.append(_page_record(page, page_id, logged.page_digest))
            rows.extend(_row_records(page, page_id))
    return LoggedPages(
        pages=pa.Table.from_pylist(pages, LOGGED_PAGES_SCHEMA),
        rows=pa.Table.from_pylist(rows, LOGGED_ROWS_SCHEMA),
        shown=pa.table(
            [[profile for profile, _ in shown], [moment for _, moment in shown]],
            schema=SHOWN_SCHEMA,
        ),
    )


def _page_record(page: Page, page_id: str, page_digest: str) -> dict[str, object]:
    return {
        "variant": LOGGED,
        "page_id": page_id,
        "page_digest": page_digest,
        "geometry_rows": page.geometry.rows,
        "geometry_columns": page.geometry.columns,
        "viewport_rows": page.geometry.viewport_rows,
        "viewport_columns": page.geometry.viewport_columns,
    }


def _row_records(page: Page, page_id: str) -> list[dict[str, object]]:
    return [
        {
            "variant": LOGGED,
            "page_id": page_id,
            "row_index": index,
            "row_id": row.row_id,
            "row_type": row.type.label,
            "title": row.title,
            "videos": [video.video_id for video in row.videos],
        }
        for index, row in enumerate(page.rows)
    ]
