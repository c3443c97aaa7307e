"""A cell of CSV is what was written, wherever lines and blocks end; or it is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidMapping, UnreadableData
from experiments.ingest.files import csv_file
from experiments.ingest.files.csv_file import CsvFile
from experiments.ingest.mapping.entries import CsvEntry

if TYPE_CHECKING:
    from tests.unit.experiments.ingest.conftest import Load

ATTRIBUTES = """
time_zone: UTC
entity_kind: {constant: video}
entity_id: film
valid_from: {constant: 2024-01-01}
known_at: {constant: 2024-01-01}
values: {title: title}
"""
CELLS = st.text(st.sampled_from('ab"\\,;\t \r\nNé'), max_size=6)


def read(path: Path, entry: CsvEntry, size: int = 7) -> list[tuple[str, ...]]:
    """Return the cells of a file with no record that is refused."""
    file = CsvFile(path, entry)
    rows: list[tuple[str, ...]] = []
    for found in file.read(file.columns(), 0, size):
        assert not found.unreadable
        columns = [
            column if isinstance(column, list) else column.to_pylist()
            for column in found.columns.values()
        ]
        rows += [
            tuple(str(cell, "utf-8") for cell in row) for row in zip(*columns, strict=True)
        ]
    return rows


@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    escape=st.sampled_from([None, "\\"]),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    delimiter: str,
    end: str,
    escape: str | None,
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=end,
        # Left to itself, it puts no quotes around an end of line that is not its own.
        quoting=csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL,
        escapechar=escape,
        doublequote=escape is None,
    )
    writer.writerows([("one", "other"), *rows])
    path.write_text(text.getvalue(), newline="")
    entry = CsvEntry.model_validate({"delimiter": delimiter, "escape": escape})
    assert read(path, entry) == rows


@given(
    header=st.sampled_from(
        [
            b"one,other,\n",
            b"one,other,\r\n",
            b"one,other,\r",
            b"\none,other,\n",
            b"\r\none,other,\n",
            b"\xef\xbb\xbfone,other,\n",
            b"\xef\xbb\xbf\none,other,\n",
            b'one,"other",\n',
        ]
    ),
    content=st.lists(
        st.sampled_from(
            [b"a", b"1", b",", b",", b"\n", b"\n", b"\r\n", b"\r", b'"', b"\xff", b" "]
        ),
        max_size=60,
    ).map(b"".join),
    block_bytes=st.integers(20, 60),
    start=st.integers(0, 3),
)
def test_lines_read_at_once_are_read_as_they_are_one_by_one(
    tmp_path_factory: pytest.TempPathFactory,
    header: bytes,
    content: bytes,
    block_bytes: int,
    start: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "blocks.csv"
    path.write_bytes(header + content)
    found = []
    for size in (block_bytes, 1):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(csv_file, "_BLOCK_BYTES", size)
            file = CsvFile(path, CsvEntry.model_validate({}))
            rows: list[tuple[object, ...]] = []
            for part in file.read(["one", "other"], start, 4):
                cells = [column.to_pylist() for column in part.columns.values()]  # type: ignore[union-attr]
                for number, *row in zip(part.numbers.tolist(), *cells, strict=True):
                    rows.append((file.line_of(number), number, *row))
                rows += [(file.line_of(one.number), *one) for one in part.unreadable]
            found.append(rows)
    assert found[0] == found[1]


@pytest.mark.parametrize("shift", range(-2, 3))
def test_an_end_of_line_within_quotes_is_kept_wherever_a_block_ends(
    tmp_path: Path, shift: int
) -> None:
    """Apache Arrow's reader loses the LF of a CRLF that lies across two of its blocks."""
    path = tmp_path / "large.csv"
    long = "z" * ((4 << 20) + shift)
    path.write_bytes(f'a,b\r\n1,"{long}\r\nend"\r\n2,"\r\n"\r\n'.encode())
    assert read(path, CsvEntry.model_validate({})) == [("1", f"{long}\r\nend"), ("2", "\r\n")]


