"""A cell of any Arrow type means what its scalar means, or refuses its record."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.moments import EPOCH
from experiments.ingest.files.parquet_file import ParquetFile
from experiments.ingest.records.columns import UnreadableCell, plain_column
from tests.oracle.arrow_cells import NO_VALUE, Moment, is_same, read_scalar
from tests.support.facts.arrow_arrays import random_array

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from experiments.ingest.files.slices import Column


def meaning(cell: object) -> object:
    """Return a plain cell as the oracle writes it."""
    if isinstance(cell, UnreadableCell):
        return NO_VALUE
    if isinstance(cell, datetime):
        aware = cell.tzinfo is not None
        since = (cell if aware else cell.replace(tzinfo=UTC)) - EPOCH
        return Moment(since // timedelta(microseconds=1), aware)
    if isinstance(cell, date):
        return Moment((cell - EPOCH.date()).days * 86_400_000_000, in_utc=False)
    if isinstance(cell, list):
        return [meaning(inner) for inner in cell]
    if isinstance(cell, dict):
        return {key: meaning(inner) for key, inner in cell.items()}
    return cell


def listed(column: Column) -> list[object]:
    """Return the cells of a column."""
    return column if isinstance(column, list) else column.to_pylist()


@given(st.randoms(), st.integers(0, 4))
def test_a_cell_means_what_its_scalar_means(chance: Random, rows: int) -> None:
    array = random_array(chance, rows)
    found = [meaning(cell) for cell in listed(plain_column(array, []))]
    expected = [read_scalar(scalar) for scalar in array]
    assert all(map(is_same, found, expected)), (array.type, found, expected)


@given(st.randoms(), st.integers(1, 4))
def test_a_cell_of_parquet_means_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, chance: Random, rows: int
) -> None:
    array = random_array(chance, rows)
    path = tmp_path_factory.getbasetemp() / "cells.parquet"
    if not write_parquet(path, {"cell": array}):
        return
    stored = pq.read_table(path).column("cell").combine_chunks()
    (found,) = ParquetFile(path).read(["cell"], 0, 10)
    assert len(found.numbers) == rows
    cells = [meaning(cell) for cell in listed(plain_column(found.columns["cell"], []))]
    expected = [read_scalar(scalar) for scalar in stored]
    assert all(map(is_same, cells, expected)), (stored.type, cells, expected)


def write_parquet(path: Path, columns: dict[str, pa.Array]) -> bool:
    """Write a file, and return whether Parquet has the types."""
    try:
        pq.write_table(pa.table(columns), path)
    except (pa.ArrowException, OSError):
        return False
    return True


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("9999-12-31T23:59:59.999999000", Moment(253_402_300_799_999_999, in_utc=False)),
        ("0001-01-01T00:00:00.000000000", Moment(-62_135_596_800_000_000, in_utc=False)),
        ("2024-03-04T12:00:00.000001000", Moment(1_709_553_600_000_001, in_utc=False)),
        ("1969-12-31T23:59:59.999999000", Moment(-1, in_utc=False)),
        ("2024-03-04T12:00:00.000000001", NO_VALUE),
        ("NaT", None),
        (-1, NO_VALUE),
        (2**31 - 1, NO_VALUE),
        (2_440_588 + 2_932_897, NO_VALUE),
        (2_440_588, Moment(0, in_utc=False)),
        (2_440_588 + 2_932_896, Moment(2_932_896 * 86_400_000_000, in_utc=False)),
    ],
)
def test_int96_is_exact_or_refused(tmp_path: Path, moment: str | int, expected: object) -> None:
    """A text is written as Arrow writes it; a number is patched in as the Julian day."""
    path = tmp_path / "int96.parquet"
    is_nanoseconds = isinstance(moment, str) and (
        moment == "NaT" or "1677" < moment[:4] < "2262"
    )
    start = moment if is_nanoseconds else "2024-03-04T00:00:00"
    pq.write_table(
        pa.table({"at": pa.array(np.array([start], "datetime64[ns]"))}),
        path,
        use_deprecated_int96_timestamps=True,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
    )
    if not is_nanoseconds:
        day, nanoseconds = _julian(moment) if isinstance(moment, str) else (moment, 0)
        content = path.read_bytes()
        assert content.count(_int96(2_460_374, 0)) == 1
        patched = content.replace(_int96(2_460_374, 0), _int96(day, nanoseconds))
        path.write_bytes(patched)
    (found,) = ParquetFile(path).read(["at"], 0, 10)
    (cell,) = listed(plain_column(found.columns["at"], []))
    assert meaning(cell) == expected


def _int96(day: int, nanoseconds: int) -> bytes:
    return nanoseconds.to_bytes(8, "little") + day.to_bytes(4, "little", signed=True)


def _julian(text: str) -> tuple[int, int]:
    moment = datetime.fromisoformat(text[:26])
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    micros = (moment - midnight) // timedelta(microseconds=1)
    return 1_721_425 + moment.toordinal(), micros * 1_000
