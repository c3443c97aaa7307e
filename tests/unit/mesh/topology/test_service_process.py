"""What cannot be run is refused by its field, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.errors import InvalidInput
from mesh.topology.baseline_file import read_baseline, write_baseline
from mesh.topology.process_files import ProcessFile, file_variables
from mesh.topology.service_process import ServiceProcess
from mesh.topology.translation import read_process, write_process

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "0" * 64
WHOLE = ServiceProcess(
    "a.v1.A",
    command=("ranker", "--listen={address}"),
    files={"model": ProcessFile("/models/a.bin", DIGEST)},
)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "module"),
        ({"module": "a", "command": ("x", "{address}")}, "command"),
        ({"arguments": ("a",), "command": ("x", "{address}")}, "command"),
        ({"command": ("x",)}, "command"),
        ({"command": ("", "{address}")}, "command"),
        ({"module": "a", "arguments": ("\0",)}, "arguments"),
        ({"command": ("x\0", "{address}")}, "command"),
        ({"module": "a", "environment": {"A": "b\0"}}, "environment"),
        ({"module": "a", "environment": {"A\0": "b"}}, "environment"),
        ({"module": "a", "secrets": ("A\0",)}, "environment"),
        ({"module": "a", "files": {"A=B": ProcessFile("/a", DIGEST)}}, "files"),
    ],
)
def test_a_process_that_cannot_be_run_is_refused(values: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ServiceProcess("a.v1.A", **values)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("path", "sha256"), [("model", DIGEST), ("/model\0", DIGEST), ("/model", "abc")]
)
def test_a_file_without_a_whole_path_and_digest_is_refused(path: str, sha256: str) -> None:
    with pytest.raises(InvalidInput):
        ProcessFile(path, sha256)


def test_commands_and_files_survive_message_and_baseline_file(tmp_path: Path) -> None:
    assert read_process(write_process(WHOLE)) == WHOLE
    write_baseline([WHOLE], tmp_path / "baseline.json")
    assert read_baseline(tmp_path / "baseline.json") == (WHOLE,)


@pytest.mark.parametrize("files", ["[]", '{"m": 1}', '{"m": {"path": "/m"}}'])
def test_files_of_another_kind_are_refused_in_a_baseline(tmp_path: Path, files: str) -> None:
    (tmp_path / "baseline.json").write_text(
        f'[{{"service": "a.A", "module": "a", "files": {files}}}]'
    )
    with pytest.raises(InvalidInput) as caught:
        read_baseline(tmp_path / "baseline.json")
    assert caught.value.field == "[0].files"


def test_files_are_told_in_variables() -> None:
    assert file_variables(WHOLE.files) == {"PAGESIM_FILE_MODEL": "/models/a.bin"}
