"""The baseline file: read as written, or a message that names the entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.errors import InvalidInput, NotFound
from mesh.topology.baseline_file import parse_baseline, read_baseline, write_baseline
from mesh.topology.service_process import ServiceProcess

if TYPE_CHECKING:
    from pathlib import Path


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    processes = (
        ServiceProcess("a.v1.A", "services.a", ("--x", "1"), {"LEVEL": "2"}, replicas=3),
        ServiceProcess("b.v1.B", "services.b"),
    )
    write_baseline(processes, tmp_path / "baseline.json")
    assert read_baseline(tmp_path / "baseline.json") == processes


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "--baseline"),
        ("{}", "--baseline"),
        ("[1]", "[0]"),
        ('[{"service": "a.A", "module": "a"}, {"service": "a.A"}]', "[1].module"),
        ('[{"service": "a.A", "module": "a", "port": 1}]', "[0].port"),
        ('[{"service": "a.A", "module": "a", "replicas": true}]', "[0].replicas"),
        ('[{"service": "a.A", "module": "a", "replicas": 0}]', "[0].replicas"),
        ('[{"service": "a.A", "module": "a", "replicas": "3"}]', "[0].replicas"),
        ('[{"service": "a.A", "module": "a", "replicas": 2.0}]', "[0].replicas"),
        ('[{"service": "a.A", "module": "a", "arguments": [1]}]', "[0].arguments"),
        ('[{"service": "a.A", "module": "a", "environment": {"A": 1}}]', "[0].environment"),
    ],
)
def test_a_broken_baseline_is_refused_by_entry_and_field(
    tmp_path: Path, text: str, field: str
) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        read_baseline(path)
    assert caught.value.field == field
    assert "\n" not in caught.value.problem
    assert ".." not in caught.value.problem


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            '{"service": "a.A", "modul": 1}',
            r"'modul' is not a field .*module.* secrets\. Write",
        ),
        ('{"service": "a.A", "module": 5}', r"baseline: expected string .*'int'\. Write"),
        (
            '{"service": "a.A", "module": "a", "replicas": "0"}',
            "'0' is not a number of replicas",
        ),
    ],
)
def test_what_is_wrong_with_an_entry_is_one_sentence(
    tmp_path: Path, entry: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_baseline(f"[{entry}]", tmp_path)


def test_a_missing_baseline_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no baseline file .*absent\.json"):
        read_baseline(tmp_path / "absent.json")
