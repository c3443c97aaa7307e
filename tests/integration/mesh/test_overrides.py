"""A stack may run any program, with files that are what the stack says they are."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mesh.errors import ProcessFailed, WrongFile
from mesh.topology.process_files import ProcessFile
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import StackState
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mesh.client.mesh_process import MeshProcess
    from mesh.topology.stack import StackStatus

    Create = Callable[..., StackStatus]
    ClientOf = Callable[[StackStatus, str], ProbeClient]

pytestmark = pytest.mark.integration

PROBE = (
    sys.executable,
    "-m",
    "tests.support.mesh.probe",
    "--service",
    SECOND,
    "--name",
    "program",
)


def model_file(path: Path, content: bytes) -> ProcessFile:
    path.write_bytes(content)
    return ProcessFile(str(path), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    "address", [("--address", "{address}"), ("--address=127.0.0.1:{port}",)]
)
def test_a_program_that_writes_no_ready_line_is_ready_when_it_listens(
    create: Create, client_of: ClientOf, address: tuple[str, ...]
) -> None:
    command = (*PROBE, *address, "--mesh-address", "{mesh_address}")
    status = create(ServiceProcess(SECOND, command=command))
    assert client_of(status, SECOND).ask(Question()).name.strip() == "program"
    # It was given the mesh's address, so it can call others.
    answers = client_of(status, SECOND).ask(Question(path=(FIRST,))).hops
    assert [one.name.strip() for one in answers] == ["program", FIRST]


def test_a_program_that_is_not_there_is_named(create: Create) -> None:
    missing = ServiceProcess(SECOND, command=("no-such-program", "{address}"))
    with pytest.raises(ProcessFailed, match="there is no program no-such-program"):
        create(missing)


def test_a_program_that_dies_is_reported_with_the_end_of_its_log(create: Create) -> None:
    dying = ServiceProcess(SECOND, command=(*PROBE, "--die", "no fuel", "--address={address}"))
    with pytest.raises(ProcessFailed, match="no fuel"):
        create(dying)


def test_a_process_is_told_where_its_files_are(
    create: Create, client_of: ClientOf, tmp_path: Path
) -> None:
    model = model_file(tmp_path / "model.bin", b"weights")
    arguments = ("--service", SECOND, "--tell-variable", "PAGESIM_FILE_RANKING_MODEL")
    process = ServiceProcess(
        SECOND, "tests.support.mesh.probe", arguments, files={"ranking_model": model}
    )
    status = create(process)
    assert status.stack.overrides == (process,)
    assert client_of(status, SECOND).ask(Question()).name.strip() == model.path


def test_a_file_that_holds_something_else_starts_nothing(
    create: Create, tmp_path: Path
) -> None:
    model = model_file(tmp_path / "model.bin", b"weights")
    (tmp_path / "model.bin").write_bytes(b"other weights")
    command = (*PROBE, "--address", "{address}")
    with pytest.raises(WrongFile, match=r"File model, .* has SHA-256"):
        create(ServiceProcess(SECOND, command=command, files={"model": model}))
    (tmp_path / "model.bin").unlink()
    with pytest.raises(WrongFile, match="cannot be read"):
        create(ServiceProcess(SECOND, command=command, files={"model": model}))


def test_a_file_that_changed_keeps_a_dead_process_from_coming_back(
    mesh: MeshProcess, create: Create, tmp_path: Path
) -> None:
    model = model_file(tmp_path / "model.bin", b"weights")
    command = (*PROBE, "--address", "{address}")
    status = create(ServiceProcess(SECOND, command=command, files={"model": model}))
    (tmp_path / "model.bin").write_bytes(b"other weights")
    os.kill(status.endpoints[0].process_id, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (now := mesh.service.get_stack(status.stack.stack_id)).state is StackState.READY:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert now.state is StackState.FAILED
    assert f"File model, {model.path}, has SHA-256" in now.reason
