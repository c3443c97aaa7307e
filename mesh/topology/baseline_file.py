"""The baseline file: which processes serve every stack, as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from pagesim.mesh.v1 import mesh_pb2

from core.errors import InvalidInput, NotFound
from mesh.topology.translation import read_process, write_process

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence
    from pathlib import Path

    from mesh.topology.service_process import ServiceProcess

_EXAMPLE = '[{"service": "pagesim.ranking.v1.RankingService", "module": "services.ranking"}]'
_SECRETS = "secrets"
_KEYS = (*mesh_pb2.ServiceProcess.DESCRIPTOR.fields_by_name, _SECRETS)
_FIELD = re.compile(r"Failed to parse (\w+) field: ")


def write_baseline(processes: Sequence[ServiceProcess], path: Path) -> None:
    """Write the processes to the file."""
    path.write_text(format_baseline(processes))


def format_baseline(processes: Sequence[ServiceProcess]) -> str:
    """Return the processes as the text of a baseline file."""
    return json.dumps([describe_process(process) for process in processes], indent=1)


def read_baseline(path: Path) -> tuple[ServiceProcess, ...]:
    """Return the processes that the file names.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is not a list of processes; the message names the entry.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise NotFound(
            f"There is no baseline file {path}.",
            remedy=f"Write one, e.g. {_EXAMPLE}",
            field="--baseline",
        ) from None
    return parse_baseline(text, path)


def parse_baseline(text: str, path: Path) -> tuple[ServiceProcess, ...]:
    """Return the processes that the text of a baseline file names.

    Args:
        text: The text.
        path: Where it comes from, for messages.

    Raises:
        InvalidInput: It is not a list of processes; the message names the entry.
    """
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise _invalid(path, f"it is not JSON ({error})", "--baseline") from None
    if not isinstance(entries, list):
        raise _invalid(path, "it is not a list", "--baseline")
    return tuple(_read_entry(path, number, entry) for number, entry in enumerate(entries))


def take_secrets(
    processes: Sequence[ServiceProcess], environment: MutableMapping[str, str]
) -> Mapping[str, str]:
    """Take the secrets that processes ask for out of an environment, and return them.

    Raises:
        InvalidInput: One of them is not there.
    """
    names = {name for process in processes for name in process.secrets}
    for name in sorted(names - environment.keys()):
        raise InvalidInput(
            f"The environment has no {name}, which the baseline asks for.",
            remedy="Set it.",
            field="--baseline",
        )
    return {name: environment.pop(name) for name in names}


def describe_process(process: ServiceProcess) -> dict[str, Any]:
    """Return the process as ProtoJSON of pagesim.mesh.v1.ServiceProcess.

    The names of secrets are not a field of that message, as no call may give them; they stand
    beside its fields.
    """
    described = MessageToDict(write_process(process), preserving_proto_field_name=True)
    return {**described, _SECRETS: list(process.secrets)} if process.secrets else described


def parse_process(entry: Mapping[str, Any]) -> ServiceProcess:
    """Return the process that an entry describes.

    Raises:
        InvalidInput: It cannot be run.
        ParseError: The entry is not as `describe_process` writes it.
    """
    fields = {name: value for name, value in entry.items() if name != _SECRETS}
    process = read_process(ParseDict(fields, mesh_pb2.ServiceProcess()))
    return replace(process, secrets=tuple(entry.get(_SECRETS, ())))


def _read_entry(path: Path, number: int, entry: object) -> ServiceProcess:
    where = f"[{number}]"
    if not isinstance(entry, dict):
        raise _invalid(path, f"{entry!r} is not an object", where)
    for key in entry:
        if key not in _KEYS:
            known = ", ".join(_KEYS)
            raise _invalid(
                path,
                f"{key!r} is not a field of a process, which has {known}",
                f"{where}.{key}",
            )
    secrets = entry.get(_SECRETS, [])
    if not isinstance(secrets, list) or not all(isinstance(name, str) for name in secrets):
        raise _invalid(path, f"{secrets!r} is not a list of names", f"{where}.{_SECRETS}")
    replicas = entry.get("replicas", 1)
    # ProtoJSON takes the text "3" for a number, and reads 0 as a number that is not given.
    if type(replicas) is not int or replicas == 0:
        raise _invalid(path, f"{replicas!r} is not a number of replicas", f"{where}.replicas")
    try:
        process = parse_process(entry)
    except ParseError as error:
        problem = str(error).splitlines()[0].rstrip(".")
        field = _FIELD.search(problem)
        problem = problem.removeprefix(field[0]) if field else problem
        raise _invalid(path, problem, f"{where}.{field[1]}" if field else where) from None
    except InvalidInput as error:
        raise InvalidInput(
            error.problem, remedy=error.remedy, field=f"{where}.{error.field}"
        ) from None
    return process


def _invalid(path: Path, problem: str, field: str) -> InvalidInput:
    return InvalidInput(
        f"{path} is not a baseline: {problem}.", remedy=f"Write, e.g., {_EXAMPLE}", field=field
    )
