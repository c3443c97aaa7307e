"""Reads the pages of a run for measuring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from experiments.generation.stored_pages import open_table
from experiments.metrics.errors import NothingToMeasure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

_PAGE_COLUMNS = [
    "variant",
    "page_id",
    "profile_id",
    "device",
    "country",
    "stratum",
    "page_digest",
    "geometry_rows",
    "geometry_columns",
    "viewport_rows",
    "viewport_columns",
]
_ROW_COLUMNS = ["variant", "page_id", "row_index", "row_id", "row_type", "title", "videos"]


def read_pages(directory: Path, variants: Sequence[str]) -> pa.Table:
    """Return the pages of a run that were made, by page id and variant.

    Args:
        directory: The run's.
        variants: Whose pages; others are left out.

    Returns:
        variant, page_id, profile_id, device, country, stratum, page_digest, the four columns
        of the geometry, and as_of_micros.

    Raises:
        NothingToMeasure: There are none.
    """
    if (directory / "pages").is_dir():
        made = pc.field("failure").is_null() & pc.field("variant").isin(list(variants))
        pages = open_table(directory, "pages").to_table([*_PAGE_COLUMNS, "as_of"], made)
        if len(pages):
            micros = pages["as_of"].cast(pa.int64())
            pages = pages.drop_columns("as_of").append_column("as_of_micros", micros)
            return pages.sort_by([("page_id", "ascending"), ("variant", "ascending")])
    raise NothingToMeasure(
        f"{directory} holds no page of {', '.join(variants)}.",
        remedy="Run the experiment first: pagesim run EXPERIMENT.yaml",
        field="run",
    )


def read_rows(connection: Backend, directory: Path) -> ir.Table:
    """Return the rows of all pages of a run, from its files."""
    rows = connection.read_parquet(
        str(directory / "rows" / "**" / "*.parquet"),
        hive_partitioning=True,
        hive_types_autocast=False,
    )
    return rows.select(_ROW_COLUMNS)
