"""Data files: CSV, JSON Lines and Parquet, read in slices that fit in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from experiments.errors import DataNotFound, UnreadableData
from experiments.ingest.files.csv_file import CsvFile
from experiments.ingest.files.json_lines import JsonLinesFile
from experiments.ingest.files.parquet_file import ParquetFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.ingest.files.slices import DataFile
    from experiments.ingest.mapping.entries import CsvEntry

_JSON_LINES: Final = {".jsonl", ".ndjson"}
_PARQUET: Final = {".parquet", ".pq"}
_CSV: Final = {".csv", ".tsv", ".txt"}


def open_files(paths: Sequence[Path], csv: CsvEntry) -> list[DataFile]:
    """Open data files, each by the end of its name.

    Raises:
        DataNotFound: One of them is not there, or cannot be read.
        UnreadableData: One of them is not of its format.
    """
    return [_open(path, csv) for path in paths]


def _open(path: Path, csv: CsvEntry) -> DataFile:
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataNotFound(
            f"{path} cannot be read: {error.strerror}.",
            remedy="Name a file that is there.",
            field="FILES",
        ) from error
    suffix = path.suffix.lower()
    if suffix in _CSV:
        tabs = suffix == ".tsv" and csv.delimiter == ","
        return CsvFile(path, csv.model_copy(update={"delimiter": "\t"}) if tabs else csv)
    if suffix in _JSON_LINES:
        return JsonLinesFile(path)
    if suffix in _PARQUET:
        return ParquetFile(path)
    raise UnreadableData(
        f"{path} ends with {suffix!r}, which is not a format that is read.",
        remedy="Name it .csv, .tsv, .jsonl or .parquet.",
        field="FILES",
    )