@pytest.mark.parametrize(
    ("line", "csv_options", "rule"),
    [
        (rb'1,"The \"Best\" Film"', "", "follows a closing quote"),
        (b'1,"The "Best" Film"', "", "follows a closing quote"),
        (b'1,"Film" ', "", "follows a closing quote"),
        (b'"1"0,Film', "", "follows a closing quote"),
        (b"1,Film,", "", "3 cells, and the header 2"),
        (b"1", "", "1 cells, and the header 2"),
        (rb"1,C:\new", "csv: {escape: '\\'}", "not an escape that is read"),
        (rb"1,a\tb", "csv: {escape: '\\'}", "not an escape that is read"),
        (rb"1,x\N", "csv: {escape: '\\'}", "not an escape that is read"),
        (b'1,"Film', "", "A quote is not closed"),
        (b"1,\xff", "", "not UTF-8"),
        (b'1,"' + b"x" * (17 << 20) + b'"', "", "longer than 16 MiB"),
        (b"9" * 5_000 + b",Film", "", "not a whole number"),
        (b"9223372036854775808,Film", "", "Ids lie between"),
        (b"1\x00,Film", "", "not a whole number"),
    ],
)
def test_a_record_that_is_written_otherwise_is_refused_and_the_next_is_taken(
    load: Load, line: bytes, csv_options: str, rule: str
) -> None:
    last = b"" if rule.startswith("A quote") else b"3,Last\n"
    Path("f.csv").write_bytes(b"film,title\n2,First\n" + line + b"\n" + last)
    report = load([Path("f.csv")], "attributes", ATTRIBUTES + csv_options)
    (refused,) = report.first_refused
    assert refused.line == 3
    assert rule in refused.rule
    assert report.facts == 1 + bool(last)


def test_escapes_and_nulls_of_mysql_are_read_as_it_wrote_them(load: Load) -> None:
    lines = [
        rb'1,"The \"Best\" Film"',
        rb"2,\N",
        rb"3,a\\b\, c",
        b"4,two\\\nlines",
        rb"5,\\N",
    ]
    Path("f.csv").write_bytes(b"film,title\n" + b"\n".join(lines) + b"\n")
    options = "csv: {escape: '\\'}\nmissing: ['', '\\N']\n"
    report = load([Path("f.csv")], "attributes", ATTRIBUTES + options)
    assert (report.facts, report.refused) == (3, 0)


@pytest.mark.parametrize(
    "options",
    [
        "csv: {delimiter: '\"'}",
        "csv: {escape: ','}",
        "csv: {escape: '\"'}",
        'csv: {quote: "\\n"}',
        'csv: {delimiter: "\\r"}',
        'csv: {escape: "\\0"}',
    ],
)
def test_a_dialect_that_cannot_be_told_apart_is_refused(load: Load, options: str) -> None:
    Path("f.csv").write_text("film,title\n1,Film\n")
    with pytest.raises(InvalidMapping, match=r"different from each other|control"):
        load([Path("f.csv")], "attributes", ATTRIBUTES + options)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (b"film,title,,", True),
        (b"film,title,x,x", True),
        (b"\xef\xbb\xbffilm,title,a,b", True),
        (b"\n\nfilm,title,a,b", True),
        (b"film,title,title,b", False),
        (b"film,title,film,film", False),
    ],
)
def test_columns_of_one_name_are_refused_only_where_they_are_used(
    load: Load, header: bytes, *, taken: bool
) -> None:
    Path("f.csv").write_bytes(header + b"\n1,Film,,\n")
    if taken:
        assert load([Path("f.csv")], "attributes", ATTRIBUTES).facts == 1
        return
    with pytest.raises(InvalidMapping, match=r"f.csv has the column '\w+' [23] times"):
        load([Path("f.csv")], "attributes", ATTRIBUTES)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_file_in_another_encoding_is_refused(load: Load, encoding: str) -> None:
    Path("f.csv").write_text("film,title\n1,Film\n", encoding=encoding)
    with pytest.raises((UnreadableData, InvalidMapping)):
        load([Path("f.csv")], "attributes", ATTRIBUTES)
