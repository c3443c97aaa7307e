"""Pages written batch by batch: the same records however they come, in groups cut alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.moments import EARLIEST_MICROS, format_moment
from experiments.generation.external_ids import PageIds
from experiments.generation.pages import (
    ChunkTables,
    PartitionPath,
)
from services.in_process import InProcessAssembler
from services.page.model import AssembledPages, PageFailure
from tests.support.pages.page_keys import PageRow, keys_of, requests_of, rows_of
from tests.support.pages.page_worlds import DAY, START, make_world

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.scope.page_keys import PageKeys

WORLD = make_world(3)
ASSEMBLER = InProcessAssembler(WORLD.reader())
KEYS = keys_of(
    (START + 20 * DAY + number, profile_id, device, country, f"country={country}")
    for number, (profile_id, device, country) in enumerate(
        (profile_id, device, country)
        for profile_id in WORLD.profile_ids
        for device, country in (("tv", "US"), ("", None), ("phone", "DE"))
    )
)


def make(keys: PageKeys) -> AssembledPages:
    """Return the pages; a batch of two is refused."""
    requests = requests_of(keys)
    if len(keys) != 2:
        return ASSEMBLER.assemble(requests)
    refused = grpc.StatusCode.INTERNAL
    return AssembledPages.failed(
        requests, [PageFailure(index, refused, "injected") for index in range(2)]
    )


def describe(key: PageRow, pages: AssembledPages, index: int) -> dict[str, Any]:
    geometry = pages.geometries[index]
    newest = int(pages.newest_known_at[index])
    return {
        "page_id": f"{key.profile_id}@{format_moment(key.as_of_micros)}",
        "profile_id": key.profile_id,
        "as_of": np.datetime64(key.as_of_micros, "us"),
        "device": pages.requests.devices[index] or key.device,
        "country": key.country,
        "stratum": key.stratum,
        "page_digest": pages.digests[index],
        "newest_known_at": None if newest == EARLIEST_MICROS else np.datetime64(newest, "us"),
        "row_count": len(pages.page(index).rows) if geometry else 0,
        "geometry_rows": geometry.rows if geometry else None,
        "geometry_columns": geometry.columns if geometry else None,
        "viewport_rows": geometry.viewport_rows if geometry else None,
        "viewport_columns": geometry.viewport_columns if geometry else None,
        "failure": None if geometry else "INTERNAL: injected",
    }


def describe_rows(key: PageRow, pages: AssembledPages, index: int) -> list[dict[str, Any]]:
    if pages.geometries[index] is None:
        return []
    return [
        {
            "page_id": f"{key.profile_id}@{format_moment(key.as_of_micros)}",
            "profile_id": key.profile_id,
            "row_index": place,
            "row_id": row.row_id,
            "row_type": row.type.label,
            "title": row.title,
            "videos": [video.video_id for video in row.videos],
            "scores": [video.score for video in row.videos],
            "row_score": row.score,
        }
        for place, row in enumerate(pages.page(index).rows)
    ]


def read(path: PartitionPath, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pa.concat_tables(
        [pq.ParquetFile(file).read() for file in path.files(table)]
    ).to_pylist()
    return [
        {
            name: np.datetime64(value.replace(tzinfo=None), "us")
            if name in {"as_of", "newest_known_at"} and value is not None
            else value
            for name, value in record.items()
        }
        for record in found
    ]


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_what_was_made_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[list[int]]
) -> None:
    path = PartitionPath(tmp_path_factory.mktemp("run"), "trial", "control", "000")
    batches, first = [], 0
    for number, sizes in enumerate(chunks):
        tables = ChunkTables(PageIds.by_numbers())
        for size in sizes:
            if len(keys := KEYS[first : first + size]):
                batches.append((keys, make(keys)))
                tables.add(*batches[-1])
            first += size
        tables.write(path, number)
    made = [
        (key, pages, index)
        for keys, pages in batches
        for index, key in enumerate(rows_of(keys))
    ]
    assert read(path, "pages") == [describe(*one) for one in made]
    assert read(path, "rows") == [row for one in made for row in describe_rows(*one)]
    assert {pq.read_metadata(file).num_row_groups for file in path.files("pages")} == {1}


def test_a_chunk_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = PartitionPath(tmp_path, "trial", "control", "000")
    tables = ChunkTables(PageIds.by_numbers())
    tables.add(KEYS[:4], make(KEYS[:4]))

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    for written in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(pq, "write_table", fail)
            with pytest.raises(ZeroDivisionError):
                tables.write(path, 0)
        assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == [
            "chunk-00000.parquet"
        ] * (2 * written)
        tables.write(path, 0)
    assert len(read(path, "pages")) == 4


def test_a_partition_of_which_no_page_was_made_has_no_row(tmp_path: Path) -> None:
    path = PartitionPath(tmp_path, "trial", "control", "000")
    tables = ChunkTables(PageIds.by_numbers())
    tables.add(KEYS[:2], make(KEYS[:2]))
    tables.write(path, 0)
    assert len(read(path, "pages")) == 2
    assert read(path, "rows") == []
