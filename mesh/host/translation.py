"""Programs and processes as messages of pagesim.mesh.v1, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pagesim.mesh.v1 import host_pb2

from core.errors import InvalidInput
from mesh.process.child_process import Program

if TYPE_CHECKING:
    from mesh.host.programs import RunningProgram


def write_program(program: Program) -> host_pb2.Program:
    """Return the message of the program."""
    return host_pb2.Program(
        name=program.name,
        command=program.command,
        log=str(program.log or ""),
        environment=program.environment,
        directory=str(program.directory or ""),
        secrets=program.secrets,
        essential=program.essential,
        description=program.description,
    )


def read_program(message: host_pb2.Program) -> Program:
    """Return the program of the message.

    Raises:
        InvalidInput: It has no command.
    """
    if not message.command:
        raise InvalidInput(
            f"{message.name or 'A program'} has no command.",
            remedy="Give the program and its arguments.",
            field="command",
        )
    return Program(
        name=message.name,
        command=tuple(message.command),
        log=Path(message.log) if message.log else None,
        environment=dict(message.environment),
        directory=Path(message.directory) if message.directory else None,
        secrets=tuple(message.secrets),
        essential=message.essential,
        description=message.description,
    )


def write_process(process: RunningProgram) -> host_pb2.HostedProcess:
    """Return the message of the process; what its environment holds stays with the host."""
    program = write_program(process.program)
    program.ClearField("environment")
    program.ClearField("secrets")
    return host_pb2.HostedProcess(
        process_key=process.key,
        program=program,
        process_id=process.process_id,
        exit_reason=process.exit_reason() or "",
        said=process.find_ready_line() or {},
        ready=process.is_ready(),
    )
