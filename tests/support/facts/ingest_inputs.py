"""Random files for ingest, many of them hostile or damaged, and what they may say at most.

Whatever a file holds, ingest ends without a fault of its own, and takes no fact that a plain
reading of the same file, cell by cell, does not give.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import PagesimError
from core.moments import parse_moment, to_micros
from experiments.ingest.mapping.mapping import load_mapping
from experiments.ingest.plan import make_plan
from experiments.ingest.records.facts import read_facts
from experiments.ingest.records.reading import Reading
from experiments.ingest.refusals import Refusals, RowMistakes, write_refused
from tests.oracle.arrow_cells import NO_VALUE, Moment, read_scalar
from tests.support.facts.arrow_arrays import MOMENT_SECONDS, make_array, random_array
from timetravel.facts.external_ids import EntityNames, IdForm
from timetravel.facts.model import AttributeFact, EntityKind, EventFact, EventKind
from timetravel.ingest.limits import Limits
from timetravel.ingest.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

    from experiments.ingest.mapping.mapping import LoadedMapping
    from timetravel.database.registry import Registry

NOW: Final = parse_moment("2026-01-01")
NUMBERS: Final = dict.fromkeys(EntityKind, IdForm.NUMBERS)
_ROWS_IN_A_SLICE: Final = 2
_MAPPINGS: Final = {
    "events": """
time_zone: UTC
event_id: id
profile_id: profile
event_at: at
known_at: seen
kind: what
video_id: film
value: value
""",
    "attributes": """
time_zone: UTC
missing: ['', NA]
entity_kind: {constant: video}
entity_id: film
valid_from: at
known_at: seen
values: {mood: id, withdrawn: what, maturity: profile, year: value}
""",
    "features": """
