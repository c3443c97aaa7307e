"""Compares readers of CSV: the one of ingest, and Arrow's alone.

    python -m benchmarks.csv_reading [--rows NUMBER]

Both turn the same file into the same columns of bytes, once without quotes and once with
quotes around every cell. Ingest splits lines without quotes by Arrow, and reads the others by
Python's csv in its strict mode (`experiments/ingest/files/csv_file.py`). Figures of one run
on one machine: compare them with each other.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from experiments.ingest.files.csv_file import CsvFile
from experiments.ingest.mapping.entries import CsvEntry


def main() -> None:
    """Read files of few and of many columns, and print the speed of each reader."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.csv_reading", description="Compare readers of CSV."
    )
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    print(f"{rows:,} rows{'':32}{'MB/s of CPU':>13}{'rows/s of CPU':>16}")
    for columns, quote in ((5, ""), (52, ""), (5, '"'), (52, '"')):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "numbers.csv"
            write(path, columns, rows, quote)
            for title, read in (("ingest", read_strictly), ("Arrow", read_by_arrow)):
                began = time.process_time()
                assert read(path) == rows  # noqa: S101 - the same work
                seconds = time.process_time() - began
                megabytes = path.stat().st_size / 1e6
                quoted = "with quotes" if quote else "without quotes"
                print(
                    f"{columns:>3} columns {quoted:14} {title:8}{megabytes / seconds:>13,.0f}"
                    f"{rows / seconds:>16,.0f}"
                )


def write(path: Path, columns: int, rows: int, quote: str) -> None:
    """Write a file of numbers, each between two quotes."""
    header = ",".join(f"column-{number}" for number in range(columns))
    with path.open("w") as file:
        file.write(f"{header}\n")
        for row in range(rows):
            numbers = (row + column / 7 for column in range(columns))
            file.write(",".join(f"{quote}{number:.4f}{quote}" for number in numbers) + "\n")


def read_strictly(path: Path) -> int:
    """Read as ingest does."""
    file = CsvFile(path, CsvEntry.model_validate({}))
    return sum(len(found.numbers) for found in file.read(file.columns(), 0, 50_000))


def read_by_arrow(path: Path) -> int:
    """Read with Arrow, in one thread."""
    names = pc.open_csv(path).schema.names
    reader = pc.open_csv(
        path,
        read_options=pc.ReadOptions(use_threads=False, block_size=4 << 20),
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=pc.ConvertOptions(column_types={name: pa.binary() for name in names}),
    )
    return sum(len(batch) for batch in reader)


if __name__ == "__main__":
    main()
