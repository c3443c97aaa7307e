"""The log of a stack: its own lines and no others, in order, also while they are written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from core.moments import format_moment
from mesh.observation.log_lines import LogLine, StackLogs, choose_lines

if TYPE_CHECKING:
    from pathlib import Path

START = 1_700_000_000_000_000


def moment(second: int) -> str:
    return format_moment(START + second * 1_000_000)


def access(second: int, stack: str, *, status: str = "OK", flags: str = "-") -> str:
    entry = {"at": moment(second), "stack": stack, "grpc_status": status, "flags": flags}
    return json.dumps(entry) + "\n"


def event(second: int, name: str, *, stack: str = "", level: str = "info") -> str:
    entry = {"timestamp": moment(second), "event": name, "level": level}
    return json.dumps(entry | ({"stack": stack} if stack else {})) + "\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for owner in ("baseline", "trial", "other"):
        (tmp_path / "logs" / owner).mkdir(parents=True)
    return tmp_path


def write(directory: Path, name: str, *lines: str) -> None:
    path = directory / name
    with path.open("a") as file:
        file.write("".join(lines))


def seconds(lines: list[LogLine]) -> list[int]:
    return [(line.at_micros - START) // 1_000_000 for line in lines]


def test_the_lines_of_all_logs_come_in_one_order_and_others_stay_out(directory: Path) -> None:
    write(directory, "access.jsonl", access(2, "trial"), access(3, "other"), access(6, "trial"))
    write(directory, "logs/trial/a-0.log", event(1, "serving"), event(5, "stopped"))
    write(directory, "logs/other/a-0.log", event(1, "serving"))
    write(
        directory,
        "logs/baseline/b-0.log",
        event(0, "serving"),
        event(4, "call_failed", stack="trial"),
        event(4, "call_failed", stack="other"),
    )
    lines = StackLogs(directory, "trial").read_new()
    assert seconds(lines) == [1, 2, 4, 5, 6]
    assert [line.source for line in lines] == [
        "trial/a-0",
        "envoy",
        "baseline/b-0",
        "trial/a-0",
        "envoy",
    ]


def test_a_traceback_belongs_to_the_entry_above_it(directory: Path) -> None:
    write(
        directory,
        "logs/baseline/b-0.log",
        *(event(1, "call_crashed", stack="other", level="error"), "Traceback of other\n"),
        *(event(2, "call_crashed", stack="trial", level="error"), "Traceback of trial\n"),
    )
    lines = StackLogs(directory, "trial").read_new()
    assert [line.text for line in lines[1:]] == ["Traceback of trial"]
    assert seconds(lines) == [2, 2]
    assert all(line.is_error for line in lines)


def test_following_gives_each_whole_line_once_also_of_new_files(directory: Path) -> None:
    logs = StackLogs(directory, "trial")
    whole = access(1, "trial")
    write(directory, "access.jsonl", access(0, "trial"), whole[:20])
    assert seconds(logs.read_new()) == [0]
    assert logs.read_new() == []
    write(directory, "access.jsonl", whole[20:])
    write(directory, "logs/trial/late-0.log", event(2, "serving"))
    assert seconds(logs.read_new()) == [1, 2]
    assert logs.read_new() == []


def test_a_rotated_log_is_read_to_its_end_and_then_from_its_new_beginning(
    directory: Path,
) -> None:
    logs = StackLogs(directory, "trial")
    log = directory / "access.jsonl"
    for second in range(0, 12, 3):
        write(directory, "access.jsonl", access(second, "trial"))
        assert second in seconds(logs.read_new())
        write(directory, "access.jsonl", access(second + 1, "trial"))
        log.replace(directory / "access.jsonl.1")
        write(directory, "access.jsonl", access(second + 2, "trial"))
        assert seconds(logs.read_new()) == [second + 1, second + 2]
    assert seconds(StackLogs(directory, "trial").read_new()) == [8, 9, 10, 11]


def test_a_truncated_log_is_read_from_its_beginning(directory: Path) -> None:
    logs = StackLogs(directory, "trial")
    write(directory, "access.jsonl", access(0, "trial"), access(1, "trial"))
    assert seconds(logs.read_new()) == [0, 1]
    (directory / "access.jsonl").write_text("")
    write(directory, "access.jsonl", access(2, "trial"))
    assert seconds(logs.read_new()) == [2]


def test_errors_and_moments_can_be_chosen(directory: Path) -> None:
    write(
        directory,
        "access.jsonl",
        access(0, "trial"),
        access(1, "trial", status="Unavailable", flags="UF"),
        access(2, "trial", flags="URX"),
        access(3, "trial"),
    )
    write(directory, "logs/trial/a-0.log", event(4, "call_failed", level="warning"))
    lines = StackLogs(directory, "trial").read_new()
    assert seconds(choose_lines(lines, only_errors=True)) == [1, 2, 4]
    since = START + 2_000_000
    assert seconds(choose_lines(lines, since_micros=since)) == [2, 3, 4]
    assert seconds(choose_lines(lines, since_micros=since, only_errors=True)) == [2, 4]


def test_a_stack_that_logged_nothing_has_no_lines(tmp_path: Path) -> None:
    assert StackLogs(tmp_path, "trial").read_new() == []