time_zone: UTC
group: profile_taste
entity_id: profile
valid_from: at
known_at: seen
values: {a: value, b: film}
""",
}
_ISO: Final = "2024-03-04T12:00:00Z"
_RIGHT: Final[dict[str, Callable[[Random], Any]]] = {
    "id": lambda chance: f"e{chance.randrange(10**9)}",
    "profile": lambda chance: chance.randrange(100),
    "at": lambda _: _ISO,
    "seen": lambda _: _ISO,
    "what": lambda _: "play",
    "film": lambda chance: chance.randrange(1000),
    "value": lambda chance: chance.choice([0.0, 0.25, 1.0]),
}
_WORDS: Final = (
    *("", "NA", "17", " 7", "603.0", "1e3", "-1", "9" * 400, "nan", "inf", "x" * 600, "\0"),
    *(_ISO, "2024-03-04", "20240304120000Z", "2024-03-04 12:00 UTC", "2024-W10-1", "24-3-4"),
    *("true", "play", "rating", "Dräma", "\x1b[2J", '"', "a,b", "a\nb", "\r", "\\N", "\ufeff"),
)
_WHOLE: Final = re.compile(r"\s*([-+]?[0-9]+)(\.0*)?\s*")


@dataclass(frozen=True)
class Input:
    """A file, and the kind of facts that are asked of it."""

    path: Path
    kind: str
    is_right: bool
    rows: int


def random_input(chance: Random, folder: Path) -> Input:
    """Write a random file, and return it."""
    kind = chance.choice(sorted(_MAPPINGS))
    rows = chance.randrange(1, 6)
    suffix = chance.choice(["parquet", "csv", "jsonl"])
    hostile = {name for name in _RIGHT if chance.random() < chance.choice([0, 0.2, 0.6])}
    path = folder / f"input.{suffix}"
    if suffix == "parquet":
        content = _write_parquet(chance, rows, hostile)
    elif suffix == "csv":
        content = _write_csv(chance, rows, hostile)
    else:
        content = _write_json_lines(chance, rows, hostile)
    is_damaged = chance.random() < 0.3
    path.write_bytes(_damage(chance, content) if is_damaged else content)
    # No film is withdrawn by a play.
    is_right = not hostile and not is_damaged and kind != "attributes"
    return Input(path, kind, is_right, rows)


def load_mappings(folder: Path) -> dict[str, LoadedMapping]:
    """Return the mapping of each kind."""
    found = {}
    for kind, text in _MAPPINGS.items():
        path = folder / f"{kind}.yaml"
        path.write_text(text)
        found[kind] = load_mapping(path, kind)
    return found


def check_input(one: Input, mapping: LoadedMapping, registry: Registry) -> int:
    """Read a file as ingest does, and return how many facts it gives.

    Raises:
        AssertionError: A fact is not what the cells of its record say.
    """
    rules = Rules(Limits(), NOW)
    taken = 0
    try:
        plan = make_plan([one.path], mapping, registry, stream="s", known_at=None)
        (file,) = plan.files
        for found in file.read(plan.columns, 0, _ROWS_IN_A_SLICE):
            mistakes = RowMistakes()
            decoded = read_facts(
                Reading(found, plan.entry, rules, mistakes, EntityNames(NUMBERS)),
                plan.entry,
                registry,
            )
            with Refusals(None) as refusals:
                write_refused(file, found, mistakes.kept, refusals)
                for refused in refusals.first:
                    assert len(str(refused)) < 2_000
            taken += len(decoded)
            if len(decoded):
                records = _read_plainly(one.path)
                for row, fact in decoded.each():
                    _check_fact(fact, records[int(found.numbers[row])], one.kind)
    except PagesimError:
        if one.is_right:
            raise
    assert taken >= one.rows or not one.is_right
    return taken


def _write_parquet(chance: Random, rows: int, hostile: set[str]) -> bytes:
    columns: list[pa.Array] = []
    for name, make in _RIGHT.items():
        array = pa.array([make(chance) for _ in range(rows)])
        if name in hostile:
            array = random_array(chance, rows)
        elif name in {"at", "seen"} and chance.random() < 0.5:
            array = make_array(pa.timestamp("s", tz="UTC"), [MOMENT_SECONDS] * rows)
        columns.append(array)
    names = list(_RIGHT)
    if hostile and chance.random() < 0.2:
        columns.append(random_array(chance, rows))
        names.append(chance.choice(names))
    sink = io.BytesIO()
    for _ in range(5):
        try:
            pq.write_table(
                pa.Table.from_arrays(columns, names=names),
                sink,
                row_group_size=chance.choice([1, 2, 10]),
                use_deprecated_int96_timestamps=chance.random() < 0.3,
                compression=chance.choice(["none", "snappy"]),
            )
        except (pa.ArrowException, OSError, OverflowError):
            sink = io.BytesIO()
            columns = [
                pa.nulls(rows, pa.string()) if name in hostile else column
                for name, column in zip(names, columns, strict=True)
            ]
        else:
            return sink.getvalue()
    return sink.getvalue()


def _write_csv(chance: Random, rows: int, hostile: set[str]) -> bytes:
    text = io.StringIO()
    end = chance.choice(["\n", "\r\n"])
    # Left to itself, it puts no quotes around a carriage return.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if hostile else csv.QUOTE_MINIMAL
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerow(_RIGHT)
    for _ in range(rows):
        writer.writerow(
            [
                chance.choice(_WORDS) if name in hostile else make(chance)
                for name, make in _RIGHT.items()
            ]
        )
    return text.getvalue().encode(chance.choice(["utf-8", "utf-8", "utf-8-sig"]))


def _write_json_lines(chance: Random, rows: int, hostile: set[str]) -> bytes:
    def value() -> object:
        return chance.choice(
            [
                chance.choice(_WORDS),
                chance.choice([None, True, 0, -1, 17, 16.0, 0.5, 1e300, 10**30, 2**63]),
                [chance.choice(_WORDS)],
                {"a": chance.choice(_WORDS)},
            ]
        )

    records = [
        {name: value() if name in hostile else make(chance) for name, make in _RIGHT.items()}
        for _ in range(rows)
    ]
    lines = [json.dumps(record, ensure_ascii=chance.random() < 0.5) for record in records]
    return ("\n".join(lines) + "\n").encode(errors="surrogatepass")


def _damage(chance: Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(damaged) + 1)
        match chance.randrange(4):
            case 0:
                damaged[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del damaged[place : place + chance.randrange(1, 20)]
            case 2:
                damaged[place:place] = chance.choice(
                    [b'"', b"\\", b"\xff", b"\0", b"\n", b",", b"{", b"9" * 5_000]
                )
            case _:
                damaged[place:] = damaged[place : place + chance.randrange(50)]
    return bytes(damaged)


def _read_plainly(path: Path) -> dict[int, dict[str, object]]:
    """Return the records of a file by number, those left out that cannot be read."""
    if path.suffix == ".parquet":
        return _read_parquet(path)
    if path.suffix == ".jsonl":
        return dict(_read_lines(path.read_bytes()))
    text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: dict[int, dict[str, object]] = {}
    header: list[str] | None = None
    number = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return records
        except csv.Error:
            number += header is not None
            continue
        if row and header is None:
            header = row
        elif row and header is not None:
            cells = dict(zip(header, row, strict=False))
            records[number] = {
                name: NO_VALUE if _is_not_utf8(cell) else cell for name, cell in cells.items()
            }
            number += 1


def _read_parquet(path: Path) -> dict[int, dict[str, object]]:
    """Read each column by itself, as far as a damaged file goes."""
    records: dict[int, dict[str, object]] = defaultdict(lambda: defaultdict(lambda: NO_VALUE))
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        first = 0
        for group in range(file.num_row_groups):
            for name in set(file.schema_arrow.names) & set(_RIGHT):
                number = first
                try:
                    for batch in file.iter_batches(1, [group], [name]):
                        (column,) = batch.columns
                        records[number][name] = read_scalar(column[0])
                        number += 1
                except (pa.ArrowException, OSError, ValueError):
                    continue
            first += file.metadata.row_group(group).num_rows
    return records


def _read_lines(content: bytes) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(content.split(b"\n")):
        try:
            record = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield number, dict.fromkeys(_RIGHT) | record


def _is_not_utf8(cell: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in cell)


def _check_fact(fact: object, record: dict[str, object], kind: str) -> None:
    if isinstance(fact, EventFact):
        assert fact.event_id == _text(record["id"])
        assert fact.profile_id == _whole(record["profile"])
        assert fact.video_id == _whole(record["film"])
        assert fact.event_at == _micros(record["at"])
        assert fact.known_at == _micros(record["seen"])
        assert fact.kind is EventKind[str(record["what"]).upper()]
        given = record["value"]
        assert fact.value == (None if given in {None, ""} else float(_number(given)))
    elif isinstance(fact, AttributeFact):
        assert fact.entity_id == _whole(record["film"])
        assert fact.valid_from == _micros(record["at"])
        assert fact.known_at == _micros(record["seen"])
        if fact.name == "mood":
            given = record["id"]
            assert fact.value == (float(given) if isinstance(given, Decimal) else given)
            assert given not in {"", "NA"} if isinstance(given, str) else True
        elif fact.name == "withdrawn":
            assert str(record["what"]).strip().lower() in {
                "true",
                "false",
                "0",
                "1",
                "1.0",
                "0.0",
                "-0.0",
            }
        elif fact.name == "maturity":
            assert fact.value == _whole(record["profile"])
        else:
            assert fact.value == _whole(record["value"])
    else:
        batch: Any = fact
        assert batch.entity_ids.tolist() == [_whole(record["profile"])]
        assert batch.valid_from.tolist() == [_micros(record["at"])]
        assert batch.known_at.tolist() == [_micros(record["seen"])]
        for place, name in enumerate(["value", "film"]):
            found = batch.values[0, place]
            given = record[name]
            if given in {None, ""} or str(given).strip().lower() == "nan":
                assert math.isnan(found), kind
            else:
                near = np.float32(float(_number(given)))
                assert abs(found - near) <= abs(np.spacing(near)), (found, near)


def _text(cell: object) -> str:
    assert not isinstance(cell, bool)
    assert isinstance(cell, str | int | Decimal)
    return str(cell)


def _whole(cell: object) -> int:
    number = _number(cell)
    assert number.denominator == 1
    return int(number)


def _number(cell: object) -> Fraction:
    assert not isinstance(cell, bool), cell
    if isinstance(cell, str):
        found = _WHOLE.fullmatch(cell)
        return Fraction(int(found[1])) if found else Fraction(cell.strip())
    assert isinstance(cell, int | float | Decimal), cell
    return Fraction(cell)


def _micros(cell: object) -> int:
    if isinstance(cell, Moment):
        return cell.micros
    assert isinstance(cell, str), cell
    text = re.sub(r" ?(UTC|GMT)$", "Z", cell.strip())
    assert text[10:11] in {"", "T", " "} or text[8:9] in {"", "T", " "}, cell
    moment = datetime.fromisoformat(text)
    return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
