"""The page requests of a run, as they were planned: what is asked of every variant.

::

    RUN/requests/slice=000.parquet   one record per page, chunk by chunk, by moment

They are written once. A run that goes on reads them again, without those who were erased
meanwhile; chunks keep their numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.atomic_files import atomic_file
from experiments.generation.partitions import Slice
from experiments.scope.page_keys import TEXTS, PageKeys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.arrays import Int64Array

FOLDER: Final = "requests"
_PREFIX: Final = "slice="
_SCHEMA: Final = pa.schema(
    [
        ("chunk", pa.int32()),
        ("as_of", pa.timestamp("us", "UTC")),
        ("profile_id", pa.int64()),
        ("device", pa.string()),
        ("country", pa.string()),
        ("stratum", pa.string()),
    ]
)
_CHUNKS: Final = b"chunks"


def write_requests(directory: Path, slices: Sequence[Slice]) -> None:
    """Write what a run asks for."""
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for one in slices:
        chunks = [_describe(number, pages) for number, pages in enumerate(one.chunks)]
        table = pa.concat_tables(chunks).replace_schema_metadata(
            {_CHUNKS: str(len(one.chunks)).encode()}
        )
        with atomic_file(folder / f"{_PREFIX}{one.number}.parquet") as unfinished:
            pq.write_table(table, unfinished, compression="zstd")


def read_requests(directory: Path) -> tuple[Slice, ...]:
    """Return what a run asks for; slices of which all members were erased are left out."""
    slices = []
    for file in sorted((directory / FOLDER).glob(f"{_PREFIX}*.parquet")):
        table = pq.ParquetFile(file).read()
        count = int(table.schema.metadata[_CHUNKS])
        bounds = np.searchsorted(table["chunk"].to_numpy(), np.arange(count + 1)).tolist()
        pages = _parse(table)
        chunks = tuple(pages[bounds[number] : bounds[number + 1]] for number in range(count))
        if len(pages):
            slices.append(Slice(file.stem.removeprefix(_PREFIX), chunks))
    return tuple(slices)


def find_profiles(slices: Sequence[Slice]) -> Int64Array:
    """Return whose pages are asked for: int64[profiles], ascending, distinct."""
    everybody = [pages.profile_ids for one in slices for pages in one.chunks]
    return np.unique(np.concatenate(everybody))


def _describe(number: int, pages: PageKeys) -> pa.Table:
    return pa.table(
        [
            np.full(len(pages), number, np.int32),
            pa.array(pages.as_of_micros).cast(_SCHEMA.field("as_of").type),
            pages.profile_ids,
            *(
                column.dictionary_decode()
                for column in (pages.devices, pages.countries, pages.strata)
            ),
        ],
        schema=_SCHEMA,
    )


def _parse(table: pa.Table) -> PageKeys:
    devices, countries, strata = (
        table[name].combine_chunks().dictionary_encode().cast(TEXTS)
        for name in ("device", "country", "stratum")
    )
    return PageKeys(
        as_of_micros=table["as_of"].cast(pa.int64()).to_numpy(),
        profile_ids=table["profile_id"].to_numpy(),
        devices=devices,
        countries=countries,
        strata=strata,
    )
